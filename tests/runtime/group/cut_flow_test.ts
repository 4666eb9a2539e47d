import { assertEquals, assertThrows } from "@std/assert";
import {
  Dataflow,
  EventClockConfig,
  FlowDefinitionError,
  type Keyed,
  TestingInputConfig,
  TumblingWindowConfig,
} from "../../../mod.ts";
import type { InputConfig, InputReader } from "../../../src/graph/contracts.ts";
import { graphOf } from "../../../src/graph/graph.ts";
import { topicsOf } from "../../../src/group/layout_change.ts";
import { appOfTopic, type SubTopology } from "../../../src/group/topology.ts";
import { cutFlow, type FlowCut } from "../../../src/runtime/group/cut_flow.ts";
import { idOf } from "../../../src/runtime/plan.ts";
import { RecordingOutput } from "../../support/runtime/recording_output.ts";

/** An input that reads topics. */
class TopicInput<T> implements InputConfig<T> {
  readonly topics: readonly string[] | null;

  constructor(...topics: string[]) {
    this.topics = topics;
  }

  open(): Promise<InputReader<T>> {
    return Promise.reject(new Error("nobody opens it"));
  }
}

function cut(build: (flow: Dataflow) => unknown, shards = 4): FlowCut {
  const flow = new Dataflow("cut");
  build(flow);
  return cutFlow(graphOf(flow), {
    shards,
    topicsOf: (config) => config instanceof TopicInput ? config.topics : null,
  });
}

const sink = <T>() => new RecordingOutput<T>();
const sum = (state: number, value: number): [number, number] => [state + value, state + value];

/** The part that an input "in" of numbers becomes. */
const READS_NUMBERS: SubTopology = {
  name: "in",
  sourceTopics: ["numbers"],
  hasShuffle: false,
  hasState: false,
  inputs: ["in"],
  stateful: [],
};

/** The heads and outputs of each part. */
function headsOf({ parts }: FlowCut): Record<string, string[]> {
  return Object.fromEntries(
    [...parts].map(([name, { plan }]) => [
      name,
      [...plan.stages.map(({ head }) => head), ...plan.captures].map((node) => idOf(plan, node)),
    ]),
  );
}

Deno.test("cutFlow() makes one part of a flow without an exchange", () => {
  const flow = cut((flow) =>
    flow.input("in", new TopicInput<number>("numbers")).map((n) => n).capture("out", sink())
  );
  assertEquals(headsOf(flow), { in: ["in", "out"] });
  assertEquals(flow.topology.subtopologies, [
    READS_NUMBERS,
  ]);
  assertEquals(flow.exchanges, []);
});

Deno.test("cutFlow() cuts before keyed steps, and leaves steps of the same keys together", () => {
  const flow = cut((flow) =>
    flow.input("in", new TopicInput<Keyed<number>>("numbers"))
      .statefulMap("sum", () => 0, sum)
      .mapValue((n) => n)
      .stateful("again", () => ({ onItem() {}, snapshot: () => 0 }))
      .capture("out", sink())
  );
  assertEquals(flow.topology.subtopologies, [
    READS_NUMBERS,
    {
      name: "sum",
      sourceTopics: [],
      hasShuffle: true,
      hasState: true,
      inputs: [],
      stateful: ["sum", "again"],
    },
  ]);
  assertEquals(flow.exchanges.map(({ from, to }) => [from, to]), [["in", "sum"]]);
  const [{ number }] = flow.topology.exchanges;
  assertEquals(flow.topology.exchanges, [
    { number, step: "sum", route: "key", isCombined: false, from: "in", to: "sum" },
  ]);
});

Deno.test("cutFlow() cuts at redistribute(), which has no keyed step to name a part by", () => {
  const flow = cut((flow) =>
    flow.input("in", new TopicInput<number>("numbers")).redistribute().map((n) => n)
      .capture("out", sink())
  );
  assertEquals(
    flow.topology.subtopologies.map(({ name, hasShuffle, hasState }) => [
      name,
      hasShuffle,
      hasState,
    ]),
    [["in", false, false], ["redistribute-1", true, false]],
  );
});

Deno.test("cutFlow() joins an input and keyed results into one part if they are merged", () => {
  const flow = cut((flow) => {
    const numbers = flow.input("in", new TopicInput<Keyed<number>>("numbers"));
    const sums = numbers.statefulMap("sum", () => 0, sum);
    flow.input("others", new TopicInput<Keyed<number>>("b", "a")).merge(sums)
      .capture("out", sink());
  });
  assertEquals(flow.topology.subtopologies, [
    READS_NUMBERS,
    {
      name: "sum",
      sourceTopics: ["a", "b"],
      hasShuffle: true,
      hasState: true,
      inputs: ["others"],
      stateful: ["sum"],
    },
  ]);
});

Deno.test("cutFlow() lets a part send to itself", () => {
  const flow = cut((flow) => {
    const sums = flow.input("in", new TopicInput<Keyed<number>>("numbers"))
      .statefulMap("sum", () => 0, sum);
    const others = sums.keyOn(([, n]) => `${n}`).mapValue(([, n]) => n)
      .statefulMap("other", () => 0, sum);
    sums.merge(others).capture("out", sink());
  });
  assertEquals(flow.exchanges.map(({ from, to }) => [from, to]), [["in", "sum"], ["sum", "sum"]]);
});

