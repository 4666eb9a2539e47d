/**
 * Runs a dataflow on worker processes: `deno run -A cli.ts flow.ts`. See `--help`.
 *
 * @module
 */
import { main } from "./src/cli/main.ts";

if (import.meta.main) Deno.exit(await main(Deno.args));
