/** Runs of a flow over sources at random speeds. They stop, crash, and go on with other workers. */
import { assert } from "@std/assert";
import type { FlowHandle } from "../../../src/runtime/run.ts";
import type { MemoryRun } from "../../../src/runtime/run/memory_run.ts";
import { eventually } from "../eventually.ts";
import { WatchedRecovery } from "../recovery/watched_recovery.ts";
import { HeldPost, settle } from "../runtime/held_post.ts";
import { runWorkers } from "../runtime/workers.ts";
import type { Random } from "../values/random.ts";
import type { Event } from "./source_batch.ts";
import type { Feed } from "./source_feed.ts";
import type { SourceLogs } from "./source_logs.ts";

/** A run that has all events ends within this number of turns. */
const MOST_TURNS = 400;

/** How a run ends, and on how many workers it runs. */
export interface Plan {
  readonly workers: number;
  /** In turns, how long it lasts; infinity for the run that goes to the end. */
  readonly turns: number;
  readonly ends: "stop" | "crash";
  readonly epochMs: number;
  /** How many items may be on their way between two workers. */
  readonly credit: number;
}

/** Plans for one or more runs, the last of which goes to the end. */
export function randomPlans(random: Random): Plan[] {
  const restarts = random.pick([0, 0, 1, 2, 3]);
  return Array.from({ length: restarts + 1 }, (_, at) => ({
    workers: 1 + random.below(3),
    turns: at < restarts ? 1 + random.below(40) : Infinity,
    ends: random.pick(["stop", "crash"]),
    epochMs: random.pick([0, 20, 100]),
    credit: random.pick([1, 4, 1_000]),
  }));
}

/** Runs a flow as planned, until all has been read. */
export async function runPlans(
  flow: FlowHandle,
  plans: readonly Plan[],
  inputs: readonly SourceLogs<Event>[],
  feed: Feed,
  random: Random,
): Promise<void> {
  const recovery = new WatchedRecovery();
  for (const plan of plans) {
    if (await runOne(flow, plan, inputs, feed, random, recovery) === "ended") return;
  }
}

async function runOne(
  flow: FlowHandle,
  { workers, turns, ends, epochMs, credit }: Plan,
  inputs: readonly SourceLogs<Event>[],
  feed: Feed,
  random: Random,
  recovery: WatchedRecovery,
): Promise<"ended" | "stopped"> {
  const post = new HeldPost();
  const { clock } = feed;
  let run: MemoryRun | null = null;
  let isDone = false;
  let isKilled = false;
  const done = runWorkers(flow, workers, {
    clock,
    recovery,
    epochMs,
    window: { items: credit, bytes: 1 << 20 },
    schedule: (route, arrive) => run === null ? arrive() : post.post(route, arrive),
    onRunning: (started) => run = started,
  }).finally(() => isDone = true);
  done.catch(() => {}); // looked at below
  const wake = () => inputs.forEach((input) => input.wake());
  const drain = async () => {
    wake();
    while (post.deliver());
    await settle(20);
  };
  const bring = async (hasCome: () => boolean, mostTries: number) => {
    for (let tries = 0; !isDone && !hasCome(); tries++) {
      if (tries === mostTries) return "waits";
      if (tries % 10 === 0) clock.advance(1);
      await drain();
    }
    return "has come";
  };
  await eventually(() => run !== null || isDone, "the workers are there");
  feed.begin();
  let left = MOST_TURNS;
  for (let turn = 0; !isDone; turn++) {
    if (turn === turns) {
      if (ends === "stop") run!.stop();
      else {
        isKilled = true;
        run!.kill();
      }
    }
    if (turn < turns) await feed.turn(bring);
    if (turn >= turns || feed.isOver) {
      assert(--left > 0, "the run does not end");
      // A run that is being stopped has no gaps of a second, where sources have none.
      clock.advance(turn >= turns ? 1 : 10);
      if (left < MOST_TURNS / 2) await drain();
    }
    if (random.below(3) === 0) post.shuffle(random);
    if (random.below(2) === 0) wake();
    for (let some = random.pick([0, 1, 5, 1_000]); some > 0 && post.deliver(); some--);
    await settle(random.pick([3, 10, 40]));
  }
  const result = await done.catch((error) => {
    if (!isKilled) throw error;
    return { stopped: [true] };
  });
  return result.stopped.some((each) => each) ? "stopped" : "ended";
}
