import { assert, assertEquals, assertMatch, assertRejects } from "@std/assert";
import { createLog, StepError } from "millrace";
import { silentLog } from "../../../../src/core/log.ts";
import { type TaskId, taskId } from "../../../../src/core/task_id.ts";
import {
  type CommitToken,
  GroupShutdownError,
  type MemberOptions,
  type MembershipEvent,
  MembershipLostError,
} from "../../../../src/group/membership.ts";
import { toFailure } from "../../../../src/runtime/process/failure.ts";
import type {
  FromTaskWorker,
  ToTaskWorker,
} from "../../../../src/runtime/process/group/messages.ts";
import { HandOver } from "../../../../src/runtime/process/group/hand_over.ts";
import { Supervisor } from "../../../../src/runtime/process/group/supervisor.ts";
import type { ChildListener } from "../../../../src/runtime/process/group/task_seat.ts";
import { NO_READINGS } from "../../../../src/runtime/worker_readings.ts";
import { TestClock } from "../../../support/clock/test_clock.ts";
import { MemoryBoard } from "../../../support/group/memory_board.ts";
import { pass } from "../../../support/group/scene.ts";

const FLOW = { name: "flow", steps: [] };
const LOADED: FromTaskWorker = { kind: "loaded", flow: FLOW };
const [A, B, C] = [taskId("keyed", 0), taskId("keyed", 1), taskId("keyed", 2)];

/** A process that does nothing by itself. */
class FakeChild {
  readonly sent: ToTaskWorker[] = [];
  isKilled = false;
  readonly #listener: ChildListener;

  constructor(listener: ChildListener) {
    this.#listener = listener;
  }

  /** What it was told, without what does not matter; once. */
  told(): string[] {
    return this.sent.splice(0).map((message) =>
      "tasks" in message ? `${message.kind} ${message.tasks.join(" ")}` : message.kind
    );
  }

  say(...messages: FromTaskWorker[]): void {
    for (const message of messages) this.#listener.said(message);
  }

  fails(thrown: unknown, isFenced = false, isLasting = false, isLate = false): void {
    const failure = toFailure(thrown);
    this.say({ kind: "failed", failure, isFenced, isLasting, isLate });
    this.exits();
  }

  exits(how = this.isKilled ? "by SIGKILL" : "with code 1"): void {
    this.#listener.exited(how, 1);
  }
}

interface WorldOptions {
  readonly leaves?: boolean;
  readonly restarts?: number;
  readonly memberIds?: readonly string[];
  readonly refusal?: Error | null;
  /** Where takers post; without one, tasks are given up at once. */
  readonly board?: MemoryBoard | null;
  /** What the machine's disk has; without it, no states are kept. */
  readonly disk?: Map<TaskId, number> | null;
}

/** A machine of a group, with one worker unless a test wants more, which does what a test says. */
class World {
  readonly clock = new TestClock();
  readonly children: FakeChild[] = [];
  readonly acknowledged: string[] = [];
  readonly caughtUp: string[] = [];
  readonly tokens: PromiseWithResolvers<CommitToken>[] = [];
  readonly lines: string[] = [];
  /** What each process was told of late commits. */
  readonly late: number[] = [];
  readonly errors: unknown[] = [];
  /** What the member owns: before its events say so. */
  readonly owned = new Set<TaskId>();
  disposed = 0;
  /** What its members tell of its disk. */
  onDisk: MemberOptions["onDisk"];
  /** Why no process can be started; `null` if it can. */
  refusal: Error | null = null;
  /** How each member has ended last. */
  readonly ends: Record<string, string> = {};
  /** How often members have joined. */
  joins = 0;
  /** Leaving takes until then. */
  left: Promise<void> = Promise.resolve();
  readonly #tells: ((event: MembershipEvent) => void)[] = [];
  readonly supervisor: Supervisor;
  readonly run: Promise<number>;

  constructor(
    { leaves = false, restarts = 2, memberIds = ["m0"], refusal = null, board = null, disk = null }:
      WorldOptions = {},
  ) {
    this.refusal = refusal;
    this.supervisor = new Supervisor({
      memberIds,
      membership: {
        join: ({ id, onEvent, onDisk }) => {
          this.onDisk = onDisk;
          const worker = memberIds.indexOf(id);
          this.#tells[worker] = onEvent;
          this.joins++;
          this.owned.clear();
          const ends = (how: string) => {
            this.ends[id] = how;
            return how === "left" ? this.left : Promise.resolve();
          };
          return {
            owned: this.owned,
            acknowledge: (owned) => {
              const kept = new Set(owned);
              for (const task of this.owned) if (!kept.has(task)) this.owned.delete(task);
              this.acknowledged.push([...kept].join(" "));
            },
            caughtUp: (tasks) => this.caughtUp.push([...tasks].join(" ")),
            token: () => {
              this.tokens.push(Promise.withResolvers());
              return this.tokens.at(-1)!.promise;
            },
            leave: () => ends("left"),
            shutDown: () => ends("shut down"),
            stop: () => ends("stopped"),
          };
        },
        sessionTimeoutMs: 45_000,
        dismiss: () => Promise.resolve(),
        close: () => Promise.resolve(),
      },
      spawn: (_worker, _memberId, listener, lateCommits) => {
        if (this.refusal !== null) throw this.refusal;
        this.late.push(lateCommits);
        const child = new FakeChild(listener);
        this.children.push(child);
        return { send: (message) => child.sent.push(message), kill: () => child.isKilled = true };
      },
      clock: this.clock,
      log: createLog((level, message, fields) => {
        this.lines.push(`${level} ${message}`);
        if (fields?.error !== undefined) this.errors.push(fields.error);
      }),
      restarts,
      stallMs: 300_000,
      stopMs: 30_000,
      handOver: board === null ? null : (memberId) =>
        new HandOver({
          memberId,
          board,
          hasState: () => true,
          canPrepare: true,
          waitMs: 60_000,
          clock: this.clock,
          log: silentLog,
        }),
      leaves,
      onDisk: disk,
      onShutDown: (error) => {
        this.lines.push(`shut down: ${error.stepId}`);
        return Promise.resolve();
      },
    });
    this.run = this.supervisor.run();
    this.run.catch(() => {}); // the tests that expect it look at it later
  }

