import { assert, assertEquals, assertThrows } from "@std/assert";
import { Dataflow, TestingInputConfig } from "../../mod.ts";
import { graphOf } from "../../src/graph/graph.ts";
import { compileChain, isPassThrough } from "../../src/runtime/chain.ts";
import { createKeyTable } from "../../src/runtime/keyed/key_table.ts";
import type { StatefulNode } from "../../src/graph/nodes.ts";
import { FlowCounter } from "../../src/runtime/counts.ts";
import { idOf, planFlow } from "../../src/runtime/plan.ts";
import { RecordingOutput } from "../support/runtime/recording_output.ts";
import { stillScope } from "../support/runtime/step_scope.ts";

/** What a chain throws here: which step failed, on which item, with what. */
class Failed extends Error {
  constructor(readonly step: string, readonly item: unknown, override readonly cause: unknown) {
    super(`${step} failed`);
  }
}

const tableOf = (node: StatefulNode) => createKeyTable(node, null, stillScope());

/** The loop of the one input of a flow that `build` makes. Each capture is a port. */
function chainOf(build: (numbers: Dataflow<number>) => unknown) {
  const numbers = new Dataflow("chain").input("in", new TestingInputConfig<number>([]));
  build(numbers);
  const graph = graphOf(numbers);
  const plan = planFlow(graph, 1);
  const [stage] = plan.stages;
  const counter = new FlowCounter(plan);
  const chain = compileChain(
    plan,
    stage,
    counter,
    tableOf,
    (step, item, thrown) => new Failed(step, item, thrown),
  );
  const ports = stage.ports.map((port) => idOf(plan, port));
  return {
    plan,
    stage,
    counter,
    ports,
    /** Runs a whole batch; what came out, by port. */
    run(batch: unknown[], epoch = 0): Record<string, unknown[]> {
      const all: Record<string, unknown[]> = Object.fromEntries(ports.map((port) => [port, []]));
      for (let at = 0; at < batch.length;) {
        const outs: unknown[][] = ports.map(() => []);
        at = chain(batch, at, batch.length, epoch, outs, 1_000);
        outs.forEach((items, port) => all[ports[port]].push(...items));
      }
      return all;
    },
    once(
      batch: unknown[],
      from: number,
      to: number,
      most = 1_000,
    ): { at: number; outs: unknown[][] } {
      const outs: unknown[][] = ports.map(() => []);
      return { at: chain(batch, from, to, 0, outs, most), outs };
    },
  };
}

const sink = <T>() => new RecordingOutput<T>();

/** The step and item that a failure blames. */
function blamed(run: () => unknown): [step: string, item: unknown, message: string] {
  const failed = assertThrows(run, Failed) as Failed;
  return [failed.step, failed.item, (failed.cause as Error).message];
}

Deno.test("a chain runs its steps in order on each item", () => {
  const seen: string[] = [];
  const chain = chainOf((numbers) =>
    numbers
      .inspect((n) => seen.push(`a${n}`))
      .map((n) => n + 1)
      .inspect((n) => seen.push(`b${n}`))
      .filter((n) => n % 2 === 0)
      .inspect((n) => seen.push(`c${n}`))
      .capture("out", sink())
  );
  assertEquals(chain.run([1, 2]), { out: [2] });
  assertEquals(seen, ["a1", "b2", "c2", "a2", "b3"]);
});

Deno.test("a chain takes only the part of the batch that it was given", () => {
  const chain = chainOf((numbers) => numbers.map((n) => n * 10).capture(sink()));
  assertEquals(chain.once([1, 2, 3, 4], 1, 3), { at: 3, outs: [[20, 30]] });
});

/** A chain of every kind of step, in which the step `failing` throws at what became of item 2. */
function failingChain(failing: string) {
  const check = (step: string, item: string): void => {
    if (step === failing && item.startsWith("2")) throw new Error(`in ${step}`);
  };
  return chainOf((numbers) => {
    const [yes, no] = numbers
      .map(function first(n) {
        check("first", `${n}`);
        return `${n}`;
      })
      .filter(function second(s) {
        check("second", s);
        return true;
      })
      .flatMap(function third(s) {
        check("third", s);
        return [`${s}a`, `${s}b`];
      })
      .inspect(function fourth(s) {
        check("fourth", s);
      })
      .filterMap(function fifth(s) {
        check("fifth", s);
        return `${s}!`;
      })
      .branch(function sixth(s) {
        check("sixth", s);
        return s.includes("a");
      });
    const left = yes.map(function seventh(s) {
      check("seventh", s);
      return `${s}l`;
    });
    const right = no.inspectEpoch(function eighth(_, s) {
      check("eighth", s);
    });
    left.merge(right)
      .keyOn(function ninth(s) {
        check("ninth", s);
        return s;
      })
      .mapValue(function tenth(s) {
        check("tenth", s);
        return s;
      })
      .flatMapValue(function eleventh(s) {
        check("eleventh", s);
        return [s];
      })
      .capture("out", sink());
  });
}

