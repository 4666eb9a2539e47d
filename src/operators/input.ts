import type { InputConfig } from "../graph/contracts.ts";
import type { InputNode } from "../graph/nodes.ts";

/** Items come in. */
export function inputNode(stepId: string, config: InputConfig<unknown>): InputNode {
  if (typeof config?.open !== "function") {
    throw new TypeError(
      `input "${stepId}" needs a config such as new KafkaInputConfig(…); got ` +
        Deno.inspect(config, { depth: 0 }),
    );
  }
  return { kind: "input", name: { given: stepId }, upstreams: [], config };
}
