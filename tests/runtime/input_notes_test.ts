import { assertEquals } from "@std/assert";
import { Dataflow, type InputConfig, type InputNotes, type OutputConfig, run } from "../../mod.ts";
import { WorkerNotes } from "../../src/runtime/input_notes.ts";
import { TestClock } from "../support/clock/test_clock.ts";
import { eventually } from "../support/eventually.ts";
import { HandInput } from "../support/runtime/hand_input.ts";

Deno.test("WorkerNotes has what was said at the end of an epoch, not what was said after it", () => {
  const notes = new WorkerNotes();
  const at = (epoch: number, ...inputs: string[]) => [...notes.at(inputs, epoch)];
  assertEquals(at(0, "a"), []);
  notes.record("a", -1, "nothing");
  notes.record("a", 0, "first");
  notes.record("b", 0, "other");
  assertEquals([at(-1, "a"), at(0, "a", "b")], [[["a", "nothing"]], [["a", "first"], [
    "b",
    "other",
  ]]]);
  notes.record("a", 1, "last");
  assertEquals([at(0, "a"), at(1, "a"), at(5, "a")].flat(), [
    ["a", "first"],
    ["a", "last"],
    ["a", "last"],
  ]);
});

/** An input that says how often it was read from. */
function counted(hand: HandInput<number>): InputConfig<number> {
  return {
    open: async (at, resume) => {
      const reader = await hand.open(at, resume);
      let items = 0;
      return {
        ...reader,
        next: (limit) => {
          const batch = reader.next(limit);
          items += batch?.length ?? 0;
          return batch;
        },
        forOutputs: () => items,
      };
    },
  };
}

/** An output that keeps what it gets with the end of each epoch. */
function noting(noted: [epoch: number, inputs: InputNotes][]): OutputConfig<number> {
  return {
    open: () =>
      Promise.resolve({
        write: () => {},
        prepare: (epoch, inputs) => {
          noted.push([epoch, inputs!]);
          return Promise.resolve(new Map());
        },
        close: () => Promise.resolve(),
      }),
  };
}

Deno.test("an output gets with each epoch what the inputs upstream of it say, and no others", async () => {
  const clock = new TestClock();
  const [left, right, silent] = [1, 2, 3].map(() => new HandInput<number>());
  const joined: [number, InputNotes][] = [];
  const alone: [number, InputNotes][] = [];
  const flow = new Dataflow("notes");
  const second = flow.input("right", counted(right));
  flow.input("left", counted(left)).merge(second, flow.input("silent", silent))
    .capture("joined", noting(joined));
  second.map((n) => n).capture("alone", noting(alone));
  const running = run(flow, { clock, epoch: { interval: 1_000 } });
  const inputs = [left, right, silent];
  await eventually(() => inputs.every(({ waiting }) => waiting), "the inputs wait");
  left.push(1, 2);
  right.push(3);
  silent.push(4);
  await eventually(() => inputs.every(({ waiting }) => waiting), "the items are read");
  clock.advance(1_000);
  await eventually(() => joined.length + alone.length === 2, "the epoch is over");
  left.end();
  right.push(5);
  for (const input of [right, silent]) input.end();
  await running;
  assertEquals(joined.map(([epoch, said]) => [epoch, ...said].flat()), [
    [0, "left", 2, "right", 1],
    [1, "left", 2, "right", 2],
  ]);
  assertEquals(alone.map(([epoch, said]) => [epoch, ...said].flat()), [
    [0, "right", 1],
    [1, "right", 2],
  ]);
});
