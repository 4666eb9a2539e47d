import { assert, assertEquals } from "@std/assert";
import { createLog } from "../../../../src/core/log.ts";
import { type TaskId, taskId, type Tasks } from "../../../../src/core/task_id.ts";
import type { TakerNotice } from "../../../../src/group/hand_over.ts";
import {
  FIRST_WORD_MS,
  HandOver,
  LOOK_MS,
  POST_MS,
} from "../../../../src/runtime/process/group/hand_over.ts";
import { TestClock } from "../../../support/clock/test_clock.ts";
import { MemoryBoard } from "../../../support/group/memory_board.ts";
import { pass } from "../../../support/group/scene.ts";

const READ = taskId("read", 0);
const [A, B] = [taskId("keyed", 0), taskId("keyed", 1)];
const WAIT_MS = 60_000;
const NONE: Tasks = new Set();

/** Workers that hand tasks over, on one board. */
class World {
  readonly clock = new TestClock(1_000_000_000);
  readonly board = new MemoryBoard();
  readonly lines: string[] = [];
  /** The tasks that were released, each time. */
  readonly released: string[] = [];

  worker(memberId: string, { canPrepare = true, waitMs = WAIT_MS, aheadMs = 0 } = {}): HandOver {
    const { clock } = this;
    return new HandOver({
      memberId,
      board: this.board,
      hasState: (task) => task.startsWith("keyed"),
      canPrepare,
      waitMs,
      clock: { // another machine's may be ahead
        now: () => clock.now() + aheadMs,
        wakeAt: (at, wake) => clock.wakeAt(at - aheadMs, wake),
        elapsed: () => clock.now(),
      },
      log: createLog((_, message) => void this.lines.push(message)),
    });
  }

  /** Has a worker give up tasks. */
  gives(giver: HandOver, ...tasks: TaskId[]): void {
    giver.give(
      new Set(tasks),
      (left) => this.released.push([...left].join(" ")),
    );
  }

  async pass(ms: number): Promise<void> {
    await pass(this.clock, ms);
  }

  /** Somebody posts. */
  posts(task: TaskId, by: string, stage: TakerNotice["stage"], agoMs = 0): void {
    this.board.notices.set(task, { by, stage, at: this.clock.now() - agoMs });
  }
}

const copy = (task: TaskId, lag: number | null, hasFailed = false) => ({ task, lag, hasFailed });

Deno.test("a task is given up once its taker has read its state", async () => {
  for (const aheadMs of [0, 3_600_000, -3_600_000]) {
    const world = new World();
    const [giver, taker] = [world.worker("giver"), world.worker("taker", { aheadMs })];
    taker.awaits(new Set([A]), NONE);
    world.gives(giver, A, READ);
    await world.pass(7_000);
    taker.copied([copy(A, null)]);
    await world.pass(7_000);
    taker.copied([copy(A, 50_000)]);
    await world.pass(7_000);
    assertEquals(world.released, []);
    taker.copied([copy(A, 10)]);
    await world.pass(2 * LOOK_MS);
    assertEquals(world.released, [`${A} ${READ}`]);
    taker.awaits(NONE, new Set([A]));
    const { reads, posts } = world.board;
    const posted = posts.length;
    await world.pass(10_000);
    assertEquals([world.board.reads, posts.length], [reads, posted], "nobody asks any more");
  }
});

Deno.test("a move ends the same if the giver hears of it first, or the taker", async () => {
  for (const first of ["giver", "taker"]) {
    for (const apartMs of [0, 100, 900, 4_000]) {
      const world = new World();
      const [giver, taker] = [world.worker("giver"), world.worker("taker")];
      const steps = [
        () => world.gives(giver, A, B),
        () => {
          taker.awaits(new Set([A, B]), NONE);
          taker.copied([copy(A, 0), copy(B, 0)]);
        },
      ];
      if (first === "taker") steps.reverse();
      steps[0]();
      await world.pass(apartMs);
      steps[1]();
      await world.pass(POST_MS + 2 * LOOK_MS);
      assertEquals(world.released.length, 1, `${first} is first by ${apartMs} ms`);
    }
  }
});

Deno.test("tasks of one move are given up together, when the last one is read", async () => {
  const world = new World();
  const [giver, taker, other] = ["giver", "taker", "other"].map((id) => world.worker(id));
  taker.awaits(new Set([A]), NONE);
  other.awaits(new Set([B]), NONE);
  world.gives(giver, A, B);
  taker.copied([copy(A, 0)]);
  await world.pass(10_000);
  assertEquals(world.released, []);
  other.copied([copy(B, 0)]);
  await world.pass(2 * LOOK_MS);
  assertEquals(world.released, [`${A} ${B}`]);
});

