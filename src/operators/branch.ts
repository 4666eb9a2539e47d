import type { ChainNode, ChainOp, StepNode } from "../graph/nodes.ts";
import { nameAfter, type StepOptions } from "./user_function.ts";

/** The three nodes of a branch: the question, asked once for each item, and its two answers. */
export interface BranchNodes {
  /** Asks. */
  readonly ask: ChainNode;
  /** Passes the items for which the answer is `true`. */
  readonly yes: ChainNode;
  /** Passes the others. */
  readonly no: ChainNode;
}

/** Splits items by `p(item)`, which must be `true` or `false`. */
export function branchNodes(
  upstream: StepNode,
  p: (item: never) => boolean,
  options: StepOptions = {},
): BranchNodes {
  const name = nameAfter("branch", p, options);
  const ask: ChainNode = { kind: "chain", name, upstreams: [upstream], op: question, fn: p };
  const answer = (part: "yes" | "no", op: ChainOp): ChainNode => ({
    kind: "chain",
    name: options.id === undefined
      ? { hint: part, numbered: false }
      : { given: `${options.id}.${part}` },
    upstreams: [ask],
    op,
    fn: p,
    part,
  });
  return { ask, yes: answer("yes", yes), no: answer("no", no) };
}

const question: ChainOp = {
  name: "branch",
  changesCount: false,
  expands: false,
  keepsKey: true,
  source: ({ item, fn, result, checks, next }) => `
    const ${result} = ${fn}(${item});
    if (${result} !== true && ${result} !== false)
      throw ${checks}.notBoolean("branch", ${result});
    ${next(item)}`,
};

const yes: ChainOp = {
  name: "branch",
  changesCount: true,
  expands: false,
  keepsKey: true,
  source: ({ item, upstreamResult, next }) => `if (${upstreamResult}) { ${next(item)} }`,
};

const no: ChainOp = {
  name: "branch",
  changesCount: true,
  expands: false,
  keepsKey: true,
  source: ({ item, upstreamResult, next }) => `if (!${upstreamResult}) { ${next(item)} }`,
};
