import type { ExchangeNode, StepNode } from "../graph/nodes.ts";
import { nameOf, type StepOptions } from "./user_function.ts";

/** Spreads items evenly over the workers. */
export function redistributeNode(upstream: StepNode, options: StepOptions = {}): ExchangeNode {
  const name = nameOf("redistribute", options);
  return { kind: "exchange", name, upstreams: [upstream], route: "spread" };
}

/**
 * Sends each item to the worker that owns its key. Every stateful step has one of these upstream.
 */
export function byKeyNode(upstream: StepNode): ExchangeNode {
  return {
    kind: "exchange",
    name: { hint: "by-key", numbered: true },
    upstreams: [upstream],
    route: "key",
    part: "route",
  };
}