  /** How its first member has ended; `""` if it has not. */
  get end(): string {
    return this.ends.m0 ?? "";
  }

  get child(): FakeChild {
    return this.children.at(-1)!;
  }

  /** Tells a member something, also after it has left. */
  teller(worker = 0): (event: MembershipEvent) => void {
    return this.#tells[worker];
  }

  #tell(event: MembershipEvent, worker = 0): void {
    this.#tells[worker](event);
  }

  assigns(...tasks: TaskId[]): void {
    for (const task of tasks) this.owned.add(task);
    this.#tell({ kind: "assigned", tasks: new Set(tasks) });
  }

  revokes(...tasks: TaskId[]): void {
    this.#tell({ kind: "revoke", tasks: new Set(tasks) });
  }

  loses(...tasks: TaskId[]): void {
    for (const task of tasks) this.owned.delete(task);
    this.#tell({ kind: "lost", tasks: new Set(tasks), reason: "fenced" });
  }

  keeps(...tasks: TaskId[]): void {
    this.#tell({ kind: "standbys", tasks: new Set(tasks) });
  }

  awaits(...tasks: TaskId[]): void {
    this.#tell({ kind: "awaited", tasks: new Set(tasks) });
  }

  says(text: string | null, { worker = 0, isUsual = false } = {}): void {
    this.#tell({ kind: "status", text, ...isUsual ? { isUsual } : {} }, worker);
  }

  refuses(error: Error, worker = 0): void {
    this.#tell({ kind: "failed", error }, worker);
  }

  async answers(request: number): Promise<void> {
    this.tokens[request].resolve({
      memberId: "m0",
      epoch: 7,
      instanceId: null,
      owned: new Set(),
      [Symbol.dispose]: () => this.disposed++,
    });
    await settled();
  }
}

/** All that promises do by themselves has been done. */
async function settled(): Promise<void> {
  for (let turn = 0; turn < 10; turn++) await Promise.resolve();
}

/** A worker that runs A and B. */
function running(options = {}): World {
  const world = new World(options);
  world.child.say(LOADED);
  world.assigns(A, B);
  assertEquals(world.child.told(), ["assign keyed_0 keyed_1"]);
  return world;
}

const gaveUp = (...tasks: TaskId[]): FromTaskWorker => ({ kind: "gaveUp", tasks });
const status = (
  epoch: number,
  waitingFor: string[] = [],
  committed: number | null = null,
): Extract<FromTaskWorker, { kind: "status" }> => ({
  kind: "status",
  epoch,
  tasks: [],
  standbys: [],
  stored: [],
  waitingFor,
  steps: [],
  readings: NO_READINGS,
  measured: [],
  memory: { rss: 2, heapUsed: 1 },
  commit: committed === null ? null : { epoch: committed, ageMs: 0, ms: 1, logMs: 1, bytes: 1 },
  progressAgeMs: null,
});

Deno.test("tasks that are assigned before the flow is loaded are run after it", () => {
  const world = new World();
  world.assigns(A);
  world.assigns(B);
  assertEquals(world.child.told(), []);
  world.child.say(LOADED);
  assertEquals(world.child.told(), ["assign keyed_0 keyed_1"]);
  world.assigns(C);
  assertEquals(world.child.told(), ["assign keyed_2"]);
});

Deno.test("a worker keeps copies of what it awaits, and says how far they are", async () => {
  const board = new MemoryBoard();
  const world = new World({ board });
  world.keeps(A);
  world.awaits(B);
  await settled();
  assertEquals(board.posts, ["keyed_1 preparing"]); // also while the flow is loaded
  world.child.say(LOADED);
  assertEquals(world.child.told(), ["standbys keyed_0 keyed_1"]);
  world.child.say({ ...status(0), standbys: [{ task: B, lag: 0, hasFailed: false }] });
  await settled();
  assertEquals(board.posts, ["keyed_1 preparing", "keyed_1 ready"]);
  world.assigns(B);
  world.awaits();
  assertEquals(world.child.told(), ["assign keyed_1", "standbys keyed_0"]);
  await settled();
  assertEquals(board.posts.length, 2); // it has got it, which is not to give it back
});

