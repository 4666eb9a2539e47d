import type { ExchangeNode, StepNode } from "../graph/nodes.ts";

/** Spreads items evenly over the workers. */
export function redistributeNode(upstream: StepNode): ExchangeNode {
  const name = { hint: "redistribute", numbered: true };
  return { kind: "exchange", name, upstreams: [upstream], route: "spread" };
}

/** Sends each item to the worker that owns its key: what stands before every stateful step. */
export function byKeyNode(upstream: StepNode): ExchangeNode {
  return {
    kind: "exchange",
    name: { hint: "by-key", numbered: true },
    upstreams: [upstream],
    route: "key",
    part: "route",
  };
}
