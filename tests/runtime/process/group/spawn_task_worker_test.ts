import { assertEquals, assertMatch, assertRejects } from "@std/assert";
import { StepError } from "millrace";
import { silentLog } from "../../../../src/core/log.ts";
import { type TaskId, taskId } from "../../../../src/core/task_id.ts";
import { systemClock } from "../../../../src/core/clock.ts";
import type { MembershipEvent } from "../../../../src/group/membership.ts";
import type { FromTaskWorker } from "../../../../src/runtime/process/group/messages.ts";
import {
  FirstLoad,
  spawnTaskWorker,
} from "../../../../src/runtime/process/group/spawn_task_worker.ts";
import { Supervisor } from "../../../../src/runtime/process/group/supervisor.ts";
import { loadMessage } from "../../../support/group/load_message.ts";

const MODULE = import.meta.resolve("../../../support/group/process_flow.ts");
const [GOOD, BAD] = [taskId("in", 0), taskId("in", 1)];

/** A group of one worker, in a process of its own, that a test assigns tasks to. */
class RealWorker {
  readonly supervisor: Supervisor;
  readonly run: Promise<number>;
  readonly acknowledged: TaskId[][] = [];
  starts = 0;
  disposed = 0;
  readonly #owned = new Set<TaskId>();
  readonly #heard: FromTaskWorker[] = [];
  #wake = Promise.withResolvers<void>();
  #tell: (event: MembershipEvent) => void = () => {};

  constructor() {
    this.supervisor = new Supervisor({
      memberIds: ["m0"],
      membership: {
        join: ({ onEvent }) => {
          this.#tell = onEvent;
          return {
            owned: this.#owned,
            acknowledge: (owned) => this.acknowledged.push([...owned]),
            caughtUp: () => {},
            token: () =>
              Promise.resolve({
                memberId: "m0",
                epoch: 1,
                instanceId: null,
                owned: this.#owned,
                [Symbol.dispose]: () => this.disposed++,
              }),
            leave: () => Promise.resolve(),
            shutDown: () => Promise.resolve(),
            stop: () => Promise.resolve(),
          };
        },
        sessionTimeoutMs: 45_000,
        dismiss: () => Promise.resolve(),
        close: () => Promise.resolve(),
      },
      spawn: (worker, memberId, listener) => {
        this.starts++;
        return spawnTaskWorker({
          worker,
          load: loadMessage(MODULE, { memberId, commitIntervalMs: 1 }),
          flags: () => ["-A"],
          args: [],
          running: [],
          taps: {},
          log: silentLog,
        }, {
          said: (message) => {
            listener.said(message);
            this.#heard.push(message);
            this.#wake.resolve();
          },
          exited: listener.exited,
        });
      },
      clock: systemClock,
      log: silentLog,
      restarts: 0,
      stallMs: 600_000,
      stopMs: 600_000,
      handOver: null,
      leaves: false,
      onDisk: null,
      onShutDown: () => Promise.resolve(),
    });
    this.run = this.supervisor.run();
    this.run.catch(() => {}); // the test that expects it looks at it later
  }

  /** Waits for a message, the first one of its kind since the last one that was waited for. */
  async hears(kind: FromTaskWorker["kind"]): Promise<void> {
    for (;;) {
      const at = this.#heard.findIndex((message) => message.kind === kind);
      if (at >= 0) return void this.#heard.splice(0, at + 1);
      await Promise.race([this.#wake.promise, this.run]);
      this.#wake = Promise.withResolvers();
    }
  }

  assigns(task: TaskId): void {
    this.#owned.add(task);
    this.#tell({ kind: "assigned", tasks: new Set([task]) });
  }

  revokes(task: TaskId): void {
    this.#tell({ kind: "revoke", tasks: new Set([task]) });
  }

  loses(task: TaskId): void {
    this.#owned.delete(task);
    this.#tell({ kind: "lost", tasks: new Set([task]), reason: "fenced" });
  }
}

Deno.test("a process commits as its member, gives a task up, and stops", async () => {
  const worker = new RealWorker();
  worker.assigns(GOOD);
  await worker.hears("loaded");
  await worker.hears("identityWanted");
  await worker.hears("identityDone");
  assertEquals(worker.disposed, 1);
  worker.revokes(GOOD);
  await worker.hears("gaveUp");
  assertEquals(worker.acknowledged, [[]]);
  worker.supervisor.stop();
  await worker.hears("stopped");
  await worker.run;
  assertEquals(worker.starts, 1);
});

Deno.test("a process that has lost a task is replaced by another one", async () => {
  const worker = new RealWorker();
  worker.assigns(GOOD);
  await worker.hears("identityDone");
  worker.loses(GOOD);
  await worker.hears("loaded");
  assertEquals(worker.starts, 2);
  worker.supervisor.stop();
  await worker.run;
});

Deno.test("a task that the flow does not have ends the process, and is named", async () => {
  const worker = new RealWorker();
  await worker.hears("loaded");
  worker.assigns(taskId("other", 0));
  await assertRejects(() => worker.run, Error, "task other_0 is not one of flow");
});

Deno.test("a step that fails in a process ends the node with its error", async () => {
  const worker = new RealWorker();
  worker.assigns(BAD);
  const error = await assertRejects(() => worker.run, StepError);
  assertMatch(error.message, /step "check" failed in task in_\d+: /);
  assertEquals(worker.starts, 1);
});

Deno.test("a machine has run once any of its processes has loaded the flow", () => {
  const first = new FirstLoad();
  const said: string[] = [];
  const listener = first.watch({ said: ({ kind }) => void said.push(kind), exited: () => {} });
  listener.said({ kind: "stopRequested" });
  assertEquals(first.isOver, false);
  listener.said({ kind: "loaded", flow: { steps: [], edges: [] } as never });
  listener.said({ kind: "stopped" });
  assertEquals([first.isOver, ...said], [true, "stopRequested", "loaded", "stopped"]);
});
