/**
 * The thread that writes the files of tasks. A commit takes as long as the disk does, and so does
 * moving SQLite's WAL. The event loop of the process must not wait for them.
 *
 * @module
 */
import { serve, type ThreadPort } from "./serve.ts";

serve(self as unknown as ThreadPort);
