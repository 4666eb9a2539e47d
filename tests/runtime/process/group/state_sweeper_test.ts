import { assertEquals } from "@std/assert";
import { join } from "node:path";
import { createLog } from "../../../../src/core/log.ts";
import { type TaskId, taskId } from "../../../../src/core/task_id.ts";
import { RecoveryError } from "../../../../src/recovery/store.ts";
import { tryLock } from "../../../../src/recovery/sqlite/lock_file.ts";
import { StateSweeper } from "../../../../src/runtime/process/group/state_sweeper.ts";
import { TestClock } from "../../../support/clock/test_clock.ts";
import { pollUntil } from "../../../support/eventually.ts";

const [A, B, C] = [0, 1, 2].map((partition) => taskId("keyed", partition));
const MINUTE = 60_000;

/** The files of three tasks, on a machine that has the first one. */
class Machine implements AsyncDisposable {
  readonly folder = Deno.makeTempDirSync();
  readonly clock = new TestClock();
  readonly lines: string[] = [];
  owned = new Set<TaskId>([A]);
  copies = new Set<TaskId>();
  isRunning = true;
  groupStatus: string | null = null;
  #looks = 0;
  readonly #sweeper: StateSweeper;

  constructor() {
    for (const task of [A, B, C]) {
      for (const end of [".db", ".db-wal", ".db-lock"]) {
        Deno.writeTextFileSync(join(this.folder, task + end), "");
      }
    }
    Deno.writeTextFileSync(join(this.folder, "node.json"), "{}");
    this.#sweeper = new StateSweeper({
      folder: this.folder,
      clock: this.clock,
      log: createLog((level, message) => this.lines.push(`${level} ${message}`)),
      readings: () => {
        this.#looks++;
        return [this];
      },
    });
  }

  /** Lets minutes pass, in each of which the files are looked at. */
  async pass(minutes: number): Promise<void> {
    for (let minute = 0; minute < minutes; minute++) {
      const before = this.#looks;
      this.clock.advance(MINUTE);
      const isDone = () => this.#looks > before && this.clock.nextAt !== null;
      await pollUntil(isDone, "the files are looked at", { withinMs: 5_000, everyMs: 1 });
    }
  }

  get tasks(): string[] {
    return Array.from(Deno.readDirSync(this.folder), ({ name }) => name)
      .filter((name) => name.startsWith("keyed")).sort();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#sweeper[Symbol.asyncDispose]();
    Deno.removeSync(this.folder, { recursive: true });
  }
}

const filesOf = (...tasks: TaskId[]) =>
  tasks.flatMap((task) => [`${task}.db`, `${task}.db-lock`, `${task}.db-wal`]);

Deno.test("files of tasks that have moved away are removed after ten minutes, and no others", async () => {
  await using machine = new Machine();
  await machine.pass(10);
  assertEquals(machine.tasks, filesOf(A, B, C));
  await machine.pass(1);
  assertEquals(machine.tasks, filesOf(A));
  assertEquals(machine.lines.length, 2);
  await machine.pass(20);
  assertEquals(machine.tasks, filesOf(A));
});

Deno.test("a task that comes back, or of which a copy is kept, keeps its file", async () => {
  await using machine = new Machine();
  machine.copies = new Set([C]);
  await machine.pass(9);
  machine.owned = new Set([A, B]);
  await machine.pass(1);
  machine.owned = new Set([A]); // its time begins again
  await machine.pass(10);
  assertEquals(machine.tasks, filesOf(A, B, C));
  await machine.pass(1);
  assertEquals(machine.tasks, filesOf(A, C));
});

Deno.test("files do not age while a machine waits for its tasks", async () => {
  await using machine = new Machine();
  const holds: ((isHeld: boolean) => void)[] = [
    (isHeld) => machine.owned = new Set(isHeld ? [] : [A]), // such as without brokers
    (isHeld) => machine.isRunning = !isHeld,
    (isHeld) => machine.groupStatus = isHeld ? "waits for topics" : null,
  ];
  await machine.pass(9);
  for (const hold of holds) {
    hold(true);
    await machine.pass(20);
    hold(false);
    await machine.pass(9);
    assertEquals(machine.tasks, filesOf(A, B, C));
  }
});

Deno.test("a file that a process has open stays", async () => {
  await using machine = new Machine();
  const path = join(machine.folder, `${B}.db`);
  const lock = await tryLock(path, (reason) => new RecoveryError(reason));
  await machine.pass(11);
  assertEquals(machine.tasks, filesOf(A, B));
  lock![Symbol.dispose]();
  await machine.pass(1);
  assertEquals(machine.tasks, filesOf(A));
});
