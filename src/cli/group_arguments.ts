/**
 * The command line of a group of machines, as data.
 *
 * @module
 */
import { UsageError } from "../core/errors.ts";
import { KEY_GROUPS } from "../core/key_groups.ts";
import type { Guarantee } from "../group/log_module.ts";
import { oneOf, parseCount, parseTime } from "./given_values.ts";
import type { Option } from "./options.ts";
import { type Given, parseStepChanges } from "./step_changes.ts";

/** How this machine takes part in a group. */
export interface GroupCommand {
  /** The group's name, of which the names of its topics are made. */
  readonly app: string;
  /** How many shards keyed steps have: fixed for the app's life. */
  readonly shards: number;
  readonly commitIntervalMs: number;
  readonly guarantee: Guarantee;
  readonly protocol: "auto" | "streams" | "classic";
  /** Whether workers leave the group when they are stopped, so that others get their tasks. */
  readonly leaves: boolean;
  /** Where the machine keeps who it is; `null` if it does not. */
  readonly stateDir: string | null;
  /** Steps that were taken out of the flow: what the group has stored of them is dropped. */
  readonly dropSteps: readonly string[];
  /** Whether to wait until no machine runs the app with another layout or protocol. */
  readonly waits: boolean;
  /** How many other machines have a copy of each task's state; `null` for what the group has. */
  readonly standbys: number | null;
  /** A worker that gets no further for this long is killed; in milliseconds. */
  readonly stallMs: number;
  /** After this time without a word, a classic group gives tasks away; `null` for the default. */
  readonly sessionMs: number | null;
}

/** A switch, and where it was set. */
export interface Switch {
  readonly isOn: boolean;
  /** `null` if it was not set. */
  readonly from: string | null;
}

/** The options of a group. */
export const GROUP_OPTIONS: readonly Option[] = [
  { name: "group", value: "APP", about: "share the work with all machines that run this app" },
  { name: "shards", value: "N", about: "parts of the keys, fixed for the app's life (default 64)" },
  { name: "commit-interval", value: "TIME", about: "least time between commits (default 1s)" },
  {
    name: "standbys",
    value: "N",
    about: "copies of states elsewhere, 0 to 2 (default: as the group has)",
  },
  {
    name: "guarantee",
    value: "WHICH",
    about: "of Kafka outputs: exactly-once (the default) or at-least-once",
  },
  { name: "protocol", value: "WHICH", about: "auto (the default), streams or classic" },
  { name: "leave", value: null, about: "give the tasks to other machines when stopped" },
  { name: "wait", value: null, about: "wait until no machine runs another layout of the flow" },
  { name: "state-dir", value: "DIR", about: "keeps who the machine is, and copies of state" },
  {
    name: "session-timeout",
    value: "TIME",
    about: "how long a classic group waits for a silent machine (default 6s)",
  },
  {
    name: "stall-timeout",
    value: "TIME",
    about: "kill a worker that gets no further (default 5m)",
  },
];

/** Options that a group excludes, with what to do instead. */
const EXCLUDED: readonly { readonly name: string; readonly cure: string }[] = [
  { name: "recovery", cure: "state is kept in the group's topics; leave it out" },
  { name: "from-scratch", cure: "leave it out" },
  { name: "yes", cure: "nothing is asked; leave it out" },
  { name: "rename-step", cure: "a group cannot rename steps: give the step its old id" },
  { name: "epoch-interval", cure: "use --commit-interval" },
  { name: "watch", cure: "develop the flow on one machine, without --group" },
];

/** Looks options up, on the command line and among the environment variables. */
export interface GivenOptions {
  valueOf(name: string): Given | undefined;
  switchOf(name: string): Switch;
  listOf(name: string): readonly Given[];
}

/**
 * Reads the options of a group; `null` if there is none.
 *
 * @throws {UsageError} If one is wrong, or does not go with another one.
 */
