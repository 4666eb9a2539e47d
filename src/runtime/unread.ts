import type { Log } from "../core/log.ts";
import type { FlowGraph } from "../graph/graph.ts";
import { unreadStreams } from "../graph/written_steps.ts";

/** Warns of streams that go nowhere. */
export function warnOfUnread(graph: FlowGraph, log: Log): void {
  for (const { step, side } of unreadStreams(graph)) {
    if (side === null) {
      log.warn("the items of a step go nowhere: end it with .capture(config), or leave it out", {
        step,
      });
    } else {
      log.warn(
        `the items of a branch go nowhere: end its "${side}" stream with .capture(config), or use ` +
          "filter instead of branch",
        { step },
      );
    }
  }
}