Deno.test("a chain blames the right step and item when a function throws at any position", () => {
  const items: Record<string, unknown> = {
    first: 2,
    second: "2",
    third: "2",
    fourth: "2a",
    fifth: "2a",
    sixth: "2a!",
    seventh: "2a!",
    eighth: "2b!",
    ninth: "2a!l",
    tenth: ["2a!l", "2a!l"],
    eleventh: ["2a!l", "2a!l"],
  };
  for (const [step, item] of Object.entries(items)) {
    assertEquals(blamed(() => failingChain(step).run([1, 2, 3])), [step, item, `in ${step}`]);
  }
  const pairs = ["1a!l", "1b!", "2a!l", "2b!"].map((text) => [text, text]);
  assertEquals(failingChain("none").run([1, 2]), { out: pairs });
});

Deno.test("a chain blames the flatMap when its generator throws between items", () => {
  const chain = chainOf((numbers) =>
    numbers
      .flatMap(function* parts(n) {
        yield n;
        yield n + 0.5;
        if (n === 2) throw new Error("half-way");
      })
      .map(function after(n) {
        return n;
      })
      .capture("out", sink())
  );
  assertEquals(blamed(() => chain.run([1, 2])), ["parts", 2, "half-way"]);
});

Deno.test("a chain blames the outer of two flatMaps when its generator throws after inner ones", () => {
  const chain = chainOf((numbers) =>
    numbers
      .flatMap(function* outer(n) {
        yield n * 10;
        throw new Error("outer");
      })
      .flatMap(function* inner(n) {
        yield n;
        yield n + 1;
      })
      .map(function after(n) {
        return n;
      })
      .capture("out", sink())
  );
  assertEquals(blamed(() => chain.run([1])), ["outer", 1, "outer"]);
});

Deno.test("a chain blames the flatMapValue when its generator throws between items", () => {
  const chain = chainOf((numbers) =>
    numbers
      .keyOn((n) => `key-${n}`)
      .flatMapValue(function* parts(n) {
        yield n;
        throw new Error("half-way");
      })
      .inspect(function after() {})
      .capture("out", sink())
  );
  assertEquals(blamed(() => chain.run([1])), ["parts", ["key-1", 1], "half-way"]);
});

Deno.test("a chain closes the generators of flatMap when a later step throws", () => {
  let closed = 0;
  const chain = chainOf((numbers) =>
    numbers
      .flatMap(function* parts(n) {
        try {
          yield n;
        } finally {
          closed++;
        }
      })
      .inspect(function after() {
        throw new Error("after");
      })
      .capture("out", sink())
  );
  assertEquals(blamed(() => chain.run([1])), ["after", 1, "after"]);
  assertEquals(closed, 1);
});

Deno.test("a chain blames each of several readers of one step for its own error", () => {
  for (const failing of ["left", "right", "both"]) {
    const chain = chainOf((numbers) => {
      const doubled = numbers.map((n) => n * 2);
      doubled.inspect(function left() {
        if (failing === "left") throw new Error("left");
      }).capture("left out", sink());
      doubled.map((n) => n + 1).inspect(function right() {
        if (failing !== "left") throw new Error("right");
      }).capture("right out", sink());
    });
    const expected = failing === "left" ? ["left", 2, "left"] : ["right", 3, "right"];
    assertEquals(blamed(() => chain.run([1])), expected);
  }
});

Deno.test("a chain passes on what was thrown, even if that is not an error", () => {
  for (const thrown of [null, undefined, "text", 0]) {
    const chain = chainOf((numbers) =>
      numbers.map(() => {
        throw thrown;
      }).capture("out", sink())
    );
    const failed = assertThrows(() => chain.run([1]), Failed) as Failed;
    assertEquals([failed.step, failed.cause], ["map-1", thrown]);
  }
});

Deno.test("a chain gives inspectEpoch the epoch of each batch", () => {
  const seen: [number, number][] = [];
  const chain = chainOf((numbers) =>
    numbers.inspectEpoch((epoch, n) => seen.push([epoch, n])).capture("out", sink())
  );
  chain.run([1, 2], 0);
  chain.run([3], 41);
  assertEquals(seen, [[0, 1], [0, 2], [41, 3]]);
});

Deno.test("a chain sends an item to every port that reads it, and parts of it to the others", () => {
  const chain = chainOf((numbers) => {
    const [even, odd] = numbers.branch((n) => n % 2 === 0);
    numbers.capture("all", sink());
    even.capture("even", sink()).capture("even too", sink());
    odd.mapAsync(async function work(n) {
      return await Promise.resolve(n);
    });
  });
  assertEquals(chain.run([1, 2, 3]), {
    all: [1, 2, 3],
    even: [2],
    "even too": [2],
    work: [1, 3],
  });
});

