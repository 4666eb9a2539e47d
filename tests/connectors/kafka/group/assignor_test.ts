import { assert, assertEquals } from "@std/assert";
import {
  type Candidate,
  type Target,
  targetOf,
} from "../../../../src/connectors/kafka/group/assignor.ts";
import { sharesOf } from "../../../../src/connectors/kafka/group/shares.ts";
import { type TaskId, taskId } from "../../../../src/core/task_id.ts";
import { Random } from "../../../support/values/random.ts";

const CASES = 300;

function tasksOf(counts: ReadonlyMap<string, number>): TaskId[] {
  return [...counts].flatMap(([name, count]) =>
    Array.from({ length: count }, (_, partition) => taskId(name, partition))
  );
}

/** Members that own and have on disk what chance gives them; each task has one owner or none. */
function randomMembers(random: Random, counts: ReadonlyMap<string, number>): Candidate[] {
  const members = Array.from({ length: 1 + random.below(7) }, (_, n) => ({
    id: `m${n}`,
    owned: new Set<TaskId>(),
    onDisk: new Map<TaskId, number>(),
  }));
  for (const task of tasksOf(counts)) {
    if (random.below(4) > 0) random.pick(members).owned.add(task);
    for (const { onDisk } of members) if (random.below(5) === 0) onDisk.set(task, random.below(99));
  }
  return members;
}

function randomCounts(random: Random, subtopologies: number): Map<string, number> {
  return new Map(Array.from({ length: subtopologies }, (_, n) => [`s${n}`, random.below(20)]));
}

/** Runs a check on random members, and names the seed if it fails. */
function forCases(subtopologies: number, check: (random: Random, all: Case) => void): void {
  for (let seed = 1; seed <= CASES; seed++) {
    const random = new Random(seed);
    const counts = randomCounts(random, subtopologies);
    const members = randomMembers(random, counts);
    try {
      check(random, { counts, members, target: targetOf(members, counts) });
    } catch (error) {
      throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error });
    }
  }
}

interface Case {
  readonly counts: ReadonlyMap<string, number>;
  readonly members: readonly Candidate[];
  readonly target: Target;
}

function spread(sizes: readonly number[]): number {
  return Math.max(...sizes) - Math.min(...sizes);
}

Deno.test("the target has each task once, and is balanced in each sub-topology and in all", () => {
  forCases(4, (_, { counts, target }) => {
    const all = [...target.values()].flatMap((tasks) => [...tasks]);
    assertEquals(all.sort(), tasksOf(counts).sort());
    assert(spread([...target.values()].map(({ size }) => size)) <= 1, "unbalanced in all");
    for (const name of counts.keys()) {
      const its = [...target.values()].map((tasks) =>
        [...tasks].filter((task) => task.startsWith(`${name}_`)).length
      );
      assert(spread(its) <= 1, `unbalanced in ${name}: ${its}`);
    }
  });
});

Deno.test("a target that has been reached stays, in whatever order the members come", () => {
  forCases(4, (_, { counts, members, target }) => {
    const reached = members.map((each) => ({ ...each, owned: target.get(each.id)! }));
    assertEquals(targetOf([...reached].reverse(), counts), target);
  });
});

Deno.test("no more tasks of a sub-topology move than balance needs", () => {
  forCases(1, (_, { counts, members, target }) => {
    const [[, count]] = counts;
    const share = Math.floor(count / members.length);
    const most = members.map(({ owned }) => owned.size).sort((a, b) => b - a)
      .map((size, n) => Math.min(size, share + (n < count % members.length ? 1 : 0)));
    const kept = members.map(({ id, owned }) => owned.intersection(target.get(id)!).size);
    const sum = (numbers: number[]) => numbers.reduce((a, b) => a + b, 0);
    assertEquals(sum(kept), sum(most));
  });
});

