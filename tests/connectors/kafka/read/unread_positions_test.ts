import { assertEquals } from "@std/assert";
import { shareOfWorker } from "../../../../src/connectors/kafka/read/partition_share.ts";
import type { KafkaPosition } from "../../../../src/connectors/kafka/read/position.ts";
import { unreadPositions } from "../../../../src/connectors/kafka/read/unread_positions.ts";
import { testPlace } from "../../../support/runtime/test_place.ts";

const position = (offset: number): KafkaPosition => ({ offset: BigInt(offset), topicId: "id" });

const stored = (...names: string[]) =>
  new Map<string, unknown>(names.map((name, n) => [name, position(n)]));

interface Case {
  readonly topics: readonly string[];
  readonly read: readonly (readonly string[])[];
  readonly replaced?: readonly string[];
}

/** What each worker keeps, by name, and what is logged. */
function kept(resume: ReadonlyMap<string, unknown>, { topics, read, replaced = [] }: Case) {
  const place = testPlace({ stepId: "in", workerCount: read.length });
  const names = read.map((own, workerIndex) => {
    const now = { topics, names: new Set(own), replaced: new Set(replaced) };
    const unread = unreadPositions(resume, now, shareOfWorker({ ...place, workerIndex }), place);
    for (const [name, state] of unread) assertEquals(state, resume.get(name));
    return [...unread.keys()];
  });
  return { names, logged: place.logged };
}

Deno.test("unreadPositions() keeps topics that are not read now, on one worker, with one warning", () => {
  const resume = stored("c1-0", "c1-1", "c2-0", "c2-1");
  for (
    const [read, names] of [
      [[["c2-0", "c2-1"]], [["c1-0", "c1-1"]]],
      [[["c2-0"], ["c2-1"]], [["c1-0", "c1-1"], []]],
    ]
  ) {
    assertEquals(kept(resume, { topics: ["c2"], read }), {
      names,
      logged: [
        'warn: the store has positions of topic "c1", which step "in" does not read now: they are kept',
      ],
    });
  }
});

Deno.test("unreadPositions() warns once of several topics, and tells similar names apart", () => {
  const resume = stored("a-0", "a-1-0", "b-0");
  assertEquals(kept(resume, { topics: ["a"], read: [["a-0"]] }), {
    names: [["a-1-0", "b-0"]],
    logged: [
      'warn: the store has positions of topics "a-1", "b", which step "in" does not read now: they ' +
      "are kept",
    ],
  });
});

Deno.test("unreadPositions() keeps nothing of what is read, and logs nothing", () => {
  const resume = stored("a-0", "a-1");
  assertEquals(kept(resume, { topics: ["a"], read: [["a-0"], ["a-1"]] }), {
    names: [[], []],
    logged: [],
  });
  assertEquals(kept(new Map(), { topics: ["a"], read: [["a-0"]] }), { names: [[]], logged: [] });
});

Deno.test("unreadPositions() keeps a partition that no broker knows of on the worker that would read it", () => {
  const resume = stored("a-0", "a-1", "a-3");
  assertEquals(kept(resume, { topics: ["a"], read: [["a-0"], ["a-1"]] }), {
    names: [[], ["a-3"]],
    logged: [],
  });
});

Deno.test("unreadPositions() drops those of a topic that was created again", () => {
  const resume = stored("a-0", "a-1", "b-0");
  const { names } = kept(resume, { topics: ["a"], read: [["a-0"]], replaced: ["a"] });
  assertEquals(names, [["b-0"]]);
});

Deno.test("unreadPositions() drops positions that are not Kafka's, with a warning", () => {
  const resume = new Map<string, unknown>([
    ["/tmp/a.txt", { path: "/tmp/a.txt" }],
    ["0 of 1", null],
    ["a-01", position(0)],
    ["a-0", position(1)],
  ]);
  assertEquals(kept(resume, { topics: ["a"], read: [["a-0"]] }), {
    names: [[]],
    logged: [
      'warn: the store has positions of step "in" that are not Kafka positions, such as ' +
      '"/tmp/a.txt": they are dropped',
    ],
  });
});
