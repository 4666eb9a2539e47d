/**
 * A process is killed at a named point, and the next run recovers, with another number of workers.
 */
import { assert, assertEquals, assertMatch } from "@std/assert";
import { decodeValue } from "../../src/core/value_codec.ts";
import { SqliteInspector } from "../../src/recovery/sqlite/inspector.ts";
import { type CliResult, flowFile, folderOf, runCli } from "../support/cli.ts";
import type { Fired, KillPoint } from "./flows/killed.ts";

interface RunOptions {
  readonly workers: number;
  /** @default {"never"} */
  readonly point?: KillPoint;
  /** The first epoch in which it may die. */
  readonly epoch?: number;
  readonly epochMs?: number;
}

interface Ending {
  readonly out: string[];
  readonly shown: string[];
  readonly state: Record<string, unknown>;
}

async function runKilled(folder: string, options: RunOptions): Promise<CliResult> {
  const { workers, point = "never", epoch = 1, epochMs = 20 } = options;
  const args = [folder, `${workers}`, point, `${epoch}`, `${epochMs}`];
  return await runCli(args, { script: flowFile("killed.ts") });
}

/** Runs, and lets a process die. Returns the content of the file that it left. */
async function die(
  folder: string,
  by: "coordinator" | "worker",
  options: RunOptions & { point: KillPoint },
): Promise<Fired> {
  const { code, stderr } = await runKilled(folder, options);
  const fired: Fired = JSON.parse(await Deno.readTextFile(`${folder}/fired`));
  assertEquals(fired.point, options.point);
  if (by === "coordinator") assertEquals([code, stderr], [137, ""]);
  else {
    assertEquals(code, 1);
    assertMatch(stderr, /worker \d ended by SIGKILL/);
  }
  await Deno.remove(`${folder}/fired`);
  return fired;
}

/** The lines of all files of a name, sorted, as the number of workers decides who writes what. */
async function linesIn(folder: string, prefix: string): Promise<string[]> {
  const lines: string[] = [];
  for await (const { name } of Deno.readDir(folder)) {
    if (!name.startsWith(prefix)) continue;
    lines.push(...(await Deno.readTextFile(`${folder}/${name}`)).split("\n"));
  }
  return lines.filter((line) => line !== "").sort();
}

/** What a finished run has left. */
async function ending(folder: string): Promise<Ending> {
  using store = await SqliteInspector.open(`${folder}/state.db`);
  const state = Object.fromEntries(
    store.steps().map(({ step }) => [
      step,
      store.keys(step, 1_000).map(({ key, state }) => [key, decodeValue(state)]),
    ]),
  );
  return { out: await linesIn(folder, "out"), shown: await linesIn(folder, "shown"), state };
}

async function storedEpoch(folder: string): Promise<number | null> {
  using store = await SqliteInspector.open(`${folder}/state.db`);
  return store.epoch;
}

let undisturbed: Promise<Ending> | undefined;

async function runUndisturbed(): Promise<Ending> {
  await using folder = await folderOf({});
  assertEquals((await runKilled(folder.path, { workers: 1 })).code, 0);
  return await ending(folder.path);
}

/** Runs to the end. Everything must be as if nothing had happened. */
async function assertMadeGood(folder: string, workers: number): Promise<void> {
  const { code, stderr } = await runKilled(folder, { workers });
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
  const expected = await (undisturbed ??= runUndisturbed());
  assertEquals(expected.out.length, 16_000);
  assertEquals(expected.shown, expected.out);
  assertEquals(await ending(folder), expected);
}

/** Within an epoch: which process dies, and what is then stored of the epoch. */
const IN_EPOCH: [KillPoint, "coordinator" | "worker", "kept" | "lost"][] = [
  ["while a snapshot is taken", "worker", "lost"],
  ["before the epoch is closed", "worker", "lost"],
  ["before the transaction", "coordinator", "lost"],
  ["while changes are written", "coordinator", "lost"],
  ["while positions are written", "coordinator", "lost"],
  ["after the transaction", "coordinator", "kept"],
  ["before output becomes visible", "worker", "kept"],
  ["after output has become visible", "worker", "kept"],
];

/** Checks whether the epoch is stored. After the coordinator's death, no later one can be. */
function assertStored(
  stored: number | null,
  epoch: number,
  by: "coordinator" | "worker",
  what: "kept" | "lost",
): void {
  if (by === "coordinator") assertEquals(stored, what === "kept" ? epoch : epoch - 1);
  // The others continue until a worker's end has been noticed. A worker at the end of its input may
  // be an epoch ahead: the others have not closed the one before yet.
  else assertEquals(stored! >= epoch, what === "kept", `epoch ${epoch}, stored up to ${stored}`);
}

for (const [point, by, what] of IN_EPOCH) {
  for (const [workers, then] of [[2, 3], [3, 1]]) {
    Deno.test(`${by} killed ${point}, with ${workers} workers and then ${then}`, async () => {
      await using folder = await folderOf({});
      const { epoch } = await die(folder.path, by, { point, workers });
      assert(epoch! >= 1);
      assertStored(await storedEpoch(folder.path), epoch!, by, what);
      await assertMadeGood(folder.path, then);
    });
  }

  Deno.test(`${by} killed ${point}, at the very end of the run`, async () => {
    await using folder = await folderOf({});
    const { epoch } = await die(folder.path, by, { point, workers: 2, epoch: 0, epochMs: 60_000 });
    assertEquals([epoch, await storedEpoch(folder.path)], [0, what === "kept" ? 0 : -1]);
    await assertMadeGood(folder.path, 1);
  });
}

Deno.test("coordinator killed after the beginning was stored: nothing has been read or written", async () => {
  await using folder = await folderOf({});
  const point = "after the beginning was stored";
  const { epoch } = await die(folder.path, "coordinator", { point, workers: 2, epoch: -1 });
  assertEquals([epoch, await storedEpoch(folder.path)], [-1, -1]);
  assertEquals(await linesIn(folder.path, "out"), []);
  // The same when a run continues, three times in a row.
  await die(folder.path, "coordinator", { point: "after the transaction", workers: 3 });
  const stored = await storedEpoch(folder.path);
  for (const workers of [1, 3, 2]) {
    const again = await die(folder.path, "coordinator", { point, workers });
    assertEquals([again.epoch, await storedEpoch(folder.path)], [stored, stored]);
  }
  await assertMadeGood(folder.path, 3);
});

for (
  const [point, by] of [
    ["while state is loaded", "coordinator"],
    ["while state is restored", "worker"],
  ] as const
) {
  Deno.test(`${by} killed ${point}, three times in a row`, async () => {
    await using folder = await folderOf({});
    await die(folder.path, "worker", { point: "before output becomes visible", workers: 2 });
    const stored = await storedEpoch(folder.path);
    for (const workers of [3, 1, 2]) {
      await die(folder.path, by, { point, workers });
      assertEquals(await storedEpoch(folder.path), stored);
    }
    await assertMadeGood(folder.path, 3);
  });
}