Deno.test("tasks never have two owners on the way to the target, and get there in two generations", () => {
  forCases(3, (_, { counts, members }) => {
    const work = { counts, stateful: new Set<string>(), standbys: 0 };
    let now = members;
    for (let generation = 0; generation < 2; generation++) {
      const shares = sharesOf(now, work);
      const running = now.flatMap(({ id, owned }) => [...owned.union(shares.get(id)!.tasks)]);
      assertEquals(running.length, new Set(running).size, "two owners");
      now = now.map((each) => {
        const { tasks, awaits } = shares.get(each.id)!;
        return { ...each, owned: tasks, awaits };
      });
    }
    assertEquals(new Map(now.map(({ id, owned }) => [id, owned])), targetOf(now, counts));
    assertEquals(now.flatMap(({ owned }) => [...owned]).sort(), tasksOf(counts).sort());
  });
});

Deno.test("a task that nobody owns goes to the member that has most of it on disk", () => {
  const [first, second] = [0, 1].map((partition) => taskId("keyed", partition));
  const member = (id: string, onDisk: [TaskId, number][]): Candidate => ({
    id,
    owned: new Set(),
    onDisk: new Map(onDisk),
  });
  const members = [member("a", [[first, 5], [second, 90]]), member("b", [[first, 9]])];
  const target = targetOf(members, new Map([["keyed", 2]]));
  assertEquals(target, new Map([["a", new Set([second])], ["b", new Set([first])]]));
});

Deno.test("a member gives up a task that another has on disk before one that nobody has", () => {
  const [first, second] = [0, 1].map((partition) => taskId("keyed", partition));
  const members: Candidate[] = [
    { id: "a", owned: new Set([first, second]), onDisk: new Map() },
    { id: "b", owned: new Set(), onDisk: new Map([[first, 7]]) },
  ];
  const target = targetOf(members, new Map([["keyed", 2]]));
  assertEquals(target, new Map([["a", new Set([second])], ["b", new Set([first])]]));
});

Deno.test("a task that two members claim is given to neither, until one has given it up", () => {
  const task = taskId("keyed", 0);
  const claims = ["a", "b"].map((id) => ({ id, owned: new Set([task]), onDisk: new Map() }));
  const work = { counts: new Map([["keyed", 1]]), stateful: new Set<string>(), standbys: 0 };
  const shares = [...sharesOf(claims, work).values()];
  assertEquals(shares.map(({ tasks }) => tasks), [new Set(), new Set()]);
});

Deno.test("a group without members, and one without tasks, have empty targets", () => {
  assertEquals(targetOf([], new Map([["keyed", 3]])), new Map());
  const members = [{ id: "a", owned: new Set<TaskId>(), onDisk: new Map() }];
  assertEquals(targetOf(members, new Map([["keyed", 0]])), new Map([["a", new Set()]]));
});

Deno.test("the leader of a thousand members assigns within a small part of its session", () => {
  const counts = new Map([["read", 1_024], ["keyed", 4_096], ["joined", 4_093]]);
  const members = Array.from({ length: 1_000 }, (_, n) => ({
    id: `m${n}`,
    owned: new Set<TaskId>(),
    onDisk: new Map<TaskId, number>(),
  }));
  const from = performance.now();
  const first = targetOf(members, counts);
  const settled = members.map(({ id }) => ({
    id,
    owned: first.get(id)!,
    onDisk: new Map(Array.from(first.get(id)!, (task) => [task, 1])),
  }));
  const newcomer = { id: "new", owned: new Set<TaskId>(), onDisk: new Map() };
  const target = targetOf([...settled, newcomer], counts);
  const ms = performance.now() - from;
  assert(ms < 3_000, `took ${ms} ms: its session of 6 s would end`);
  const moved = settled.flatMap(({ id, owned }) => [...owned.difference(target.get(id)!)]);
  const has = target.get("new")!.size;
  assert(moved.length <= has + 3, `${moved.length} tasks move for one that gets ${has}`);
});