Deno.test("tasks that are to move run on until their taker is ready", async () => {
  const board = new MemoryBoard();
  const world = running({ board });
  world.revokes(A);
  assertEquals(world.supervisor.readings[0].revoked, new Set([A]));
  await pass(world.clock, 1_000);
  board.notices.set(A, { by: "m1", stage: "preparing", at: world.clock.at });
  await pass(world.clock, 30_000);
  assertEquals(world.child.told(), []);
  board.notices.set(A, { by: "m1", stage: "ready", at: world.clock.at });
  await pass(world.clock, 1_000);
  assertEquals(world.child.told(), ["revoke keyed_0"]);
  world.child.say(gaveUp(A));
  assertEquals(world.acknowledged, ["keyed_1"]);
});

Deno.test("tasks that are to move go at once with the process that runs them, or a stop", async () => {
  const dies = running({ board: new MemoryBoard() });
  dies.revokes(A);
  await pass(dies.clock, 1_000);
  dies.child.exits();
  assertEquals(dies.acknowledged, ["keyed_1"]);
  await pass(dies.clock, 1_000);
  dies.child.say(LOADED);
  dies.revokes(B);
  await pass(dies.clock, 10_000);
  assertEquals(dies.child.told(), ["assign keyed_1", "revoke keyed_1"]);
  assertEquals(dies.acknowledged, ["keyed_1"]); // of A nothing more

  const stops = running({ board: new MemoryBoard() });
  stops.revokes(A);
  stops.supervisor.stop();
  assertEquals(stops.child.told(), ["stop"]);
  stops.child.say({ kind: "stopped" });
  stops.child.exits("with code 0");
  assertEquals(stops.acknowledged, ["keyed_1"]);
  await stops.run;
});

Deno.test("a task that is lost while it is to move, and comes back, is revoked once", async () => {
  const world = running({ board: new MemoryBoard() });
  world.revokes(A);
  await pass(world.clock, 1_000);
  world.loses(A, B);
  world.child.exits();
  world.assigns(A);
  await pass(world.clock, 1_000);
  world.child.say(LOADED);
  world.revokes(A);
  await pass(world.clock, 60_000);
  assertEquals(world.child.told(), ["assign keyed_0", "revoke keyed_0"]);
});

Deno.test("a worker that is loading gives up at once what it is to", () => {
  const world = new World({ board: new MemoryBoard() });
  world.assigns(A, B);
  world.revokes(A);
  assertEquals(world.acknowledged, ["keyed_1"]);
});

Deno.test("a worker keeps the copies that its member is to keep, and so does the next one", () => {
  const world = new World();
  world.keeps(A);
  assertEquals(world.child.told(), []);
  world.child.say(LOADED);
  assertEquals(world.child.told(), ["standbys keyed_0"]);
  world.keeps(A, C);
  assertEquals(world.child.told(), ["standbys keyed_0 keyed_2"]);
  // The owner of A is gone: its copy is given up first, as the restore needs its file.
  world.keeps(C);
  world.assigns(A);
  assertEquals(world.child.told(), ["standbys keyed_2", "assign keyed_0"]);
  world.loses(A);
  world.child.exits();
  world.keeps(B); // between two processes
  world.child.say(LOADED);
  assertEquals(world.child.told(), ["standbys keyed_1"]);
  world.keeps();
  assertEquals(world.child.told(), ["standbys "]);
});

Deno.test("a member tells what the disk has, and which copies have caught up", () => {
  const disk = new Map([[A, 4], [B, 5]]);
  const world = new World({ disk });
  assertEquals(world.onDisk?.(), new Map([[A, 4], [B, 5]]));
  const said = status(1);
  if (said.kind !== "status") throw new Error(said.kind);
  const standbys = [[A, 10_000] as const, [B, 10_001] as const, [C, null] as const]
    .map(([task, lag]) => ({ task, lag, hasFailed: false }));
  world.child.say(LOADED, { ...said, stored: [[B, 8], [C, 9]], standbys });
  assertEquals(world.onDisk?.(), new Map([[A, 4], [B, 8], [C, 9]]));
  assertEquals(world.caughtUp, ["keyed_0"]);
  world.child.exits();
  assertEquals(world.caughtUp, ["keyed_0", ""], "nobody keeps it up to date");
  assertEquals(new World().onDisk, undefined);
});

Deno.test("a task is revoked before the flow is loaded: given up at once, and never run", () => {
  const world = new World();
  world.assigns(A, B);
  world.revokes(A);
  assertEquals(world.acknowledged, ["keyed_1"]);
  world.child.say(LOADED);
  assertEquals(world.child.told(), ["assign keyed_1"]);
  assertEquals(world.lines, ["debug tasks given up", "info tasks assigned"]);
  world.revokes(B);
  world.child.say(gaveUp(B));
  assertEquals(world.lines.at(-1), "info tasks given up");
});

Deno.test("a task is revoked after it was assigned: given up when the worker says so", () => {
  const world = running();
  world.revokes(A);
  assertEquals(world.child.told(), ["revoke keyed_0"]);
  assertEquals(world.acknowledged, []);
  world.child.say(gaveUp(A));
  assertEquals(world.acknowledged, ["keyed_1"]);
  world.assigns(A);
  assertEquals(world.child.told(), ["assign keyed_0"]);
});

