import { assert, assertEquals, assertRejects, assertThrows } from "@std/assert";
import { Dataflow, FlowDefinitionError, KafkaInputConfig, KafkaOutputConfig } from "millrace";
import type * as KnownConfigs from "../../../src/connectors/kafka/known_configs.ts";
import { checkFlow, locateCluster } from "../../../src/connectors/kafka_tasks/log_module.ts";
import { OWN_MODULE } from "../../../src/core/own_module.ts";
import { graphOf } from "../../../src/graph/graph.ts";
import { silentLog } from "../../../src/core/log.ts";

/** What another copy of Millrace knows, in the same process. */
const OTHER_COPY = new URL("../../../src/connectors/kafka/known_configs.ts?copy", import.meta.url);
const other: typeof KnownConfigs = await import(OTHER_COPY.href);

/** A config of another copy has the same members, and nothing that this copy knows. */
function ofOtherCopy<C extends object>(config: C, remember: (config: object) => void): C {
  const its = Object.create(config);
  remember(its);
  return its;
}

const place = { brokers: ["127.0.0.1:1"], topic: "orders" };
const input = new KafkaInputConfig(place);
const output = new KafkaOutputConfig(place);
const otherInput = ofOtherCopy(
  input,
  (config) => other.rememberInput(config, { settings: null!, toItem: null! }),
);
const otherOutput = ofOtherCopy(output, (config) => other.rememberOutput(config, null!));

const flowOf = (from: typeof input, to: typeof output) =>
  graphOf(new Dataflow("copies").input("in", from).capture("out", to));

Deno.test("configs of another copy of Millrace are refused in a group, with the cure", async () => {
  for (
    const [flow, name] of [
      [flowOf(otherInput, output), `input "in" is a KafkaInputConfig`],
      [flowOf(input, otherOutput), `output "out" is a KafkaOutputConfig`],
    ] as const
  ) {
    for (const guarantee of ["exactly-once", "at-least-once"] as const) {
      const error = assertThrows(() => checkFlow(flow, guarantee), FlowDefinitionError);
      for (const part of [name, "another copy of Millrace", OWN_MODULE, "cli.ts"]) {
        assert(error.message.includes(part), `${error.message}: no ${part}`);
      }
    }
    const { signal } = new AbortController();
    const error = await assertRejects(
      () => locateCluster({ graph: flow, log: silentLog, signal }),
      FlowDefinitionError,
    );
    assert(error.message.startsWith(name), error.message);
  }
});

Deno.test("configs of one's own copy are taken, also where another copy is loaded", () => {
  assertEquals(checkFlow(flowOf(input, output), "exactly-once"), undefined);
});