Deno.test("cutFlow() makes names of the characters that topics may have, each once", () => {
  const flow = cut((flow) => {
    for (const id of ["in a", "in_a", "in/a", "in.a", "x".repeat(300)]) {
      flow.input(id, new TopicInput<number>("numbers")).capture(`out ${id}`, sink());
    }
  });
  const names = [...flow.parts.keys()];
  for (const name of names) assertEquals(/^[A-Za-z0-9_-]{1,120}$/.test(name), true, name);
  assertEquals(new Set(names).size, 5);
  assertEquals(names[1], "in_a");
});

Deno.test("two apps do not share topics if dots are in an app's name, or in a step's", () => {
  const topics = (app: string, step: string) => {
    const { topology } = cut((flow) =>
      flow.input("in", new TopicInput<Keyed<number>>("numbers")).statefulMap(step, () => 0, sum)
        .capture("out", sink())
    );
    return topicsOf(app, topology);
  };
  const [ours, theirs] = [topics("p", "eu.count"), topics("p.eu", "count")];
  assertEquals([...theirs], ["p.eu.count.shuffle", "p.eu.count.state"]);
  assertEquals(ours.size, 2);
  for (const topic of ours) assertEquals(appOfTopic(topic), "p");
  for (const topic of theirs) assertEquals(appOfTopic(topic), "p.eu");
});

Deno.test("cutFlow() gives the same hash to flows whose functions differ", () => {
  const build = (change: (n: number) => number, topic = "numbers") => (flow: Dataflow) =>
    flow.input("in", new TopicInput<Keyed<number>>(topic)).mapValue(change)
      .statefulMap("sum", () => 0, sum).capture("out", sink());
  const { hash } = cut(build((n) => n)).topology;
  assertEquals(/^[0-9a-f]{8}$/.test(hash), true);
  assertEquals(cut(build((n) => 2 * n)).topology.hash, hash);
  assertEquals(cut(build((n) => n, "others")).topology.hash === hash, false);
  assertEquals(cut(build((n) => n), 8).topology.hash === hash, false);
});

Deno.test("cutFlow() gives an exchange the same number wherever it is in the flow", () => {
  const build = (first: boolean) => (flow: Dataflow) => {
    const numbers = flow.input("in", new TopicInput<Keyed<number>>("numbers"));
    if (first) numbers.statefulMap("first", () => 0, sum).capture("out 1", sink());
    numbers.statefulMap("sum", () => 0, sum).capture("out 2", sink());
  };
  const [alone] = cut(build(false)).topology.exchanges;
  const both = cut(build(true)).topology.exchanges;
  assertEquals(both.map(({ step }) => step), ["first", "sum"]);
  assertEquals(both[1], alone);
});

Deno.test("cutFlow() gives another hash if an input is renamed, as its positions have its name", () => {
  const build = (id: string) => (flow: Dataflow) => {
    const sums = flow.input("in", new TopicInput<Keyed<number>>("numbers"))
      .statefulMap("sum", () => 0, sum);
    sums.merge(flow.input(id, new TopicInput<Keyed<number>>("others"))).capture("out", sink());
  };
  const { hash } = cut(build("others")).topology;
  assertEquals(cut(build("renamed")).topology.hash === hash, false);
});

Deno.test("cutFlow() refuses an input without topics, and names it", () => {
  assertThrows(
    () => cut((flow) => flow.input("in", new TestingInputConfig([1])).capture("out", sink())),
    FlowDefinitionError,
    'input "in" reads no Kafka topic, so a group cannot share it out: put its items into a topic',
  );
});

Deno.test("cutFlow() refuses steps that emit at the end, and names them", () => {
  const input = new TopicInput<Keyed<number>>("numbers");
  const finals: ((keyed: Dataflow<Keyed<number>>) => Dataflow<unknown>)[] = [
    (keyed) => keyed.countFinal("end"),
    (keyed) => keyed.maxFinal("end"),
    (keyed) => keyed.minFinal("end"),
    (keyed) => keyed.reduceFinal("end", (a, b) => a + b),
    (keyed) => keyed.foldFinal("end", () => 0, (a, b) => a + b),
    (keyed) => keyed.join("end", keyed, { mode: "final" }),
  ];
  for (const add of finals) {
    assertThrows(
      () => cut((flow) => add(flow.input("in", input)).capture("out", sink())),
      FlowDefinitionError,
      'step "end" emits when its input ends, and the inputs of a group never do',
    );
  }
});

Deno.test("cutFlow() cuts right before each step by event time, also if its keys are there", () => {
  const clock = new EventClockConfig<number>({ getTime: (n) => new Date(n), wait: { seconds: 1 } });
  const windower = new TumblingWindowConfig({ length: { seconds: 1 } });
  const flow = cut((flow) =>
    flow.input("in", new TopicInput<Keyed<number>>("numbers"))
      .statefulMap("sum", () => 0, sum)
      .countWindow("windows", clock, windower).capture("out", sink())
  );
  assertEquals(flow.exchanges.map(({ from, to }) => [from, to]), [["in", "sum"], [
    "sum",
    "windows",
  ]]);
});
