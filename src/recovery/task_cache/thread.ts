/**
 * The thread that writes the files of tasks. A commit, and moving what SQLite has in its WAL, take
 * as long as the disk does: the event loop of the process must not wait for them.
 *
 * @module
 */
import { serve, type ThreadPort } from "./serve.ts";

serve(self as unknown as ThreadPort);