Deno.test("a worker that does not give a task up in time is killed, and follows with the others", () => {
  const world = running();
  world.revokes(A);
  world.clock.advance(29_999);
  assert(!world.child.isKilled);
  world.clock.advance(1);
  assert(world.child.isKilled);
  assertMatch(world.lines.at(-1)!, /did not give up tasks in time and is killed/);
  world.child.exits();
  assertEquals(world.acknowledged, [B]);
  world.child.say(LOADED);
  assertEquals(world.child.told(), [`assign ${B}`]);
});

Deno.test("a worker that has given a task up in time goes on", () => {
  const world = running();
  world.revokes(A);
  world.child.say({ kind: "gaveUp", tasks: [A] });
  world.clock.advance(30_000);
  assert(!world.child.isKilled);
});

Deno.test("a task that is given up and comes back is not waited for", () => {
  const world = running();
  world.revokes(A);
  world.child.say(gaveUp(A));
  world.assigns(A);
  world.clock.advance(30_000);
  assert(!world.child.isKilled);
});

Deno.test("a task that comes back does not hide another one that is not given up", () => {
  const world = running();
  world.revokes(A, B);
  world.child.say(gaveUp(A));
  world.assigns(A);
  world.clock.advance(30_000);
  assert(world.child.isKilled);
  assertMatch(world.lines.at(-1)!, /did not give up tasks in time and is killed/);
});

Deno.test("a task is given up while the member owns more than it has said", () => {
  const world = running();
  world.revokes(A);
  world.owned.add(C); // the event is on its way
  world.child.say(gaveUp(A));
  assertEquals(world.acknowledged, ["keyed_1 keyed_2"]);
});

Deno.test("the worker dies while a revocation is pending: given up, and not run again", () => {
  const world = running();
  world.revokes(A);
  world.child.exits();
  assertEquals(world.acknowledged, ["keyed_1"]);
  world.clock.advance(1_000);
  world.child.say(LOADED);
  assertEquals(world.child.told(), ["assign keyed_1"]);
});

Deno.test("a revocation comes after the worker has died: given up at once", () => {
  const world = running();
  world.child.exits();
  world.revokes(A);
  assertEquals(world.acknowledged, ["keyed_1"]);
  world.clock.advance(1_000);
  world.child.say(LOADED);
  assertEquals(world.child.told(), ["assign keyed_1"]);
});

Deno.test("a worker that has lost a task is killed; the next one starts when it has gone", () => {
  const world = running();
  world.loses(A, B);
  assert(world.child.isKilled);
  world.assigns(B); // as the member joins again while the process ends
  assertEquals(world.children.length, 1);
  assertEquals(world.child.told(), []);
  world.child.exits();
  assertEquals(world.children.length, 2);
  world.child.say(LOADED);
  assertEquals(world.child.told(), ["assign keyed_1"]);
  assertEquals(world.acknowledged, []);
});

Deno.test("tasks that are lost while the flow is loaded cost no process", () => {
  const world = new World();
  world.assigns(A);
  world.loses(A);
  world.child.say(LOADED);
  world.assigns(B);
  assert(!world.child.isKilled);
  assertEquals(world.child.told(), ["assign keyed_1"]);
});

Deno.test("a task is lost while its revocation is pending: it is not acknowledged", () => {
  const world = running();
  world.revokes(A);
  world.loses(A, B);
  world.child.say(gaveUp(A)); // was on its way
  world.child.exits();
  assertEquals(world.acknowledged, []);
});

Deno.test("a worker gives a task up before it is lost: nothing is killed", () => {
  const world = running();
  world.revokes(A);
  world.child.say(gaveUp(A));
  world.loses(A); // late
  assert(!world.child.isKilled);
  assertEquals(world.acknowledged, ["keyed_1"]);
});

Deno.test("an identity is handed out, also while a revocation is pending, and disposed of", async () => {
  for (const isRevokedFirst of [true, false]) {
    const world = running();
    if (isRevokedFirst) world.revokes(A);
    world.child.say({ kind: "identityWanted", number: 4 });
    if (!isRevokedFirst) world.revokes(A);
    await world.answers(0);
    const { kind, ...rest } = world.child.sent.at(-1)!;
    assertEquals(kind, "identity");
    assertEquals(rest, { number: 4, memberId: "m0", epoch: 7, instanceId: null } as typeof rest);
    assertEquals(world.disposed, 0);
    world.child.say({ kind: "identityDone", number: 4 });
    assertEquals(world.disposed, 1);
    world.child.say(gaveUp(A));
    assertEquals(world.acknowledged, ["keyed_1"]);
    world.child.exits();
    assertEquals(world.disposed, 1);
  }
});

Deno.test("identities of a dead worker are disposed of, whether they came before or after", async () => {
  const world = running();
  world.child.say({ kind: "identityWanted", number: 0 });
  await world.answers(0);
  world.child.say({ kind: "identityWanted", number: 1 });
  const dead = world.child;
  dead.exits();
  assertEquals(world.disposed, 1);
  dead.told();
  await world.answers(1);
  assertEquals(world.disposed, 2);
  assertEquals(dead.told(), []);
});

