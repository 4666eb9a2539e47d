import { assert, assertEquals } from "@std/assert";
import { type AlignedStep, InputAlignment } from "../../../src/runtime/time/source_alignment.ts";
import type { Tick } from "../../../src/runtime/time/controls.ts";
import { SourceTimes } from "../../../src/runtime/time/source_times.ts";

/** A window step and its sources, all read by one input. */
class Step implements AlignedStep {
  readonly times = new SourceTimes({
    origins: ["in"],
    worker: 0,
    workers: this.workers,
    isInOrder: false,
  });
  readonly origins = new Set(["in"]);
  readonly driftMs: number;

  constructor(driftMs: number, ...behind: string[]) {
    this.driftMs = driftMs;
    if (behind.length === 0) return; // nothing is known yet
    const states = behind.map((name) => [name, "behind"] as const);
    this.tick(1, states);
  }

  get workers(): number {
    return 1;
  }

  /** A tick passes, on all workers. */
  tick(number: number, states: Tick["states"]): void {
    this.times.tick({ kind: "tick", origin: "in", number, states });
    for (let worker = 1; worker < this.workers; worker++) {
      this.times.report(worker, { kind: "report", origin: "in", number, newest: [], closedTo: 0 });
    }
  }

  /** Values have come; then a tick passes. */
  pass(number: number, newest: Record<string, number>, states: [string, "current"][] = []): void {
    for (const [source, time] of Object.entries(newest)) {
      this.times.from(source, "in", number - 1);
      this.times.event.see(time);
    }
    this.tick(number, states);
  }
}

/** The same where another worker has to answer. */
class SharedStep extends Step {
  override get workers(): number {
    return 2;
  }
}

function inputOf(...steps: Step[]): InputAlignment {
  return new InputAlignment("in", (name) => name, () => steps);
}

/** Source "a" has two items a millisecond, up to 1,000 ms. Returns the number of the next tick. */
function readTwoItemsAMillisecond(step: Step, input: InputAlignment): number {
  step.pass(2, { a: 0, b: 0 });
  let tick = 3;
  for (let time = 100; time <= 1_000; time += 100) {
    input.onRead("a", 200, tick);
    step.pass(tick++, { a: time, b: time });
    input.choose(["a"]);
  }
  return tick;
}

Deno.test("a source of unknown time is read by 256 items until a tick has passed", () => {
  const step = new Step(1_000, "a", "b");
  const input = inputOf(step);
  assertEquals(input.choose(["a"]), { source: "a", most: 256 });
  input.onRead("a", 200, 2);
  assertEquals(input.choose(["a"]), { source: "a", most: 56 });
  input.onRead("a", 56, 2);
  assertEquals(input.choose(["a"]), null);
  assertEquals(input.isHeld, true);
  step.pass(2, { a: 5 });
  input.look();
  assertEquals(input.isHeld, true); // nobody knows how far "b" is
  step.pass(3, { b: 5 });
  input.look();
  assertEquals(input.isHeld, false);
  assertEquals(input.choose(["a"])?.source, "a");
});

Deno.test("nothing is read before all steps know which sources there are", () => {
  const known = new Step(1_000, "a");
  const unknown = new Step(1_000);
  const input = inputOf(known, unknown);
  assertEquals([input.choose(["a"]), input.isHeld], [null, true]);
  unknown.times.tick({ kind: "tick", origin: "in", number: 1, states: [["a", "behind"]] });
  input.look();
  assertEquals([input.isHeld, input.choose(["a"])?.most], [false, 256]);
});

Deno.test("the source that is least far is read, and none that is more than the drift ahead", async () => {
  const step = new Step(1_000, "a", "b");
  const input = inputOf(step);
  step.pass(2, { a: 5_000, b: 4_500 });
  assertEquals(input.choose(["a", "b"])?.source, "b");
  assertEquals(input.choose(["a"])?.source, "a");
  step.pass(3, { a: 5_501 });
  assertEquals(input.choose(["a"]), null);
  let isOpen = false;
  const opened = input.changed().then(() => isOpen = true);
  input.look();
  await Promise.resolve();
  assertEquals(isOpen, false);
  step.pass(4, { b: 4_501 });
  input.look();
  await opened;
  assertEquals(input.choose(["a"])?.source, "a");
});

