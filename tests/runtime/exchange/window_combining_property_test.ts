/**
 * Values that are combined before they change workers are late nowhere.
 *
 * Random inputs on two or three workers combine their values for a step on all of them. What is on
 * its way is delivered in any order that channels allow. Sources become current, and have more to
 * read again. Inputs become idle, and time passes in silence.
 */
import { assert } from "@std/assert";
import type { WindowCombiner } from "../../../src/graph/nodes.ts";
import { RelayedActivity } from "../../../src/runtime/activity/relayed_activity.ts";
import { isActivity } from "../../../src/runtime/activity/activity.ts";
import { isBatch, type Message } from "../../../src/runtime/channel.ts";
import { WindowCombining } from "../../../src/runtime/exchange/window_combining.ts";
import {
  isTimeControl,
  type SourceState,
  type TickReport,
} from "../../../src/runtime/time/controls.ts";
import { MergedTime } from "../../../src/runtime/time/merged_time.ts";
import { SourceTimes } from "../../../src/runtime/time/source_times.ts";
import { Random } from "../../support/values/random.ts";

const WAIT = 20;
const LENGTH = 50;

const endOf = (time: number) => LENGTH * (Math.floor(time / LENGTH) + 1);

/** A partial result lists the times of its values, which are the values. */
const lists: WindowCombiner = {
  waitMs: WAIT,
  timeOf: (value) => value as number,
  endOf,
  start: () => [],
  add: (partial, value) => void (partial as unknown[]).push(value),
  take: (partial) => partial,
};

const counts = { combined: 0, single: 0, late: 0, passed: 0 };

/** A worker: its input, its sender, and its part of the step. */
class Worker {
  readonly times: SourceTimes;
  readonly #random: Random;
  readonly #index: number;
  readonly #sources: { name: string; state: SourceState; newest: number }[];
  readonly #sender: WindowCombining;
  readonly #ways: Message[][]; // to this worker, by sender
  readonly #reports: TickReport[][]; // to this worker, by sender
  readonly #merged: MergedTime;
  readonly #activity: RelayedActivity;
  readonly #all: readonly Worker[];
  #tick = 0;
  #isIdle = false;
  #isCombined = false;
  #elapsed = 0;
  #quiet = 0;