Deno.test("tasks are lost while the worker commits: its identity is held until it has gone", async () => {
  const world = running();
  world.child.say({ kind: "identityWanted", number: 0 });
  await world.answers(0);
  world.loses(A, B);
  assertEquals(world.disposed, 0);
  world.child.exits();
  assertEquals(world.disposed, 1);
});

Deno.test("tasks are lost before an identity comes: it is disposed of, and not told", async () => {
  const world = running();
  world.child.say({ kind: "identityWanted", number: 0 });
  world.loses(A, B);
  await world.answers(0);
  assertEquals(world.disposed, 1);
  assertEquals(world.child.told(), []);
});

Deno.test("a worker that gets no identity is told, fails, and is followed by another one", async () => {
  const world = running({ restarts: 0 }); // it is not to blame
  world.child.say({ kind: "identityWanted", number: 0 });
  world.tokens[0].reject(new MembershipLostError("fenced"));
  await settled();
  assertEquals(world.child.told(), ["identityRefused"]);
  world.child.fails(new Error("fenced"), true);
  world.clock.advance(1_000);
  assertEquals(world.children.length, 2);
});

Deno.test("a commit that is late makes the next process begin smaller; too many end the node", async () => {
  const world = running({ restarts: 0 }); // they do not count as failures
  const late = () => {
    world.child.fails(new Error("a commit of 64 MiB was not over after 20 s"), true, false, true);
    world.clock.advance(60_000);
  };
  late();
  world.child.say(LOADED);
  late();
  assertEquals(world.late, [0, 1, 2]);
  world.child.say(LOADED, status(2, [], 1)); // it helps
  late();
  assertEquals(world.late.at(-1), 1);
  for (let n = 2; n <= 5; n++) late();
  assertEquals(world.late.at(-1), 5);
  late();
  const error = await assertRejects(() => world.run, Error);
  assertMatch(error.message, /a commit of 64 MiB was not over after 20 s/);
  assertEquals(world.end, "left"); // others may be faster
});

Deno.test("a worker that dies is started again after pauses that double, up to its restarts", async () => {
  const world = running({ restarts: 3 });
  world.child.exits("by SIGSEGV");
  world.clock.advance(0); // its tasks wait
  assertEquals(world.children.length, 2);
  for (const pauseMs of [1_000, 2_000]) {
    const { length } = world.children;
    world.child.exits("by SIGSEGV");
    world.clock.advance(pauseMs - 1);
    assertEquals(world.children.length, length);
    world.clock.advance(1);
    assertEquals(world.children.length, length + 1);
  }
  world.child.exits("by SIGSEGV");
  const error = await assertRejects(() => world.run, Error);
  assertMatch(error.message, /worker 0 ended by SIGSEGV/);
  assertEquals(world.end, "left"); // others can run what it could not
});

Deno.test("a process that cannot be started counts as one that has died", async () => {
  const world = running({ restarts: 2 });
  world.refusal = new Error("worker 0 cannot be started: too many open files");
  world.child.exits("by SIGSEGV");
  world.clock.advance(0);
  assertEquals(world.lines.at(-2), "error the worker failed and is started again");
  world.refusal = null;
  world.clock.advance(1_000);
  assertEquals(world.children.length, 2);
  world.refusal = new Error("worker 0 cannot be started: too many open files");
  world.child.exits("by SIGSEGV");
  const error = await assertRejects(() => world.run, Error);
  assertMatch(error.message, /ended by SIGSEGV/);
});

Deno.test("a first process that cannot be started ends the machine, and no worker is left", async () => {
  const world = new World({ memberIds: ["m0", "m1"], refusal: new Error("no more processes") });
  const error = await assertRejects(() => world.run, Error);
  assertEquals(error.message, "no more processes");
  assertEquals(world.ends, { m0: "stopped", m1: "stopped" });
});

/** A worker that has failed for the second time in a row, and whose next process is loading. */
function failing(options = {}): World {
  const world = running({ restarts: 5, ...options });
  world.child.exits("by SIGSEGV");
  world.clock.advance(0);
  assertEquals([world.end, world.joins], ["", 1]); // a first failure may be the machine's
  world.child.exits("by SIGSEGV");
  assertEquals([world.end, world.joins], ["left", 1]);
  const { owned, groupStatus, moves } = world.supervisor.readings[0];
  assertEquals([owned.size, moves.lost], [0, 2]);
  assertMatch(groupStatus!, /has left until it can be started/);
  world.clock.advance(1_000);
  assertEquals(world.children.length, 3);
  return world;
}

/** The same, with a member that has not left yet: that is when `leaving` resolves. */
function failingAndLeaving(): { world: World; leaving: PromiseWithResolvers<void> } {
  const leaving = Promise.withResolvers<void>();
  const world = running({ restarts: 5 });
  world.left = leaving.promise;
  world.child.exits("by SIGSEGV");
  world.clock.advance(0);
  world.child.exits("by SIGSEGV");
  world.clock.advance(1_000);
  return { world, leaving };
}

Deno.test("a worker that fails again leaves, and joins once it is back, in both orders", async () => {
  for (const isBackFirst of [true, false]) {
    const { world, leaving } = failingAndLeaving();
    if (isBackFirst) world.child.say(LOADED);
    else leaving.resolve();
    await settled();
    assertEquals(world.joins, 1);
    if (isBackFirst) leaving.resolve();
    else world.child.say(LOADED);
    await settled();
    assertEquals(world.joins, 2);
    assertEquals(world.supervisor.readings[0].groupStatus, null);
    world.assigns(B, C);
    assertEquals(world.child.told(), [`assign ${B} ${C}`]);
  }
});

