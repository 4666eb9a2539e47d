/** Flows that fail while they run, each in its own way. */
import {
  Dataflow,
  ManualInputConfig,
  ManualOutputConfig,
  StdOutputConfig,
  TestingInputConfig,
} from "millrace";

function numbers(): Dataflow<number> {
  const items = Array.from({ length: 20 }, (_, i) => i + 1);
  return new Dataflow("failing").input("numbers", new TestingInputConfig(items));
}

export function inMap(): Dataflow<number> {
  return numbers().map(function check(n) {
    if (n === 10) throw new RangeError("ten is too many", { cause: new Error("nine is the most") });
    return n;
  }).capture(new StdOutputConfig());
}

export function inMapAsync(): Dataflow<number> {
  return numbers().mapAsync(async (n) => {
    await Promise.resolve();
    if (n === 10) throw new Error("the service is away");
    return n;
  }).capture(new StdOutputConfig());
}

export function inFilter(): Dataflow<number> {
  return numbers().filter((n) => (n % 2) as unknown as boolean).capture(new StdOutputConfig());
}

export function inInput(): Dataflow<unknown> {
  return new Dataflow("failing")
    .input("no-pairs", new ManualInputConfig(() => ["no pair" as unknown as [null, string]]))
    .capture(new StdOutputConfig());
}

/** Fails in the middle of a batch, while a slow step still works on the items before. */
export function inGenerator(): Dataflow<number> {
  const input = new ManualInputConfig<number>(function* (worker) {
    if (worker > 0) return;
    for (let n = 1; n <= 1_500; n++) yield [null, n];
    throw new Error("the queue is gone");
  });
  return new Dataflow("failing").input("queue", input)
    .mapAsync(async (n) => {
      await new Promise((resolve) => setTimeout(resolve, 1));
      return n;
    }, { concurrency: 100 })
    .capture(new StdOutputConfig());
}

export function inOutput(): Dataflow<number> {
  const output = new ManualOutputConfig<number>(() => (n) => {
    if (n === 3) throw new Error("the disk is full");
  });
  return numbers().capture("disk", output);
}

export function throwsText(): Dataflow<number> {
  return numbers().map((n) => {
    if (n === 3) throw "just text";
    return n;
  }).capture(new StdOutputConfig());
}

/** An input without any item, so that only something outside of the flow can end it. */
function silence(): Dataflow<null> {
  // deno-lint-ignore require-yield
  const input = new ManualInputConfig<null>(async function* () {
    await new Promise(() => {});
  });
  return new Dataflow("silence").input("silence", input).capture(new StdOutputConfig());
}

export function besideIt(): Dataflow<null> {
  void Promise.reject(new Error("nobody waits for this"));
  return silence();
}

export function inATimer(): Dataflow<null> {
  setTimeout(() => {
    throw new Error("the timer broke");
  });
  return silence();
}

export function leaves(): Dataflow<number> {
  return numbers().inspect(() => Deno.exit(3)).capture(new StdOutputConfig());
}

export function leavesAsIfAllWereWell(): Dataflow<number> {
  return numbers().inspect(() => Deno.exit(0)).capture(new StdOutputConfig());
}
