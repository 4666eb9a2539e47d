/**
 * Removes the files of tasks that have moved to other machines for good.
 *
 * A task that comes back soon finds its file, and so does a machine that is started again. Files
 * age only while the machine runs tasks, and all of its workers are there.
 *
 * @module
 */
import { join } from "node:path";
import { type Clock, elapsedOf, wakeAfter } from "../../../core/clock.ts";
import { messageOf } from "../../../core/errors.ts";
import type { Log } from "../../../core/log.ts";
import type { TaskId } from "../../../core/task_id.ts";
import { removeCache } from "../../../recovery/task_cache/remove_cache.ts";
import type { SeatReading } from "./task_seat.ts";

/** How long a file stays that no worker of the machine needs, as with Kafka Streams. */
const STAYS_MS = 600_000;

/** How often files are looked at, in milliseconds. */
const LOOK_MS = 60_000;

const ENDING = ".db";

/** What a sweeper is made with. */
export interface SweeperOptions {
  /** The folder with the files of all workers, such as `keyed_3.db`. */
  readonly folder: string;
  readonly clock: Clock;
  readonly log: Log;
  /** Returns how the workers of the machine stand. */
  readonly readings: () => readonly Pick<
    SeatReading,
    "isRunning" | "groupStatus" | "owned" | "copies"
  >[];
}

/** Looks at the files of a machine now and then. It begins at once. */
export class StateSweeper implements AsyncDisposable {
  readonly #options: SweeperOptions;
  /** Since when nobody has needed a file. */
  readonly #since = new Map<string, number>();
  #cancel: () => void = () => {};
  #sweeping: Promise<void> = Promise.resolve();
  #isOver = false;

  constructor(options: SweeperOptions) {
    this.#options = options;
    this.#wait();
  }

  #wait(): void {
    if (this.#isOver) return;
    this.#cancel = wakeAfter(this.#options.clock, LOOK_MS, () => {
      this.#sweeping = this.#sweep().catch((error) => {
        this.#options.log.warn("files of tasks that have moved away cannot be removed", {
          folder: this.#options.folder,
          error: messageOf(error),
        });
      }).then(() => this.#wait());
    });
  }

  async #sweep(): Promise<void> {
    if (!this.#isSettled()) return this.#since.clear();
    const { folder, clock, log } = this.#options;
    const now = elapsedOf(clock);
    const names = new Set<string>();
    for await (const { name } of Deno.readDir(folder)) if (name.endsWith(ENDING)) names.add(name);
    for (const name of this.#since.keys()) if (!names.has(name)) this.#since.delete(name);
    for (const name of names) {
      if (this.#isNeeded(name)) {
        this.#since.delete(name);
        continue;
      }
      const since = this.#since.get(name) ?? now;
      this.#since.set(name, since);
      if (now - since < STAYS_MS) continue;
      const isUnused = () => !this.#isOver && this.#isSettled() && !this.#isNeeded(name);
      if (!await removeCache(join(folder, name), isUnused)) continue;
      this.#since.delete(name);
      log.info("the state of a task that has moved away is removed from the disk", { file: name });
    }
  }

  /** Whether the group has given the machine what it is to have. */
  #isSettled(): boolean {
    const readings = this.#options.readings();
    return readings.every(({ isRunning, groupStatus }) => isRunning && groupStatus === null) &&
      readings.some(({ owned }) => owned.size > 0);
  }

  #isNeeded(name: string): boolean {
    const task = name.slice(0, -ENDING.length) as TaskId;
    return this.#options.readings().some(({ owned, copies }) =>
      owned.has(task) || copies.has(task)
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    this.#cancel();
    await this.#sweeping;
  }
}
