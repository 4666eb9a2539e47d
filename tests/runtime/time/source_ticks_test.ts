import { assertEquals } from "@std/assert";
import type { InputReader } from "../../../src/graph/contracts.ts";
import { EndingSources } from "../../../src/graph/ending_sources.ts";
import { Channel } from "../../../src/runtime/channel.ts";
import { SourceTask } from "../../../src/runtime/tasks/source_task.ts";
import { InputAlignment } from "../../../src/runtime/time/source_alignment.ts";
import { SourceTicks } from "../../../src/runtime/time/source_ticks.ts";
import { plainOutlet, roomyChannel, taskHost } from "../../support/runtime/task_host.ts";

/** A reader that has nothing now, with one partition. */
function readerWith(stateOf: () => "behind" | "current"): InputReader<unknown> {
  return {
    next: () => [],
    ready: () => new Promise(() => {}),
    sources: () => new Map([["p", stateOf()]]),
    source: () => "p",
    positions: () => new Map(),
    close: () => Promise.resolve(),
  };
}

Deno.test("sources that are behind are looked at again after 100 ms, and current ones are not", () => {
  let state: "behind" | "current" = "behind";
  const ticks = new SourceTicks("in", 0, readerWith(() => state));
  assertEquals(ticks.tick(false, 1_000, false)?.states.map(([, state]) => state), ["behind"]);
  assertEquals(ticks.lookAt, 1_100);
  state = "current";
  assertEquals(ticks.tick(false, 1_100, false)?.states.map(([, state]) => state), ["current"]);
  assertEquals(ticks.lookAt, Infinity);
});

Deno.test("sources that only end are gone through once, however many they are", () => {
  let looks = 0;
  class Counted extends EndingSources {
    override [Symbol.iterator]() {
      looks += this.size;
      return super[Symbol.iterator]();
    }
    override get ended() {
      return new Proxy(super.ended, {
        get: (ended, key) => {
          if (typeof key === "string" && /^\d+$/.test(key)) looks++;
          return Reflect.get(ended, key);
        },
      });
    }
  }
  const count = 1_000;
  const names = Array.from({ length: count }, (_, i) => `file ${i}`);
  const sources = new Counted(names);
  const ticks = new SourceTicks("in", 0, { ...readerWith(() => "behind"), sources: () => sources });
  const told = [ticks.tickNow(false, 0).states];
  for (const [i, name] of names.entries()) {
    sources.end(name);
    told.push(ticks.tick(false, 10 * i, true)!.states);
  }
  assertEquals(told, [
    names.map((name) => [`${name} of in`, "behind"] as const),
    ...names.map((name) => [[`${name} of in`, "ended"] as const]),
  ]);
  assertEquals(looks <= 2 * count, true, `${looks} looks at ${count} sources`);
  assertEquals(ticks.end().states, []);
});

for (const hasRoom of [true, false]) {
  const title = hasRoom ? "wakes up to look at" : "does not wake up, without room downstream, for";
  Deno.test(`a source task ${title} a source that is behind`, () => {
    const channel = hasRoom ? roomyChannel() : new Channel({ first: 1 });
    const reader = readerWith(() => "behind");
    const alignment = new InputAlignment("in on worker 0", (name) => name, () => []);
    const options = { epoch: 0, tellsActivity: true, alignment };
    const task = new SourceTask("in", reader, plainOutlet(channel), taskHost(() => 50), options);
    while (task.run());
    if (!hasRoom) {
      channel.push(["one", "two"]);
      while (task.run());
    }
    // Without room, it wakes up only to count for how long the input has given nothing.
    assertEquals(task.wakeTime(), hasRoom ? 150 : 1_050);
  });
}

Deno.test("a tick for a log has all sources each time, and says since when the input is idle", () => {
  const ticks = new SourceTicks("in", 3, readerWith(() => "current"));
  ticks.resume(7);
  const states = [["p of in", "current"]] as const;
  const tick = (number: number, at: number, idleSince: number | null) => ({
    kind: "tick" as const,
    origin: "in on worker 3",
    number,
    states: [...states],
    logged: { at, idleSince },
  });
  assertEquals(ticks.fullTick(false, 1_000), tick(8, 1_000, null));
  assertEquals(ticks.fullTick(true, 1_100), tick(9, 1_100, 1_100));
  assertEquals(ticks.fullTick(true, 1_200), tick(10, 1_200, 1_100));
  ticks.onBatch(); // between two ticks
  assertEquals(ticks.fullTick(true, 1_300), tick(11, 1_300, 1_300));
  ticks.onActive();
  assertEquals(ticks.fullTick(true, 1_400), tick(12, 1_400, 1_400));
});