export function parseGroup(given: GivenOptions): GroupCommand | null {
  const { valueOf, switchOf } = given;
  const group = valueOf("group");
  if (group === undefined) {
    const stray = GROUP_OPTIONS.map((option) => originOf(option.name, given))
      .find((from) => from !== null);
    if (stray !== undefined) {
      throw new UsageError(`${stray} is an option of a group: add --group APP`);
    }
    return null;
  }
  for (const { name, cure } of EXCLUDED) {
    const from = originOf(name, given);
    if (from !== null) throw new UsageError(`${from} does not go with ${group.from}: ${cure}`);
  }
  const stateDir = valueOf("state-dir");
  if (stateDir?.value === "") throw new UsageError(`${stateDir.from} must be a folder; got ""`);
  const commitIntervalMs = parseTime(valueOf("commit-interval"), requireCommitTime) ?? 1_000;
  const protocol = oneOf(valueOf("protocol"), ["auto", "streams", "classic"], "auto");
  return {
    app: parseApp(group),
    shards: parseCount(valueOf("shards"), { fallback: 64, least: 1, most: KEY_GROUPS }),
    commitIntervalMs,
    guarantee: oneOf(valueOf("guarantee"), ["exactly-once", "at-least-once"], "exactly-once"),
    protocol,
    leaves: switchOf("leave").isOn,
    waits: switchOf("wait").isOn,
    dropSteps: parseStepChanges({ renames: [], drops: given.listOf("drop-step") }).dropSteps ?? [],
    stateDir: stateDir?.value ?? null,
    standbys: parseStandbys(valueOf("standbys"), stateDir?.value ?? null),
    stallMs: parseStall(valueOf("stall-timeout"), commitIntervalMs),
    sessionMs: parseSession(valueOf("session-timeout"), protocol),
  };
}

/** The brokers know the session of a streams group. They may refuse that of a classic one. */
function parseSession(given: Given | undefined, protocol: string): number | null {
  const ms = parseTime(given, requireSessionTime);
  if (ms === undefined) return null;
  if (protocol !== "streams") return ms;
  throw new UsageError(
    `${given!.from} is an option of classic groups, and the brokers decide for others ` +
      "(group.streams.session.timeout.ms): leave it out",
  );
}

/** The least session, in milliseconds: a broker that is busy answers late. */
const LEAST_SESSION_MS = 1_000;

function requireSessionTime(ms: number, what: string): number {
  if (ms >= LEAST_SESSION_MS) return ms;
  throw new RangeError(
    `${what} must be 1 s or more, as a busy broker may be silent for as long; got ${ms} ms`,
  );
}

/** Copies are kept in the state folder. */
function parseStandbys(given: Given | undefined, stateDir: string | null): number | null {
  if (given === undefined) return null;
  const standbys = parseCount(given, { fallback: 0, least: 0, most: 2 });
  if (standbys > 0 && stateDir === null) {
    throw new UsageError(
      `${given.from} needs --state-dir DIR, where this machine keeps copies of others' states`,
    );
  }
  return standbys;
}

/** Where an option was set; `null` if it was not, or is off. */
function originOf(name: string, { valueOf, switchOf, listOf }: GivenOptions): string | null {
  if (SWITCHES.has(name)) {
    const { isOn, from } = switchOf(name);
    return isOn ? from : null;
  }
  if (LISTS.has(name)) return listOf(name)[0]?.from ?? null;
  return valueOf(name)?.from ?? null;
}

const SWITCHES: ReadonlySet<string> = new Set(["leave", "wait", "from-scratch", "yes", "watch"]);
const LISTS: ReadonlySet<string> = new Set(["rename-step", "drop-step"]);

/** Every broker has to accept it in the names of topics, groups and transactional ids. */
function parseApp({ value, from }: Given): string {
  if (/^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$/.test(value)) return value;
  throw new UsageError(
    `${from} must be a name of up to 100 letters, digits, ".", "_" and "-", as topics are named ` +
      `after it; got "${value}"`,
  );
}

/** A commit takes about as long, and one after the other would be all that a worker does. */
const LEAST_COMMIT_MS = 10;

function requireCommitTime(ms: number, what: string): number {
  if (ms >= LEAST_COMMIT_MS) return ms;
  throw new RangeError(
    `${what} must be ${LEAST_COMMIT_MS} ms or more, as each commit is a transaction; got ${ms} ms`,
  );
}

/** How long a worker may get no further by default, in milliseconds. */
const DEFAULT_STALL_MS = 300_000;

/** The least stall timeout, in commit intervals. */
const STALL_INTERVALS = 2;

/** The least stall timeout, in milliseconds: a busy worker may take as long for one batch. */
const LEAST_STALL_MS = 10_000;

/** A worker gets further once in an interval: a shorter time would have each of them killed. */
function parseStall(given: Given | undefined, commitIntervalMs: number): number {
  const least = STALL_INTERVALS * commitIntervalMs;
  const ms = parseTime(given, requireStallTime);
  if (ms === undefined) return Math.max(DEFAULT_STALL_MS, least);
  if (ms >= least) return ms;
  throw new UsageError(
    `${given!.from} must be ${STALL_INTERVALS} times the commit interval or more, here ` +
      `${least} ms, as a worker gets further once in an interval; got "${given!.value}"`,
  );
}

function requireStallTime(ms: number, what: string): number {
  if (ms >= LEAST_STALL_MS) return ms;
  throw new RangeError(
    `${what} must be 10 s or more, as a worker may be at work for as long; got ${ms} ms`,
  );
}
