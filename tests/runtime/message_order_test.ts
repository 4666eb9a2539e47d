/**
 * Messages that travel on different sockets may arrive in any order. The coordinator has a socket
 * to each worker, and so has each pair of workers.
 */
import { assert, assertEquals } from "@std/assert";
import { Dataflow, type Keyed } from "../../mod.ts";
import type { CreditWindow } from "../../src/runtime/exchange/mesh.ts";
import type { MemoryRun } from "../../src/runtime/run/memory_run.ts";
import { eventually } from "../support/eventually.ts";
import { GatedInput } from "../support/runtime/gated_input.ts";
import { HeldPost, settle } from "../support/runtime/held_post.ts";
import { Random } from "../support/values/random.ts";
import { ExactOutput } from "../support/recovery/resumable.ts";
import { TestClock } from "../support/clock/test_clock.ts";
import { TransactionalOutput } from "../support/recovery/transactional_output.ts";
import { WatchedRecovery } from "../support/recovery/watched_recovery.ts";
import { runWorkers } from "../support/runtime/workers.ts";

const EPOCH_MS = 1_000;

/** Steps that each item passes once, and the ids of those that count items. */
interface Steps {
  readonly build: (items: Dataflow<number>) => Dataflow<number>;
  readonly counts: readonly string[];
}

/** Counts all items, by key, on the worker that owns the key. */
function counting(stepId: string): Steps {
  return {
    counts: [stepId],
    build: (items) =>
      items.map((n): Keyed<number> => [`${n % 5}`, n])
        .statefulMap(stepId, () => 0, (count: number, n) => [count + 1, n])
        .map(([, n]) => n),
  };
}

const spread: Steps = { counts: [], build: (items) => items.redistribute() };

const awaited: Steps = {
  counts: [],
  build: (items) =>
    items.mapAsync(async (n) => {
      await settle(n % 3 * 20);
      return n;
    }, { concurrency: 3, ordered: false }),
};

const parted: Steps = {
  counts: [],
  build: (items) => {
    const [even, odd] = items.branch((n) => n % 2 === 0);
    return even.redistribute().merge(odd);
  },
};

function randomSteps(random: Random): Steps[] {
  return Array.from({ length: 1 + random.below(4) }, (_, at) => {
    switch (random.below(5)) {
      case 0:
        return spread;
      case 1:
        return awaited;
      case 2:
        return parted;
      default:
        return counting(`count-${at}`);
    }
  });
}

/** A run of several workers whose messages arrive when the test says so. */
class HeldRun {
  readonly post = new HeldPost();
  readonly clock = new TestClock();
  readonly input: GatedInput;
  readonly output = new ExactOutput<number>();
  readonly transactions: TransactionalOutput;
  readonly recovery = new WatchedRecovery();
  readonly committed: number[] = [];
  readonly done: Promise<{ stopped: boolean[] }>;
  readonly #steps: readonly Steps[];
  #run: MemoryRun | null = null;
  #isHeld = false; // from the first commit on: before, nothing can come in another order
  isDone = false;

  constructor(workers: number, steps: readonly Steps[], window?: CreditWindow) {
    this.#steps = steps;
    this.input = new GatedInput(workers);
    this.transactions = new TransactionalOutput(workers);
    let items = new Dataflow("ordered").input("in", this.input);
    for (const { build } of steps) items = build(items);
    this.recovery.onCommit = () => {
      this.#isHeld = true;
      this.committed.push(this.recovery.epoch!);
      this.#check();
    };
    const flow = items.capture("out", this.output).capture("transactions", this.transactions);
    this.done = runWorkers(flow, workers, {
      epochMs: EPOCH_MS,
      clock: this.clock,
      recovery: this.recovery,
      window,
      schedule: (route, arrive) => this.#isHeld ? this.post.post(route, arrive) : arrive(),
      onRunning: (run) => this.#run = run,
    });
    this.done.then(() => this.isDone = true, () => this.isDone = true);
  }

  /** Waits until the workers are there, and tells none of them to run yet. */
  async start(): Promise<this> {
    await eventually(() => this.#run !== null || this.isDone, "the workers are there");
    return this;
  }

  /** Has the coordinator tell all to stop. */
  stop(): void {
    this.#run!.stop();
  }

  /** Delivers all, and ends epochs, until one more has been committed. */
  async nextEpoch(): Promise<void> {
    const before = this.committed.length;
    for (let tries = 0; tries < 3; tries++) {
      await this.post.drain();
      if (this.isDone || this.committed.length > before) return;
      this.clock.advance(EPOCH_MS);
    }
    await this.post.drain();
    assert(this.isDone || this.committed.length > before, "epochs have stopped");
  }

  /** Delivers all that is left: the run ends, and all that was read has been committed. */
  async end(): Promise<void> {
    await this.post.drain();
    assert(this.isDone, "the run does not end");
    await this.done;
    const { items } = this.output;
    assertEquals(sum(this.recovery.positionsOf("out")), items.length);
    assertEquals(this.recovery.positionsOf("transactions"), {});
    assertEquals(this.transactions.system.visible.toSorted(ascending), items.toSorted(ascending));
  }

  /** What a commit has is of one moment: what was read was counted, and is out. */
  #check(): void {
    const positions = this.recovery.positionsOf("in");
    // An output knows from its worker's input what the snapshot knows.
    const notes = [...this.transactions.notes].map(([worker, said]) => [worker, said.get("in")]);
    assertEquals(notes, notes.map(([worker]) => [worker, positions[`${worker}`]]));
    const read = sum(positions);
    const out = sum(this.recovery.positionsOf("out"));
    const counted = this.#steps.flatMap(({ counts }) => counts)
      .map((step) => sum(this.recovery.stateOf(step)));
    const all = [out, ...counted];
    assertEquals(all, all.map(() => read), `epoch ${this.recovery.epoch}`);
  }
}