Deno.test("a source has as many items without an answer as lie between it and the others", () => {
  const step = new Step(1_000, "a", "b");
  const input = inputOf(step);
  let tick = readTwoItemsAMillisecond(step, input);
  assertEquals(input.choose(["a"]), { source: "a", most: 2_000 });
  step.pass(tick++, { b: 2_000 });
  assertEquals(input.choose(["a"]), { source: "a", most: 4_000 });
  step.pass(tick++, { b: 1_000_000 });
  assertEquals(input.choose(["a"]), { source: "a", most: 32_768 });
});

Deno.test("with several workers, a source is read in pieces while it may have to wait", () => {
  const step = new SharedStep(1_000, "a", "b");
  const input = inputOf(step);
  const tick = readTwoItemsAMillisecond(step, input);
  let items = 0;
  for (let piece; (piece = input.choose(["a"])) !== null; items += piece.most) {
    assert(piece.most <= 512, `a piece of ${piece.most} items`);
    input.onRead("a", piece.most, tick);
  }
  assertEquals(items, 2_000);
});

Deno.test("with several workers, a source may be a thousand close items ahead of the drift", () => {
  const most = (Step_: typeof Step) => {
    const step = new Step_(100, "a", "b");
    const input = inputOf(step);
    step.pass(2, { a: 0, b: 0 });
    // Five items a millisecond: a thousand are 205 ms.
    for (let tick = 3, time = 20; time <= 100; time += 20) {
      input.onRead("a", 100, tick);
      step.pass(tick++, { a: time, b: 0 });
      input.choose(["a"]);
    }
    for (let tick = 8, time = 101;; time++) {
      step.pass(tick++, { a: time });
      if (input.choose(["a"]) === null) return time - 1;
    }
  };
  assertEquals([most(Step), most(SharedStep)], [100, 204]);
});

Deno.test("a tick is due when a quarter of what a source may have is read", () => {
  const step = new Step(1_000, "a", "b");
  const input = inputOf(step);
  input.choose(["a"]);
  assertEquals(input.onRead("a", 63, 2), false);
  assertEquals(input.onRead("a", 1, 2), true);
});

Deno.test("a source waits for none that is current, and not for itself", () => {
  const step = new Step(1_000, "a", "b");
  const input = inputOf(step);
  step.pass(2, { a: 1_000_000, b: 0 });
  assertEquals(input.choose(["a"]), null);
  step.pass(3, {}, [["b", "current"]]);
  assertEquals(input.choose(["a"]), { source: "a", most: Infinity });
});

Deno.test("a source waits only if it is ahead at each step that it reaches", () => {
  const one = new Step(1_000, "a", "b");
  const other = new Step(1_000, "a", "c");
  const input = inputOf(one, other);
  one.pass(2, { a: 5_000, b: 0 });
  other.pass(2, { a: 5_000, c: 4_500 });
  assertEquals(input.choose(["a"])?.source, "a");
  other.pass(3, { a: 6_000 });
  assertEquals(input.choose(["a"]), null);
});

Deno.test("nothing waits once the run is being stopped", () => {
  const step = new Step(1_000, "a", "b");
  const input = inputOf(step);
  step.pass(2, { a: 5_000, b: 0 });
  assertEquals(input.choose(["a"]), null);
  input.release();
  assertEquals([input.isHeld, input.choose(["a"])], [false, { source: "a", most: Infinity }]);
});

Deno.test("an input that is one source asks for its share", () => {
  const step = new Step(1_000, "in", "b");
  const input = inputOf(step);
  assertEquals(input.mostOfShare(), 256);
  step.pass(2, { in: 5_000, b: 0 });
  assertEquals([input.mostOfShare(), input.isHeld], [0, true]);
});

Deno.test("sources are read in turn where no window step is on this worker", () => {
  const alignment = new InputAlignment("in on worker 0", (name) => name, () => []);
  const chosen = Array.from({ length: 4 }, () => alignment.choose(["a", "b"])?.source);
  assertEquals(chosen, ["a", "b", "a", "b"]);
});