Deno.test("a worker fails before its member has left: it joins when the next one is back", async () => {
  const { world, leaving } = failingAndLeaving();
  world.child.say(LOADED);
  world.child.exits("by SIGSEGV");
  leaving.resolve();
  await settled();
  assertEquals(world.joins, 1);
  world.clock.advance(2_000);
  world.child.say(LOADED);
  assertEquals(world.joins, 2);
});

Deno.test("a member that has left for now has no say, and its tasks do not run", async () => {
  const world = running({ restarts: 5 });
  const late = world.teller();
  world.child.exits("by SIGSEGV");
  world.clock.advance(0);
  world.revokes(A); // to be given up by a process that will never do so
  world.child.exits("by SIGSEGV");
  late({ kind: "assigned", tasks: new Set([C]) });
  late({ kind: "revoke", tasks: new Set([B]) });
  late({ kind: "failed", error: new Error("late") });
  world.clock.advance(1_000);
  world.child.say(LOADED);
  await settled();
  late({ kind: "assigned", tasks: new Set([A]) });
  assertEquals(world.child.told(), []);
  assertEquals([...world.supervisor.readings[0].owned], []);
  world.assigns(B);
  assertEquals(world.child.told(), [`assign ${B}`]);
});

Deno.test("a worker that others have fenced twice stays a member", () => {
  const world = running();
  for (let time = 0; time < 2; time++) {
    world.child.fails(new Error("fenced"), true);
    world.clock.advance(1_000);
  }
  assertEquals([world.children.length, world.end], [3, ""]);
});

Deno.test("a stop while the member is out for now waits until it has left", async () => {
  for (const isLoaded of [true, false]) {
    const { world, leaving } = failingAndLeaving();
    if (isLoaded) world.child.say(LOADED);
    let isOver = false;
    world.run.then(() => isOver = true);
    world.supervisor.stop();
    if (isLoaded) world.child.say({ kind: "stopped" });
    world.child.exits();
    await settled();
    assert(!isOver);
    leaving.resolve();
    await world.run;
    assertEquals(world.joins, 1);
  }
});

Deno.test("a worker that had to leave counts its failures over after ten calm minutes", async () => {
  for (const isCalm of [false, true]) {
    const world = failing({ restarts: 3 });
    world.child.say(LOADED);
    await settled();
    world.assigns(A);
    world.clock.advance(isCalm ? 299_999 : 299_998);
    world.child.say(status(2, [], 1));
    world.clock.advance(299_999);
    world.child.say(status(3, [], 2));
    world.clock.advance(isCalm ? 2 : 0);
    world.child.say(status(4, [], 3));
    delete world.ends.m0;
    world.child.exits("by SIGSEGV");
    assertEquals(world.end, isCalm ? "" : "left");
  }
});

Deno.test("a worker that gets on starts to count its failures over", () => {
  const world = running({ restarts: 1 });
  for (let time = 0; time < 3; time++) {
    world.child.exits("by SIGSEGV");
    world.clock.advance(0);
    world.child.say(LOADED, status(0), status(1), status(2, [], 1));
  }
  assertEquals(world.children.length, 4);
});

Deno.test("a worker that fails in its second commit has not got on", () => {
  const world = running({ restarts: 1 });
  for (let time = 0; time < 2; time++) {
    world.child.exits("by SIGSEGV");
    world.clock.advance(0);
    world.child.say(LOADED, status(0), status(1, [], 0));
  }
  assertEquals(world.children.length, 2);
});

Deno.test("a worker that has nothing to commit for ten minutes has got on", () => {
  const world = running({ restarts: 1 });
  for (let time = 0; time < 3; time++) {
    world.child.exits("by SIGSEGV");
    world.clock.advance(0);
    world.child.say(LOADED);
    for (const epoch of [1, 2, 3]) {
      world.clock.advance(200_000);
      world.child.say(status(epoch));
    }
  }
  assertEquals(world.children.length, 4);
});

Deno.test("a step that fails ends the group, and the node with its error", async () => {
  const world = running();
  world.child.fails(new StepError({ stepId: "flow.parse", worker: 0 }, new Error("bad line")));
  const error = await assertRejects(() => world.run, StepError);
  assertMatch(error.message, /flow\.parse/);
  assertEquals(world.children.length, 1);
  assertEquals(world.lines.at(-1), "shut down: flow.parse");
  assertEquals(world.end, "shut down");
});

Deno.test("what would fail on any machine ends the node at once, which leaves", async () => {
  const world = running();
  world.child.fails(new Error('step "flow.count": task "keyed_0" is damaged'), false, true);
  await assertRejects(() => world.run, Error, "is damaged");
  assertEquals([world.children.length, world.end], [1, "left"]);
  assert(!world.lines.some((line) => line.includes("is started again")));
});

Deno.test("a group that another machine has ended ends the node, which leaves", async () => {
  const world = running();
  world.loses(A, B);
  world.refuses(new GroupShutdownError("ended"));
  world.child.exits();
  await assertRejects(() => world.run, GroupShutdownError);
  assertEquals(world.end, "left");
});