Deno.test("a chain keeps the order of items when branches come together again", () => {
  const chain = chainOf((numbers) => {
    const [even, odd] = numbers.branch((n) => n % 2 === 0);
    const [fours, twos] = even.branch((n) => n % 4 === 0);
    odd.map((n) => -n).merge(fours.merge(twos)).capture("out", sink());
  });
  assertEquals(chain.run([1, 2, 3, 4, 5, 6]), { out: [-1, 2, -3, 4, -5, 6] });
});

Deno.test("a chain sends an item on once for each way that it has through a merge", () => {
  const chain = chainOf((numbers) =>
    numbers.merge(numbers.map((n) => n * 10), numbers.flatMap((n) => [n * 100, n * 1000]))
      .capture("out", sink())
  );
  const { out } = chain.run([1, 2]) as { out: number[] };
  assertEquals(out.toSorted((a, b) => a - b), [1, 2, 10, 20, 100, 200, 1000, 2000]);
});

Deno.test("a chain sends an item on twice when a stream is merged with itself", () => {
  const chain = chainOf((numbers) => numbers.merge(numbers).capture("out", sink()));
  assertEquals(chain.run([1, 2]), { out: [1, 1, 2, 2] });
});

Deno.test("a chain counts what leaves the steps that let a different number through", () => {
  const chain = chainOf((numbers) => {
    const [low, high] = numbers.filter((n) => n > 0).branch((n) => n < 3);
    low.flatMap((n) => [n, n]).capture("out", sink());
    high.filterMap((n) => n === 3 ? null : n).merge(low).filter(function last(n) {
      return n !== 4;
    });
  });
  chain.run([0, 1, 2]);
  chain.run([3, 4, 5]);
  const { graph } = chain.plan;
  const counted = graph.nodes.map((node) => [
    idOf(chain.plan, node),
    chain.counter.out[chain.counter.numberOf(node)],
  ]);
  assertEquals(Object.fromEntries(counted.filter(([, count]) => count !== 0)), {
    "filter-1": 5,
    yes: 2,
    no: 3,
    "flatMap-1": 4,
    "filterMap-1": 2,
    last: 3,
  });
});

Deno.test("a chain in which an item may become many pauses when there is room for no more", () => {
  const chain = chainOf((numbers) => numbers.flatMap((n) => [n, n, n]).capture("out", sink()));
  const { at, outs } = chain.once([1, 2, 3, 4, 5], 0, 5, 4);
  assertEquals([at, outs], [2, [[1, 1, 1, 2, 2, 2]]]);
  assertEquals(chain.once([1, 2, 3], 0, 3, 3).at, 1);
  assertEquals(chain.once([1, 2, 3], 0, 3, 10).at, 3);
});

Deno.test("a chain has as many steps as the user likes", () => {
  const chain = chainOf((numbers) => {
    let stream = numbers;
    for (let i = 0; i < 400; i++) stream = stream.map((n) => n + 1);
    stream.capture("out", sink());
  });
  assertEquals(chain.run([1, 2]), { out: [401, 402] });
});

Deno.test("a chain of many branches that come together again stays small", () => {
  const chain = chainOf((numbers) => {
    let stream = numbers;
    for (let i = 0; i < 60; i++) {
      const [yes, no] = stream.branch((n) => n % 2 === 0);
      stream = yes.map((n) => n + 1).merge(no.map((n) => n + 3));
    }
    stream.capture("out", sink());
  });
  assertEquals(chain.run([0, 1]), { out: [120, 121] });
});

Deno.test("a chain is compiled when an id has characters that mean something in source text", () => {
  for (const id of ["*/ ` ${x} \n \u2028", "\\", "//# sourceURL=x", "\ud800"]) {
    const flow = new Dataflow("f").input(id, new TestingInputConfig([1])).map((n) => n + 1)
      .capture(sink());
    const graph = graphOf(flow);
    const plan = planFlow(graph, 1);
    const chain = compileChain(
      plan,
      plan.stages[0],
      new FlowCounter(plan),
      tableOf,
      () => new Error(),
    );
    const outs: unknown[][] = [[]];
    chain([1], 0, 1, 0, outs, 64);
    assertEquals(outs, [[2]], id);
  }
});

Deno.test("isPassThrough() holds when nothing but one port reads a stage's head", () => {
  const passes = (build: (numbers: Dataflow<number>) => unknown): boolean => {
    const { plan, stage } = chainOf(build);
    return isPassThrough(plan, stage);
  };
  assert(passes((numbers) => numbers.capture(sink())));
  assert(!passes((numbers) => numbers.capture(sink()).capture(sink())));
  assert(!passes((numbers) => numbers.map((n) => n).capture(sink())));
  assert(
    !passes((numbers) => {
      numbers.capture(sink());
      numbers.map((n) => n);
    }),
  );
});
