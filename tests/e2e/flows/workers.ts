/** Flows for several workers. */
import {
  Dataflow,
  ManualInputConfig,
  ManualOutputConfig,
  StdOutputConfig,
  TestingInputConfig,
} from "millrace";

const ITEMS = 3_000;
const numbers = Array.from({ length: ITEMS }, (_, i) => i);

/** Counts by key, which takes a moment. */
export function short(): Dataflow<unknown> {
  return new Dataflow("short")
    .input("numbers", new TestingInputConfig(numbers, { batchSize: 10 }))
    .mapAsync(async (n) => {
      if (n % 100 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
      return n;
    })
    .keyOn((n) => `k${n % 7}`)
    .countFinal("count")
    .capture(new StdOutputConfig());
}

/** Fails on the worker that owns the key "k3". */
export function fails(): Dataflow<unknown> {
  return new Dataflow("fails")
    .input("numbers", new TestingInputConfig(numbers))
    .keyOn((n) => `k${n % 7}`)
    .statefulMap("total", () => 0, function addUp(total: number, n) {
      if (n === 1_501) throw new RangeError("1501 is too many");
      return [total + n, total + n];
    })
    .capture(new StdOutputConfig());
}

/** A different flow on every worker. */
export function differs(): Dataflow<unknown> {
  return new Dataflow("differs")
    .input(`numbers-${Deno.pid}`, new TestingInputConfig(numbers))
    .capture(new StdOutputConfig());
}

/** Keeps more and more in memory. */
export function swells(): Dataflow<unknown> {
  const held: unknown[] = [];
  return new Dataflow("swells")
    .input(
      "memory",
      new ManualInputConfig<number>(function* (worker) {
        for (let n = 0; worker === 1; n++) {
          held.push(Array.from({ length: 1_000 }, (_, i) => ({ n, i })));
          yield [n, n];
        }
      }),
    )
    .capture(new ManualOutputConfig(() => () => {}));
}

/** Fails until the file in its first argument has as many letters as the second one requires. */
export function recovers([file, times]: readonly string[]): Dataflow<unknown> {
  return new Dataflow("recovers")
    .input("numbers", new TestingInputConfig([1, 2, 3]))
    .redistribute()
    .map(function flaky(n) {
      const letters = Deno.readTextFileSync(file).length;
      if (n === 2 && letters < Number(times)) {
        Deno.writeTextFileSync(file, "x", { append: true });
        throw new Error(`failed ${letters + 1} times`);
      }
      return n;
    })
    .capture(new StdOutputConfig());
}