Deno.test("all members of a machine go with the group that a step of one has ended", async () => {
  const world = new World({ memberIds: ["m0", "m1", "m2"] });
  for (const child of world.children) child.say(LOADED);
  const [first, second, third] = world.children;
  first.fails(new StepError({ stepId: "flow.parse", worker: 0 }, new Error("bad line")));
  second.say({ kind: "stopped" });
  second.exits("with code 0");
  third.exits(); // it dies before it has stopped
  await assertRejects(() => world.run, StepError);
  // With one that stays without a process, the group is not over until its session ends.
  assertEquals(world.ends, { m0: "shut down", m1: "shut down", m2: "shut down" });
  const told = world.lines.filter((line) => line.startsWith("shut down"));
  assertEquals(told, ["shut down: flow.parse"]); // once, not by each worker
});

Deno.test("all members of a machine leave a group that another machine has ended", async () => {
  const world = new World({ memberIds: ["m0", "m1"] });
  for (const child of world.children) child.say(LOADED);
  world.refuses(new GroupShutdownError("ended"), 1);
  for (const child of world.children) child.exits();
  await assertRejects(() => world.run, GroupShutdownError);
  assertEquals(world.ends, { m0: "left", m1: "left" });
});

Deno.test("a step that fails while a machine stops ends no other machine", async () => {
  const world = running();
  world.supervisor.stop();
  world.child.fails(new StepError({ stepId: "flow.parse", worker: 0 }, new Error("bad line")));
  await assertRejects(() => world.run, StepError);
  assertEquals(world.end, "stopped");
});

Deno.test("what fails while a worker stops is the node's error", async () => {
  const world = running();
  world.supervisor.stop();
  world.child.fails(new Error("the last commit failed"));
  await assertRejects(() => world.run, Error, "the last commit failed");
  assertEquals(world.end, "stopped");
});

Deno.test("a worker that is fenced while it stops has nothing to do any more", async () => {
  const world = running();
  world.supervisor.stop();
  world.child.fails(new Error("others have the tasks"), true);
  await world.run;
});

Deno.test("a worker that has failed and does not leave is killed", () => {
  const world = running();
  const failure = toFailure(new Error("broken"));
  world.child.say({ kind: "failed", failure, isFenced: false, isLasting: false, isLate: false });
  world.clock.advance(9_999);
  assert(!world.child.isKilled);
  world.clock.advance(1);
  assert(world.child.isKilled);
});

Deno.test("a flow that cannot be loaded ends the node, whatever the restarts", async () => {
  const world = new World();
  world.child.fails(new Error("no such file"));
  await assertRejects(() => world.run, Error, "no such file");
  assertEquals(world.children.length, 1);
});

Deno.test("a group that refuses the member ends the node once its process has gone", async () => {
  const world = running();
  world.loses(A, B);
  world.refuses(new Error("another topology"));
  assertEquals(world.end, "");
  world.child.exits();
  await assertRejects(() => world.run, Error, "another topology");
});

Deno.test("a graceful stop commits and does not leave, unless it is to", async () => {
  for (const leaves of [false, true]) {
    const world = running({ leaves });
    world.supervisor.stop();
    world.supervisor.stop();
    assertEquals(world.child.told(), ["stop"]);
    world.child.say({ kind: "stopped" });
    assertEquals(world.end, "");
    world.child.exits("with code 0");
    await world.run;
    assertEquals(world.end, leaves ? "left" : "stopped");
  }
});

Deno.test("a revocation is pending at a graceful stop, or comes during it: both are given up", async () => {
  const world = running();
  world.revokes(A);
  world.supervisor.stop();
  world.revokes(B);
  assertEquals(world.child.told(), ["revoke keyed_0", "stop"]);
  assertEquals(world.acknowledged, []);
  world.child.say({ kind: "stopped" });
  world.child.exits();
  assertEquals(world.acknowledged, [""]);
  await world.run;
});

Deno.test("a worker gives tasks up after it was told to stop", async () => {
  const world = running();
  world.revokes(A);
  world.supervisor.stop();
  world.child.say(gaveUp(A), { kind: "stopped" });
  assertEquals(world.acknowledged, ["keyed_1"]);
  world.child.exits();
  await world.run;
});

Deno.test("tasks are lost during a graceful stop: the worker is killed and not started again", async () => {
  const world = running();
  world.supervisor.stop();
  world.loses(A, B);
  assert(world.child.isKilled);
  world.child.exits();
  await world.run;
  assertEquals(world.children.length, 1);
});

Deno.test("a stop that takes too long is cut short", async () => {
  const world = running();
  world.supervisor.stop();
  world.clock.advance(29_999);
  assert(!world.child.isKilled);
  world.clock.advance(1);
  assert(world.child.isKilled);
  world.child.exits();
  await world.run;
});

Deno.test("a worker that dies during a graceful stop is told of, and one that is killed is not", async () => {
  const dying = running();
  dying.supervisor.stop();
  dying.child.exits("by SIGSEGV");
  assertEquals(await dying.run, 0);
  assertMatch(dying.lines.at(-1)!, /^warn the worker ended by SIGSEGV before it had stopped/);
  const killed = running();
  killed.supervisor.stop();
  const { length } = killed.lines;
  killed.supervisor.kill();
  killed.child.exits();
  await killed.run;
  assertEquals(killed.lines.length, length);
});

