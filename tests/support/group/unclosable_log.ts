/** The module of a log, in memory, that fails to close. Its flow is that of `process_flow.ts`. */
import { MemoryGroup, MemoryLog } from "./memory_log.ts";

export { default, topicsOf } from "./process_flow.ts";

export function openGroupLog(): Promise<MemoryLog> {
  const log = new MemoryLog(new MemoryGroup());
  return Promise.resolve(Object.assign(log, { close: () => Promise.reject(new Error("broken")) }));
}