Deno.test("there is nothing to wait for: tasks go at once", async () => {
  const world = new World();
  const giver = world.worker("giver");
  world.gives(giver, READ);
  assertEquals(world.released.length, 1);
  world.gives(world.worker("hurried", { waitMs: 0 }), A);
  assertEquals(world.released.length, 2);
  assertEquals(world.board.reads, 0);
  // The taker has no disk, or a copy that fails.
  world.worker("taker", { canPrepare: false }).awaits(new Set([A]), NONE);
  const failing = world.worker("failing");
  failing.awaits(new Set([B]), NONE);
  failing.copied([copy(B, null, true)]);
  await world.pass(0);
  world.gives(giver, A, B);
  await world.pass(2 * LOOK_MS);
  assertEquals(world.released.length, 3);
});

Deno.test("a giver that hears nothing waits for a first word only", async () => {
  const world = new World();
  world.posts(A, "taker", "ready", 60_000); // of another move
  world.posts(B, "giver", "ready"); // of when it came here
  world.gives(world.worker("giver"), A, B);
  await world.pass(FIRST_WORD_MS - LOOK_MS);
  assertEquals(world.released, []);
  await world.pass(2 * LOOK_MS);
  assertEquals(world.released.length, 1);
});

Deno.test("a board that fails or hangs holds nobody up", async () => {
  for (const turn of [() => Promise.reject(new Error("away")), () => new Promise<void>(() => {})]) {
    const world = new World();
    world.board.turn = turn;
    const [giver, taker] = [world.worker("giver"), world.worker("taker")];
    taker.awaits(new Set([A]), NONE);
    world.gives(giver, A);
    await world.pass(FIRST_WORD_MS + LOOK_MS);
    assertEquals(world.released.length, 1);
  }
});

Deno.test("a board that was away for a moment is asked again", async () => {
  const world = new World();
  let left = 3;
  world.board.turn = () => left-- > 0 ? Promise.reject(new Error("away")) : Promise.resolve();
  const [giver, taker] = [world.worker("giver"), world.worker("taker")];
  taker.awaits(new Set([A]), NONE);
  world.gives(giver, A);
  await world.pass(20_000);
  assertEquals(world.released, []);
  taker.copied([copy(A, 0)]);
  await world.pass(POST_MS);
  assertEquals(world.released.length, 1);
});

Deno.test("a taker that dies gets its task when the time is up, after its session", async () => {
  const world = new World();
  const [giver, taker] = [world.worker("giver"), world.worker("taker")];
  taker.awaits(new Set([A]), NONE);
  world.gives(giver, A);
  await world.pass(2_000);
  taker.close(false);
  await world.pass(WAIT_MS - 2_000 - LOOK_MS);
  assertEquals(world.released, []);
  await world.pass(2 * LOOK_MS);
  assertEquals(world.released.length, 1);
  assert(world.lines.includes("tasks move before their next worker has read their state"));
});

Deno.test("if the taker has gone, its giver waits for a word of the next one", async () => {
  const ends: ((taker: HandOver) => void)[] = [
    (taker) => taker.close(true),
    (taker) => taker.awaits(NONE, NONE),
  ];
  for (const end of ends) {
    for (const hasNext of [true, false]) {
      const world = new World();
      const [giver, taker, next] = ["giver", "taker", "next"].map((id) => world.worker(id));
      taker.awaits(new Set([A]), NONE);
      world.gives(giver, A);
      await world.pass(20_000);
      end(taker);
      await world.pass(FIRST_WORD_MS - LOOK_MS);
      assertEquals(world.released, []);
      if (hasNext) next.awaits(new Set([A]), NONE);
      await world.pass(20_000);
      assertEquals(world.released.length, hasNext ? 0 : 1);
      if (!hasNext) continue;
      next.copied([copy(A, 0)]);
      await world.pass(2 * LOOK_MS);
      assertEquals(world.released.length, 1);
    }
  }
});

Deno.test("tasks that are gone otherwise are not given up again", async () => {
  const world = new World();
  const giver = world.worker("giver");
  world.gives(giver, A, B);
  await world.pass(1_000);
  giver.forget([A]);
  await world.pass(FIRST_WORD_MS);
  assertEquals(world.released, [B]);
  world.gives(giver, A);
  giver.forget([A]);
  world.gives(giver, B);
  giver.close(false);
  await world.pass(WAIT_MS);
  assertEquals(world.released.length, 1);
  world.gives(giver, A); // it is ending
  assertEquals(world.released.length, 2);
});

Deno.test("a taker posts once a second, and at once when something changes", async () => {
  const world = new World();
  const taker = world.worker("taker");
  taker.copied([copy(A, 0)]); // nobody waits for that
  await world.pass(5_000);
  assertEquals(world.board.posts, []);
  taker.awaits(new Set([A, READ]), NONE);
  await world.pass(0);
  assertEquals(world.board.posts, [`${A} preparing`]);
  await world.pass(2_500);
  assertEquals(world.board.posts.length, 3);
  taker.copied([copy(A, 0)]);
  await world.pass(0);
  assertEquals(world.board.posts.slice(3), [`${A} ready`]);
  taker.awaits(new Set([B, READ]), NONE);
  await world.pass(0);
  assertEquals(world.board.posts.slice(4), [`${B} preparing, ${A} gone`]);
});