  constructor(index: number, workers: number, all: readonly Worker[], random: Random) {
    const origins = Array.from({ length: workers }, (_, worker) => `in${worker}`);
    const way = { worker: index, workers, isInOrder: true };
    this.times = new SourceTimes({ origins, ...way });
    this.times.event.closedTo = () => this.times.event.now - WAIT;
    this.#random = random;
    this.#index = index;
    this.#all = all;
    this.#ways = origins.map(() => []);
    this.#reports = origins.map(() => []);
    this.#merged = new MergedTime(workers, (channel, origin) => origin === `in${channel}`);
    this.#activity = new RelayedActivity(workers);
    this.#sources = Array.from({ length: 1 + random.below(2) }, (_, i) => ({
      name: `s${index}/${i}`,
      state: "behind",
      newest: random.below(200),
    }));
    const target = { room: Infinity, offered: () => {}, push: (sent: Message) => this.#deal(sent) };
    const own = new Set([`in${index}`]);
    const fail = (_item: unknown, thrown: unknown) => thrown as Error;
    this.#sender = new WindowCombining(lists, target, this.times, own, fail);
  }

  #deal(message: Message): void {
    for (
      const { index, way } of this.#all.map((to, index) => ({ index, way: to.#ways[this.#index] }))
    ) {
      const sent = isBatch(message)
        ? message.filter((pair) => Number((pair as [string])[0]) % this.#all.length === index)
        : message;
      if (!isBatch(sent) || sent.length > 0) way.push(sent);
    }
  }

  /** The input does something. */
  read(): void {
    const random = this.#random;
    if (this.#tick === 0 || random.below(6) === 0) return this.#sendTick();
    if (random.below(8) === 0) return this.#sendActivity();
    if (this.#isIdle && random.below(6) > 0) return;
    const source = random.pick(this.#sources);
    this.#sender.push({
      kind: "from",
      source: source.name,
      origin: `in${this.#index}`,
      tick: this.#tick,
    });
    const batch = Array.from({ length: 1 + random.below(4) }, () => {
      const time = source.newest + random.below(60) - 40 + (random.below(20) === 0 ? -100 : 0);
      source.newest = Math.max(source.newest, time);
      return [`${random.below(6)}`, time];
    });
    this.#sender.push(batch);
  }

  #sendTick(): void {
    const random = this.#random;
    const changed = this.#sources.filter(() => this.#tick === 0 || random.below(4) === 0);
    for (const source of changed) {
      if (this.#tick > 0) source.state = source.state === "behind" ? "current" : "behind";
    }
    const states = changed.map(({ name, state }) => [name, state] as const);
    this.#tick++;
    this.#sender.push({ kind: "tick", origin: `in${this.#index}`, number: this.#tick, states });
  }

  #sendActivity(): void {
    this.#isIdle = !this.#isIdle;
    this.#sender.push({ kind: this.#isIdle ? "idle" : "active" });
  }

  /** The step does something. */
  work(): void {
    const random = this.#random;
    const channel = random.below(this.#ways.length);
    const report = random.below(3) === 0 ? this.#reports[channel].shift() : undefined;
    if (report !== undefined) return this.times.report(channel, report);
    if (random.below(10) === 0) return this.#passTime();
    const message = this.#ways[channel].shift();
    if (message !== undefined) this.#onMessage(message, channel);
  }

  #passTime(): void {
    if (this.#activity.isIdle) {
      this.times.event.passQuiet(this.#quiet += this.#random.below(200));
      counts.passed++;
    }
    this.times.look(this.#elapsed += this.#random.below(900), false);
  }

  #onMessage(message: Message, channel: number): void {
    const { times } = this;
    if (isBatch(message)) {
      const from = this.#merged.onBatch(channel);
      if (from !== null) {
        times.from(from.source, from.origin, from.tick);
        this.#isCombined = from.isCombined ?? false;
      }
      this.#activity.onBatch(channel);
      times.onItems();
      for (const [, value] of message as [string, number | number[]][]) this.#take(value);
    } else if (isActivity(message)) this.#activity.onActivity(message, channel);
    else if (!isTimeControl(message)) throw new Error(message.kind);
    else if (message.kind === "from") this.#merged.onFrom(channel, message);
    else if (message.kind === "newest") times.onNewest(message);
    else if (message.kind === "tick") {
      for (const tick of this.#merged.onTick(channel, message)) {
        const report = times.tick(tick);
        for (const other of this.#all) if (other !== this) other.#reports[this.#index].push(report);
      }
    }
  }

  #take(value: number | number[]): void {
    const { event } = this.times;
    if (typeof value === "number") {
      assert(!this.#isCombined);
      event.see(value);
      counts.single++;
      if (endOf(value) <= event.closedTo()) counts.late++;
      return;
    }
    assert(this.#isCombined);
    for (const time of value) {
      counts.combined++;
      assert(endOf(time) > event.closedTo(), `${time} is late: ${event.now}`);
    }
  }
}

Deno.test("values that are combined are late on no worker, in any order of messages", () => {
  for (let seed = 0; seed < 500; seed++) {
    const random = new Random(seed);
    const workers: Worker[] = [];
    const count = 2 + random.below(2);
    for (let i = 0; i < count; i++) workers.push(new Worker(i, count, workers, random));
    for (let n = 0; n < 600; n++) {
      const worker = random.pick(workers);
      try {
        if (random.below(4) === 0) worker.read();
        else worker.work();
      } catch (cause) {
        throw new Error(`seed ${seed}`, { cause });
      }
    }
  }
  const { combined, single, late, passed } = counts;
  assert(combined > 5_000 && single > 5_000 && late > 500 && passed > 500, JSON.stringify(counts));
});
