/** Windows of manual inputs that wait: on a clock that the test holds in its hands. */
import { assertEquals } from "@std/assert";
import {
  Dataflow,
  type Duration,
  type InputConfig,
  type Keyed,
  ManualInputConfig,
  PartitionedInputConfig,
} from "../../../mod.ts";
import { TestClock } from "../../support/clock/test_clock.ts";
import { pass, TimedOutput } from "../../support/runtime/virtual_time.ts";
import {
  assertClosed,
  eventClock,
  type Item,
  item,
  NOW,
  second,
} from "../../support/windows/runs.ts";
import { runWorkers } from "../../support/runtime/workers.ts";

/** Items that a test hands out, and the iterator that waits for them. */
class Pages {
  readonly #pages: (Item[] | null)[] = [];
  #wake = () => {};

  push(...items: Item[]): void {
    this.#pages.push(items);
    this.#wake();
  }

  end(): void {
    this.#pages.push(null);
    this.#wake();
  }

  async *read(): AsyncGenerator<[state: null, item: Item]> {
    for (;;) {
      while (this.#pages.length === 0) await new Promise<void>((resolve) => this.#wake = resolve);
      const page = this.#pages.shift()!;
      if (page === null) return;
      for (const item of page) yield [null, item];
    }
  }
}

/** A run that counts the items of each second of an input. */
function start(input: InputConfig<Item>, workers: number) {
  const clock = new TestClock(NOW);
  const counts = new TimedOutput<Keyed<number>>(clock);
  const late = new TimedOutput<Keyed<Item>>(clock);
  const windows = new Dataflow("waiting").input("in", input)
    .keyOn(({ key }) => key)
    .countWindow("count", eventClock(), second);
  windows.late.capture("late", late);
  windows.capture("counts", counts);
  const running = runWorkers(windows, workers, { clock, epochMs: 60_000 });
  return {
    running,
    late,
    pass: (ms: number) => pass(clock, ms),
    closed: () => counts.seen.map(({ at, item: [key, count] }) => [key, count, at - NOW]),
  };
}

/** Pages that worker 0 reads. */
function manual(pages: Pages, idleAfter?: Duration): ManualInputConfig<Item, null> {
  return new ManualInputConfig<Item, null>(
    (workerIndex) => workerIndex === 0 ? pages.read() : [],
    { idleAfter },
  );
}

for (const workers of [1, 2]) {
  const on = `${workers} worker${workers === 1 ? "" : "s"}`;

  Deno.test(`history that comes page by page is not late, on ${on}`, async () => {
    const pages = new Pages();
    const { running, late, pass, closed } = start(manual(pages), workers);
    for (const time of [10_300, 10_600, 10_900, 11_200]) {
      pages.push(item(time), item(time + 1));
      await pass(9_000); // a slow server: 30 times slower than it happened
    }
    pages.end();
    await pass(50);
    await running;
    assertEquals(late.items, []);
    assertEquals(closed().map(([, count]) => count), [6, 2]);
  });

  Deno.test(`a window closes when an input has waited for 10 s and it is due, on ${on}`, async () => {
    const pages = new Pages();
    const { running, pass, closed } = start(manual(pages), workers);
    pages.push(item(10_300));
    await pass(10_600);
    assertEquals(closed(), []);
    await pass(1_000);
    assertClosed(closed(), 10_700);
    pages.end();
    await pass(50);
    await running;
  });

  Deno.test(`a window closes when it is due where waiting means that there is nothing, on ${on}`, async () => {
    const pages = new Pages();
    const { running, pass, closed } = start(manual(pages, 0), workers);
    pages.push(item(10_300, "silent"));
    for (let n = 1; n <= 5; n++) {
      await pass(200);
      pages.push(item(20_000, "busy"));
    }
    assertClosed(closed(), 700);
    pages.end();
    await pass(50);
    await running;
  });

  Deno.test(`a window closes when all partitions have waited for the time of idleAfter, on ${on}`, async () => {
    const [slow, quick] = [new Pages(), new Pages()];
    const input = new PartitionedInputConfig<Item, null>({
      partitions: () => ["quick", "slow"],
      build: (name) => name === "slow" ? slow.read() : quick.read(),
      idleAfter: { seconds: 2 },
    });
    const { running, late, pass, closed } = start(input, workers);
    slow.push(item(10_300));
    for (let n = 0; n < 5; n++) {
      quick.push(item(20_000, "other"));
      await pass(1_500);
    }
    slow.push(item(10_600));
    await pass(2_300);
    assertEquals(late.items, []);
    assertEquals(closed(), []);
    await pass(1_500);
    assertEquals(closed().map(([key, count]) => [key, count]).toSorted(), [["a", 2], ["other", 5]]);
    slow.end();
    quick.end();
    await pass(50);
    await running;
  });

  Deno.test(`a partition that has ended is not waited for, on ${on}`, async () => {
    const [ended, open] = [new Pages(), new Pages()];
    const input = new PartitionedInputConfig<Item, null>({
      partitions: () => ["ended", "open"],
      build: (name) => name === "ended" ? ended.read() : open.read(),
      idleAfter: { seconds: 2 },
    });
    const { running, pass, closed } = start(input, workers);
    ended.push(item(10_300));
    ended.end();
    await pass(2_600);
    assertEquals(closed(), []);
    await pass(1_000);
    assertClosed(closed(), 2_700);
    open.end();
    await pass(50);
    await running;
  });
}
