import type { SubTopology } from "../../../src/group/topology.ts";

/** A part of a flow, which has only what is given. */
export function part(name: string, more: Partial<SubTopology> = {}): SubTopology {
  return {
    name,
    sourceTopics: [],
    hasShuffle: false,
    hasState: false,
    inputs: [],
    stateful: [],
    ...more,
  };
}