Deno.test("a stop while the flow is loaded, or before a restart, waits for nothing", async () => {
  const loading = new World();
  loading.supervisor.stop();
  assert(loading.child.isKilled);
  loading.child.exits();
  await loading.run;

  const pausing = running();
  pausing.child.exits();
  pausing.supervisor.stop();
  await pausing.run;
  pausing.clock.advance(60_000);
  assertEquals(pausing.children.length, 1);
});

Deno.test("a worker with tasks that passes no barrier is killed; one that waits is not", () => {
  const world = running();
  world.child.say(status(3));
  world.clock.advance(299_999);
  world.child.say(status(3, ["broker"]));
  world.clock.advance(299_999);
  world.child.say(status(3));
  assert(!world.child.isKilled);
  world.clock.advance(1);
  assert(world.child.isKilled);
  world.child.exits();
  world.clock.advance(1_000);
  assertEquals(world.children.length, 2);
  assertMatch(world.lines.at(-1)!, /^error the worker failed/);
  assertEquals(
    world.errors.at(-1),
    "Error: worker 0 got no further for 300 s, with tasks keyed_0-1: it still answers, so a step " +
      "or an output waits for a call that does not end. Have the step end sooner, or give a longer " +
      "--stall-timeout",
  );
});

Deno.test("a worker with tasks that does not load the flow is killed; one without them is not", async () => {
  const world = new World();
  world.clock.advance(300_000);
  assert(!world.child.isKilled);
  world.assigns(A);
  world.clock.advance(299_999);
  assert(!world.child.isKilled);
  world.clock.advance(1);
  assert(world.child.isKilled);
  world.child.exits();
  const error = await assertRejects(() => world.run, Error);
  assertMatch(error.message, /worker 0 has not loaded the flow for 300 s/);
});

Deno.test("a worker without tasks is never taken for one that stands still", () => {
  const world = running();
  world.revokes(A, B);
  world.child.say(gaveUp(A, B));
  world.clock.advance(1_000_000);
  assert(!world.child.isKilled);
  world.assigns(C);
  world.clock.advance(300_000); // and it says nothing
  assert(world.child.isKilled);
});

Deno.test("a step that asks for a stop stops the node", async () => {
  const world = running();
  world.child.say({ kind: "stopRequested" });
  assertEquals(world.child.told(), ["stop"]);
  world.child.say({ kind: "stopped" });
  world.child.exits();
  await world.run;
});

Deno.test("a reading of a worker has its tasks, what it said last, and what came and went", () => {
  const world = new World({ restarts: 1 });
  const read = () => world.supervisor.readings[0];
  assertEquals([read().isRunning, read().flow, read().status], [false, null, null]);
  world.child.say(LOADED);
  world.assigns(A, B, C);
  world.child.say(status(4));
  world.revokes(A);
  const { isRunning, flow, owned, revoked, restarts, moves } = read();
  assertEquals({ isRunning, flow, owned: [...owned], revoked: [...revoked], restarts }, {
    isRunning: true,
    flow: FLOW,
    owned: [A, B, C],
    revoked: [A],
    restarts: 0,
  });
  assertEquals([read().status?.epoch, moves], [4, { assigned: 3, givenUp: 0, lost: 0 }]);
  world.child.say(gaveUp(A));
  world.says("waits for topics");
  assertEquals(read().groupStatus, "waits for topics");
  world.says(null);
  world.loses(B);
  world.child.exits();
  const after = read();
  assertEquals([after.isRunning, after.status, after.groupStatus], [false, null, null]);
  assertEquals([after.restarts, after.moves], [1, { assigned: 3, givenUp: 1, lost: 1 }]);
  assertEquals([...after.owned], [C]);
});

Deno.test("what the group says to each worker is in the log once", () => {
  const world = new World({ memberIds: ["m0", "m1"] });
  const says = (text: string | null, isUsual = false) => {
    for (const worker of [0, 1]) world.says(text, { worker, isUsual });
  };
  says("waits for members", true);
  says(null);
  says("waits for members", true);
  assertEquals(world.lines, ["info waits for members"]);
  says("waits for topics");
  world.says(null); // one of them has heard it first
  world.says("waits for topics");
  says(null);
  assertEquals(world.lines.splice(1), ["warn waits for topics"]);
  says("waits for topics");
  assertEquals(world.lines.splice(1), ["warn waits for topics"]);
});

Deno.test("a worker is asked about state, and one that ends gives no answer", async () => {
  const world = new World({ restarts: 1 });
  const ask = () => world.supervisor.ask(0, { kind: "steps" });
  await assertRejects(ask, Error, "worker 0 is not there");
  world.child.say(LOADED);
  const [first, second] = [ask(), ask()];
  assertEquals(world.child.told(), ["ask", "ask"]);
  const answer = { steps: [{ step: "count", keys: 3 }], states: [] };
  world.child.say({ kind: "told", number: 1, answer });
  assertEquals(await second, answer);
  world.child.exits();
  await assertRejects(() => first, Error, "worker 0 has gone");
});