const ascending = (a: number, b: number) => a - b;

function sum(values: Record<string, unknown>): number {
  return (Object.values(values) as number[]).reduce((a, b) => a + b, 0);
}

/** The sockets of a run of two workers, one route for each direction. */
const ROUTES = [
  "coordinator to worker 0",
  "coordinator to worker 1",
  "worker 0 to coordinator",
  "worker 1 to coordinator",
  "worker 0 to worker 1",
  "worker 1 to worker 0",
];

type Action = (run: HeldRun) => void;

const both: Action = ({ input }) => [0, 1].forEach((worker) => input.allow(worker, 4));
const first: Action = ({ input }) => input.allow(0, 4);
const endFirst: Action = ({ input }) => input.end(0);
const endSecond: Action = ({ input }) => input.end(1);
const epoch: Action = ({ clock }) => clock.advance(EPOCH_MS);
const stop: Action = (run) => run.stop();

/** What happens while two routes are held back. In each list they go on at the end of a group. */
const scenarios: Record<string, readonly (readonly Action[])[]> = {
  "workers end one after the other": [
    [both, epoch],
    [both, endSecond, epoch],
    [first, epoch],
    [first, epoch, first, endFirst],
  ],
  "a worker that has ended gets a barrier and the end": [
    [both, epoch, endSecond],
    [first, epoch, first, endFirst],
  ],
  "the run begins, and all inputs end while an epoch closes": [
    [both, epoch, endFirst, endSecond],
  ],
  "an epoch closes, then all stop": [[both], [both, epoch, stop]],
  "all stop, then an epoch closes": [[both], [both, stop, epoch]],
  "a worker has ended, then an epoch closes and the others stop": [
    [both, endSecond],
    [first, epoch, first, stop],
  ],
};

for (const [name, groups] of Object.entries(scenarios)) {
  Deno.test(`any two messages of different sockets may come in either order: ${name}`, async () => {
    for (const early of ROUTES) {
      for (const late of ROUTES) {
        if (early === late) continue;
        const order = `"${early}" before "${late}"`;
        await orderedRun(early, late, groups).catch((cause) => {
          throw new Error(order, { cause });
        });
      }
    }
  });
}

/** A run in which two routes are held back over each group of actions. */
async function orderedRun(
  early: string,
  late: string,
  groups: readonly (readonly Action[])[],
): Promise<void> {
  const others = new RegExp(`^(?!${early}$|${late}$)`);
  const run = await new HeldRun(2, [spread, counting("count"), awaited]).start();
  const { post } = run;
  for (const group of groups) {
    for (const act of group) {
      act(run);
      await post.drain(others);
    }
    await post.drain(new RegExp(`^(?!${late}$)`));
    await run.nextEpoch();
  }
  run.input.end(0);
  run.input.end(1);
  await run.end();
}

Deno.test("messages arrive in any order: nothing is lost, and epochs go on", async () => {
  for (let seed = 0; seed < 40; seed++) {
    await shuffledRun(new Random(seed)).catch((cause) => {
      throw new Error(`seed ${seed}`, { cause });
    });
  }
});

/** A run in which what happens, and what arrives, is random. */
async function shuffledRun(random: Random): Promise<void> {
  const workers = 2 + random.below(2);
  const window = random.pick([undefined, { items: 1, bytes: 1 << 20 }]);
  const run = await new HeldRun(workers, randomSteps(random), window).start();
  const { input, post } = run;
  const isStopped = random.below(4) === 0;
  for (let phase = 0; phase < 5 && !run.isDone; phase++) {
    for (let turn = random.below(60); turn > 0 && !run.isDone; turn--) {
      const worker = random.below(workers);
      switch (random.below(12)) {
        case 0:
          if (!input.hasEnded(worker)) input.allow(worker, 1 + random.below(3));
          break;
        case 1:
          run.clock.advance(EPOCH_MS);
          break;
        case 2:
          post.shuffle(random);
          break;
        case 3:
          if (phase > 0 && random.below(8) === 0) input.end(worker);
          break;
        default:
          post.deliver();
      }
      await settle(random.below(3) * 40);
    }
    if (phase === 3 && isStopped) run.stop();
    else if (!isStopped || phase < 3) await run.nextEpoch();
  }
  for (let worker = 0; worker < workers; worker++) input.end(worker);
  for (let turn = 0; turn < 200 && !run.isDone; turn++) {
    post.shuffle(random);
    for (let some = random.below(5); some >= 0; some--) post.deliver();
    await settle();
  }
  await run.end();
}
