/**
 * What the processes of a group are started with, whatever they are for.
 *
 * @module
 */

/** The module of the log of all groups. */
export const LOG_MODULE: string = import.meta.resolve("../connectors/kafka_tasks/log_module.ts");

/** Prints what a process has printed while it loads a flow: our own output is for answers. */
export function printToStderr(bytes: Uint8Array): void {
  for (let rest = bytes; rest.length > 0;) rest = rest.subarray(Deno.stderr.writeSync(rest));
}
