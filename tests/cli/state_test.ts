import { assertEquals, assertMatch } from "@std/assert";
import {
  Dataflow,
  EventClockConfig,
  type Keyed,
  ManualInputConfig,
  run,
  SqliteRecoveryConfig,
  SystemClockConfig,
  TestingOutputConfig,
  TumblingWindowConfig,
} from "millrace";
import { describeState } from "../../src/cli/state.ts";
import type { ShowCommand } from "../../src/cli/state_arguments.ts";
import { stateText } from "../../src/ops/state_text.ts";
import { folderOf } from "../support/cli.ts";
import { TestClock } from "../support/clock/test_clock.ts";

/** What to show, as text. */
const show = (given: Partial<ShowCommand> & { path: string }): ShowCommand => ({
  step: null,
  key: null,
  json: false,
  limit: 100,
  ...given,
});

const MINUTE = 60_000;
const T = Date.UTC(2026, 0, 1, 10);

interface Reading {
  readonly at: number;
  readonly n: number;
}

const ITEMS: readonly Keyed<Reading>[] = [
  ["a", { at: T, n: 1 }],
  ["a", { at: T + MINUTE / 2, n: 2 }],
];

/** Runs a flow until it is stopped, with its windows open, and gives the path of its store. */
async function storeOf(
  folder: string,
  write: (readings: Dataflow<Keyed<Reading>>) => Dataflow<unknown>,
): Promise<string> {
  const stop = new AbortController();
  const input = new ManualInputConfig<Keyed<Reading>, number>(async function* () {
    for (const [i, item] of ITEMS.entries()) yield [i, item];
    stop.abort();
    await new Promise((resolve) => setTimeout(resolve, 100)); // an end would close the windows
  });
  const path = `${folder}/state.db`;
  const flow = write(new Dataflow("readings").input("in", input));
  await run(flow.capture(new TestingOutputConfig<unknown>([])), {
    recovery: new SqliteRecoveryConfig(path),
    signal: stop.signal,
    clock: new TestClock(T + 5 * MINUTE),
  });
  return path;
}

const event = new EventClockConfig({ getTime: ({ at }: Reading) => at, wait: 0 });
const minutes = new TumblingWindowConfig({ length: { minutes: 1 } });
const WINDOW = "2026-01-01T10:00:00.000Z to 2026-01-01T10:01:00.000Z";
const MARK = "(watermark 2026-01-01T10:00:30.000Z)";
const [FIRST, SECOND] = ITEMS.map(([, value]) => `{ at: ${value.at}, n: ${value.n} }`);

const SHOWN: Readonly<
  Record<string, [write: (s: Dataflow<Keyed<Reading>>) => Dataflow<unknown>, line: string]>
> = {
  "windows by the time of values": [
    (s) => s.countWindow("step", event, minutes),
    `${WINDOW}: 2 ${MARK}`,
  ],
  "windows by the system's time": [
    (s) => s.countWindow("step", new SystemClockConfig(), minutes),
    "2026-01-01T10:05:00.000Z to 2026-01-01T10:06:00.000Z: 2",
  ],
  "windows with all their values": [
    (s) => s.collectWindow("step", event, minutes),
    `${WINDOW}: [ { time: 2026-01-01T10:00:00.000Z, value: ${FIRST} }, ` +
    `{ time: 2026-01-01T10:00:30.000Z, value: ${SECOND} } ] ${MARK}`,
  ],
  "windows with their largest value": [
    (s) => s.maxWindow("step", event, minutes, (a, b) => a.n - b.n),
    `${WINDOW}: { value: ${SECOND}, time: 2026-01-01T10:00:30.000Z } ${MARK}`,
  ],
  "windows of a join": [
    (s) => s.joinWindow("step", event, minutes, s.filter(() => false)),
    `${WINDOW}: [ { values: [ ${SECOND} ], newest: 2026-01-01T10:00:30.000Z }, ` +
    `{ values: [], newest: -Infinity } ] ${MARK}`,
  ],
  "a batch": [
    (s) => s.collect("step", { maxSize: 9, timeout: { hours: 1 } }),
    `[ ${FIRST}, ${SECOND} ] since 2026-01-01T10:05:00.000Z`,
  ],
  "when a key was let through": [
    (s) => s.dedupe("step", { ttl: { hours: 1 } }),
    "let through 2026-01-01T10:05:00.000Z",
  ],
  "a user's state with a ttl": [
    (s) => s.statefulMap("step", () => 0, (n, { n: more }) => [n + more, n], { ttl: { hours: 1 } }),
    "3 (last value 2026-01-01T10:05:00.000Z)",
  ],
  "a user's own state, whatever it looks like": [
    (s) => s.statefulMap("step", () => [null, 1, 2, 3], (state) => [state, 0]),
    "[ null, 1, 2, 3 ]",
  ],
};

for (const [what, [write, line]] of Object.entries(SHOWN)) {
  Deno.test(`state shows ${what}`, async () => {
    await using folder = await folderOf({});
    const path = await storeOf(folder.path, write);
    assertEquals(
      await describeState(show({ path, step: "step" })),
      `key  state\na    ${line}\n`,
    );
    const overview = await describeState(show({ path }));
    assertMatch(overview, /\nstep +keys +bytes\nstep +1 +\d+\n\nstep +partition +position\n/);
    assertMatch(overview, /\nin +0 of 1 +1\n$/);
  });
}

Deno.test("state shows the windows of one key whole", async () => {
  await using folder = await folderOf({});
  const path = await storeOf(folder.path, (s) => s.countWindow("step", event, minutes));
  assertEquals(
    await describeState(show({ path, step: "step", key: "a" })),
    `{
  watermark: 2026-01-01T10:00:30.000Z,
  windows: [
    {
      from: 2026-01-01T10:00:00.000Z,
      to: 2026-01-01T10:01:00.000Z,
      value: 2
    }
  ]
}
`,
  );
});

Deno.test("stateText() shows a key without open windows, and malformed states", () => {
  assertEquals(
    stateText("windows", [T, T + MINUTE]).line,
    "no open window, forgotten 2026-01-01T10:01:00.000Z (watermark 2026-01-01T10:00:00.000Z)",
  );
  assertEquals(stateText("windows", [-Infinity, 1e300, 2e300, 1]).line.includes("1e+300"), true);
  for (const state of [7, "text", null, [1, 2, 3], { values: 1 }]) {
    for (const kind of ["windows", "batch"] as const) {
      assertEquals(stateText(kind, state).whole, state);
    }
  }
});
