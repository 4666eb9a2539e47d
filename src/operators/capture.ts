import type { OutputConfig } from "../graph/contracts.ts";
import type { CaptureNode, StepNode } from "../graph/nodes.ts";

/** Sends items out. Without a step id the output is named `capture-1`, `capture-2` and so on. */
export function captureNode(
  upstream: StepNode,
  config: OutputConfig<never>,
  stepId?: string,
): CaptureNode {
  if (typeof config?.open !== "function") {
    throw new TypeError(
      `capture needs a config such as new StdOutputConfig(); got ` +
        Deno.inspect(config, { depth: 0 }),
    );
  }
  const name = stepId === undefined ? { hint: "capture", numbered: true } : { given: stepId };
  return { kind: "capture", name, upstreams: [upstream], config };
}
