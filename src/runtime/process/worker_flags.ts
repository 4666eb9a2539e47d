/**
 * What a worker process may do.
 *
 * @module
 */
import { fileURLToPath } from "node:url";
import { UsageError } from "../../core/errors.ts";
import type { WorkerIndex } from "../../core/ids.ts";
import { CONTROL_SOCKET } from "./listener.ts";
import { workerSocket } from "./mesh_listener.ts";
import { WORKER_ENV } from "./spawn.ts";

/** The folder of this package, with a slash at its end. */
const OUR_ROOT = new URL("../../../", import.meta.url).href;

/** What a run is about, as far as its workers' permissions go. */
export interface RunFacts {
  /** Where its sockets are; `null` where there are none. */
  readonly folder: string | null;
  readonly moduleUrl: string;
  readonly workers: number;
}

/** A permission: its flag, its short form, and what a worker needs of it. */
interface Need {
  readonly flag: string;
  readonly short: string;
  readonly values: readonly string[];
}

/**
 * The flags for a worker: all permissions, or those that the user gives and the few that no worker
 * can do without. These are its environment variable, the run's sockets, and to read modules: our
 * own and those in the folder of the flow.
 *
 * @param given What the user gave; `null` for nothing.
 * @throws {UsageError} If a path that has to be allowed has a comma in it.
 */
export function permissionFlags(given: readonly string[] | null, run: RunFacts): string[] {
  if (given === null) return ["-A"];
  const single = given.flatMap(separate);
  const has = (...flags: string[]) => flags.some((flag) => single.includes(flag));
  const flags = [...given];
  if (!has("-A", "--allow-all")) {
    for (const { flag, short, values } of needsOf(run)) {
      // Named values after the flag alone, which stands for all of them, would narrow it down.
      if (values.length > 0 && !has(flag, short)) {
        flags.push(`${flag}=${values.map(nameable).join()}`);
      }
    }
  }
  // There is nobody to ask: what is not allowed is an error.
  return has("--no-prompt") ? flags : [...flags, "--no-prompt"];
}

/**
 * Refuses flags that name a permission set of `deno.json`. Deno uses a list such as `--allow-net=…`
 * in place of the set's own, and a worker needs some lists.
 *
 * @param from Where the flags were given.
 * @throws {UsageError} If there is one. Names the cure.
 */
export function refusePermissionSets(flags: readonly string[], from: string): void {
  const set = flags.flatMap(separate).find((flag) => /^(-P|--permission-set)(=|$)/.test(flag));
  if (set === undefined) return;
  throw new UsageError(
    `${from} cannot take ${set}: what every worker needs would replace parts of that permission ` +
      `set; give the permissions as flags, such as "--allow-net=localhost:9092 --allow-env=HOME"`,
  );
}

/** Short flags may be written in one, as in `-RW`; only the last one can have values. */
function separate(flag: string): string[] {
  const short = /^-([A-Za-z]+)(=.*)?$/s.exec(flag);
  if (short === null) return [flag];
  const [, letters, values = ""] = short;
  return [...letters].map((letter, i) => `-${letter}${i === letters.length - 1 ? values : ""}`);
}

/** Deno parts the values of a flag at commas, and has no way to write one. */
function nameable(path: string): string {
  if (!path.includes(",")) return path;
  throw new UsageError(
    `no permission can name the path "${path}", as it has a comma in it: give the workers ` +
      `--allow-read without a list`,
  );
}

function needsOf({ folder, moduleUrl, workers }: RunFacts): Need[] {
  const folders = folder === null ? [] : [folder];
  const modules = [new URL("./", moduleUrl).href, OUR_ROOT]
    .filter((url) => url.startsWith("file:")).map((url) => fileURLToPath(url));
  const sockets = folder === null ? ["127.0.0.1"] : [
    CONTROL_SOCKET,
    ...Array.from({ length: workers }, (_, worker: WorkerIndex) => workerSocket(worker)),
  ].map((name) => `unix:${folder}/${name}`);
  return [
    { flag: "--allow-env", short: "-E", values: [WORKER_ENV] },
    { flag: "--allow-read", short: "-R", values: [...folders, ...modules] },
    { flag: "--allow-write", short: "-W", values: folders },
    { flag: "--allow-net", short: "-N", values: sockets },
  ];
}
