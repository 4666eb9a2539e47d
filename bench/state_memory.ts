/**
 * Memory and disk for state: a million keys of some bytes each, with what a step keeps for a key.
 * Each flow runs in a process of its own. What a process takes with a hundred keys is left out.
 */
import {
  Dataflow,
  EventClockConfig,
  type InputConfig,
  type Keyed,
  run,
  SqliteRecoveryConfig,
  TumblingWindowConfig,
} from "millrace";
import { batchOutput } from "./support.ts";

const KEYS = 1_000_000;
const FEW = 100;
const BATCH = 1_000;
/** How long nothing comes after the last key: an epoch is committed meanwhile. */
const QUIET_MS = 3_000;

type Items = Dataflow<Keyed<number>>;

const FLOWS: Readonly<Record<string, (items: Items) => Dataflow<unknown>>> = {
  "a number": (items) =>
    items.statefulMap("total", () => 0, (total, more) => [total + more, total + more]),
  "an object of three numbers": (items) =>
    items.statefulMap(
      "totals",
      () => ({ count: 0, total: 0, greatest: 0 }),
      ({ count, total, greatest }, more) => [
        { count: count + 1, total: total + more, greatest: Math.max(greatest, more) },
        more,
      ],
    ),
  "a list of ten numbers": (items) =>
    items.statefulMap(
      "last",
      (): number[] => [],
      (last, more) => [[...last, ...Array(10 - last.length).fill(more)], more],
    ),
  "an open window with a count": (items) =>
    items.countWindow(
      "count",
      new EventClockConfig<number>({ getTime: () => 0, wait: 0 }),
      new TumblingWindowConfig({ length: { hours: 1 } }),
    ),
};

interface Taken {
  /** Resident memory at the end, and at most, in bytes. */
  readonly resident: number;
  readonly peak: number;
  /** The size of the store's file, in bytes. */
  readonly file: number;
}

/** Runs a flow in this process. */
async function measure(what: string, keys: number, path: string | null): Promise<Taken> {
  let sent = 0;
  let quietSince = 0;
  let taken: Omit<Taken, "file"> | null = null;
  const input: InputConfig<Keyed<number>> = {
    open: () =>
      Promise.resolve({
        next: () => {
          if (sent < keys) {
            const first = sent;
            sent = Math.min(keys, sent + BATCH);
            return Array.from({ length: sent - first }, (_, i): Keyed<number> => [
              `customer-${first + i}`,
              first + i,
            ]);
          }
          quietSince ||= performance.now();
          if (performance.now() - quietSince < QUIET_MS) return [];
          (globalThis as unknown as { gc(): void }).gc();
          const status = Deno.readTextFileSync("/proc/self/status");
          const kilobytes = (name: string) =>
            Number(new RegExp(`${name}:\\s+(\\d+) kB`).exec(status)![1]);
          taken = { resident: kilobytes("VmRSS") * 1024, peak: kilobytes("VmHWM") * 1024 };
          return null;
        },
        ready: () => new Promise((resolve) => setTimeout(resolve, 100)),
        positions: () => new Map(),
        close: () => Promise.resolve(),
      }),
  };
  const flow = FLOWS[what](new Dataflow("state").input("in", input))
    .capture(batchOutput(() => {}));
  await run(flow, {
    epoch: { interval: { seconds: 1 } },
    ...path === null ? {} : { recovery: new SqliteRecoveryConfig(path) },
  });
  return { ...taken!, file: path === null ? 0 : (await Deno.stat(path)).size };
}

/** Runs a flow in a process of its own. */
async function measureApart(what: string, keys: number, isStored: boolean): Promise<Taken> {
  const folder = await Deno.makeTempDir();
  try {
    const path = isStored ? `${folder}/state.db` : "";
    const { stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", "--v8-flags=--expose-gc", import.meta.url, what, `${keys}`, path],
      stderr: "inherit",
    }).output();
    return JSON.parse(new TextDecoder().decode(stdout));
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
}

const [what, keys, path] = Deno.args;
if (what !== undefined) {
  console.log(JSON.stringify(await measure(what, Number(keys), path === "" ? null : path)));
} else {
  console.log(`\nstate_memory: bytes a key, of ${KEYS.toLocaleString("en")} keys`);
  console.log(`  ${"".padEnd(30)}resident  at most  with a store  at most  in the file`);
  for (const what of Object.keys(FLOWS)) {
    const figures: number[] = [];
    for (const isStored of [false, true]) {
      const few = await measureApart(what, FEW, isStored);
      const many = await measureApart(what, KEYS, isStored);
      for (const each of ["resident", "peak"] as const) {
        figures.push(Math.round((many[each] - few[each]) / KEYS));
      }
      if (isStored) figures.push(Math.round((many.file - few.file) / KEYS));
    }
    const [resident, peak, stored, storedPeak, file] = figures.map(String);
    console.log(
      `  ${what.padEnd(30)}${resident.padStart(8)}${peak.padStart(9)}${stored.padStart(14)}` +
        `${storedPeak.padStart(9)}${file.padStart(13)}`,
    );
  }
}
