/**
 * What a machine does before it joins the group of an app.
 *
 * The first machine writes what the app is. A machine with the same layout and protocol joins. One
 * with another changes the app, once no other machine runs it:
 *
 * ```text
 *   no members? ──▶ write that we are about to ──▶ still no members? ──▶ write the next generation
 * ```
 *
 * A machine that joins meanwhile does that in the other order. It becomes a member, and reads the
 * topic before any of its tasks begins (`confirmEntered`). So one of the two sees the other.
 * Only one machine at a time can write.
 *
 * That would end a machine that has just entered, and is a member a moment later. So the first one
 * notes in the topic that it enters. Who wants to change the app waits until it is a member, or has
 * had the time for it. The first member removes the note.
 *
 * @module
 */
import { type Clock, systemClock, waitFor } from "../../core/clock.ts";
import { counted } from "../../core/counted.ts";
import type { StepId } from "../../core/ids.ts";
import type { Log } from "../../core/log.ts";
import type { TaskId } from "../../core/task_id.ts";
import {
  differencesOf,
  dropText,
  keptText,
  type LayoutBefore,
  LayoutChangeError,
  planChange,
  storedSteps,
} from "../../group/layout_change.ts";
import { sessionText } from "../../group/session_text.ts";
import { groupIdOf, type GroupTopology } from "../../group/topology.ts";
import type { StoredPosition } from "../../recovery/store.ts";
import { type ErrorKind, errorKind } from "../kafka/client/errors.ts";
import {
  type Control,
  type Entered,
  type GroupSettings,
  requireReadable,
  requireSame,
} from "./control_topic.ts";
import { TaskLogError } from "./task_log_error.ts";

/** How often a machine tries again while others write too. */
const ATTEMPTS = 20;

/** How often a machine that waits looks whether others are gone, in milliseconds. */
const WAIT_MS = 500;

/** How long a machine that has entered may take to become a member, in milliseconds. */
export const ENTERING_MS = 20_000;

/** A note that others read must still count for as long when this machine relies on it. */
const FRESH_MS = ENTERING_MS / 2;

/** Kinds of errors by which another machine turns out to be quicker. */
const FENCED: ReadonlySet<ErrorKind> = new Set(["fenced", "transactionRefused", "sequenceBroken"]);

/** Writes what an app is, for as long as no other machine has opened it since. */
export interface AppWriter extends AsyncDisposable {
  write(settings: GroupSettings): Promise<void>;
  /** Begins another generation. */
  begin(
    settings: GroupSettings,
    moved: ReadonlyMap<TaskId, readonly StoredPosition[]>,
    before: Control,
  ): Promise<void>;
}

/** What is known of an app outside of this machine. */
export interface AppStore {
  /** Reads all that was written before the call. */
  read(): Promise<Control>;
  /** From then on, no other writer can write. */
  open(): Promise<AppWriter>;
  /** How many members a group has; 0 if it does not exist. */
  members(groupId: string, protocol: string): Promise<number>;
  /** How long a group waits for a silent member, in milliseconds; `null` if that is not told. */
  sessionMs(groupId: string, protocol: string): Promise<number | null>;
  /** What an app that nobody runs has, once no transaction of its last members is open. */
  before(group: GroupSettings, control: Control, after: GroupTopology): Promise<LayoutBefore>;
}

/** How a machine enters. */
export interface EnterOptions {
  readonly app: string;
  readonly topology: GroupTopology;
  /** `auto`: what the app has; for the first machine, what the cluster offers. */
  readonly protocol: string;
  /** Returns the best protocol of the cluster. */
  readonly offered: () => Promise<string>;
  /** Steps that were taken out of the flow, with what is stored of them. */
  readonly drops: readonly StepId[];
  /** Whether to wait until no machine runs the app in another way; if not, that is an error. */
  readonly waits: boolean;
  readonly store: AppStore;
  readonly log: Log;
  /** Ends all waiting. */
  readonly signal: AbortSignal;
  /** @default {systemClock} */
  readonly clock?: Clock;
}

/**
 * Makes sure that a machine may join the group of an app, and changes the app if it has to.
 *
 * @returns The group to join. No member of another layout or protocol is in it.
 * @throws {TaskLogError} If the machine may not. The message says why, and the cure.
 */
export async function enterApp(
  options: EnterOptions,
): Promise<Entered> {
  const { app, topology, store, clock = systemClock } = options;
  let isWarned = false;
  let sessionMs: number | null | undefined; // asked for once
  const session = async (group: GroupSettings) => {
    if (sessionMs === undefined) {
      sessionMs = await store.sessionMs(groupId(app, group), group.protocol);
    }
    return sessionText(group.protocol, sessionMs);
  };
  for (let told = "";;) {
    options.signal.throwIfAborted();
    const { group } = await store.read();
    if (group === null) {
      await writeFirst(options);
      continue;
    }
    requireReadable(app, group, topology);
    if (!isWarned) warnOfDrops(group, options);
    isWarned = true;
    const protocol = options.protocol === "auto" ? group.protocol : options.protocol;
    if (group.hash === topology.hash && group.protocol === protocol) {
      const next = sameLayout(group, options);
      const isNoted = isEntering(group, FRESH_MS, clock) ||
        await store.members(groupId(app, group), group.protocol) > 0;
      if (next === group && isNoted) {
        return { ...topology, protocol, groupId: groupId(app, group) };
      }
      const noted = isNoted ? next : { ...next, enteredAt: clock.now() };
      await unfenced(() => update(store, group, noted));
      continue;
    }
    const members = await store.members(groupId(app, group), group.protocol);
    if (members === 0 && !isEntering(group, ENTERING_MS, clock)) {
      await unfenced(() => change(group, protocol, options));
      continue;
    }
    const problem = refusalOf(group, options); // which a wait does not mend
    const reason = members === 0
      ? `another machine has just entered group "${app}", and is not a member yet`
      : otherText(app, group, { topology, protocol, members, session: await session(group) });
    if (problem !== null) {
      throw new TaskLogError(
        members === 0 ? problem : `${reason}.\nThis flow would be refused then too:\n${problem}`,
      );
    }
    if (members > 0 && !options.waits) throw new TaskLogError(reason);
    const what = members === 0 ? "entering" : "running";
    if (told !== what) options.log.info(`waiting until no machine runs the app: ${reason}`);
    told = what;
    await waitFor(clock, WAIT_MS, options.signal);
  }
}

/**
 * Why the app cannot become what this machine has, as far as it can be said while others run it;
 * `null` if nothing is known.
 */
function refusalOf(group: GroupSettings, { app, topology, drops }: EnterOptions): string | null {
  try {
    requireNotDropped(app, group, topology);
    const before = {
      topology: group,
      positions: new Map(),
      moved: new Map(),
      unread: new Set<number>(),
      leftover: [],
    };
    planChange(app, before, topology, new Set(drops));
    return null;
  } catch (error) {
    if (error instanceof LayoutChangeError) return cannotText(app, error);
    if (error instanceof TaskLogError) return error.message;
    throw error;
  }
}

function cannotText(app: string, { message }: LayoutChangeError): string {
  return `group "${app}" cannot run this flow:\n${message}`;
}

/** Whether a machine has entered the app a moment ago, and may not be a member yet. */
export function isEntering(
  { enteredAt }: Pick<GroupSettings, "enteredAt">,
  ms: number,
  clock: Clock,
): boolean {
  // Another machine's clock may be ahead of ours, or far off.
  return enteredAt !== undefined && Math.abs(clock.now() - enteredAt) < ms;
}

/** Steps of which nothing is stored may be mistyped, or were dropped by another machine. */
function warnOfDrops(group: GroupSettings, { drops, log }: EnterOptions): void {
  const known = new Set([...storedSteps(group), ...group.dropped]);
  for (const step of drops) {
    if (!known.has(step)) log.warn(`nothing is stored of step "${step}": nothing is dropped`);
  }
}

/**
 * Makes sure that the app is still what a machine has entered. To be called by its processes once
 * they are members, before a task begins.
 *
 * @param options `isMember`: whether the process is one for sure, so that others see it.
 * @throws {UsageError} If it is another one by now.
 */
export async function confirmEntered(
  entered: Entered,
  { app, store, isMember = true }: Pick<EnterOptions, "app" | "store"> & {
    readonly isMember?: boolean;
  },
): Promise<Control> {
  for (;;) {
    const control = await store.read();
    requireSame(app, control, entered);
    const { moving, enteredAt, ...group } = control.group!;
    const isNoted = enteredAt !== undefined && !isMember;
    if (moving === undefined && (isNoted || enteredAt === undefined)) return control;
    const confirmed = isNoted ? { ...group, enteredAt } : group;
    // We run it: nobody may change it.
    await unfenced(() => update(store, control.group!, confirmed));
  }
}

/** Does what others may do at the same time. Each of them is quicker some time. */
export async function unfenced(work: () => Promise<void>): Promise<void> {
  for (let left = ATTEMPTS;; left--) {
    try {
      return await work();
    } catch (error) {
      if (left <= 1 || !FENCED.has(errorKind(error))) throw error;
    }
  }
}

function groupId(app: string, { generation }: GroupSettings): string {
  return groupIdOf(app, generation);
}

async function writeFirst(options: EnterOptions): Promise<void> {
  const { topology, protocol, offered, drops, store, clock = systemClock } = options;
  requireDroppable(topology, drops);
  const chosen = protocol === "auto" ? await offered() : protocol;
  await beginApp({ ...topology, protocol: chosen, enteredAt: clock.now() }, store);
}

/** Writes what an app is, if no machine has been there yet. */
export async function beginApp(
  { shards, hash, subtopologies, exchanges, protocol, enteredAt }:
    & GroupTopology
    & Pick<GroupSettings, "protocol" | "enteredAt">,
  store: Pick<AppStore, "read" | "open">,
): Promise<void> {
  const settings = {
    ...{ shards, hash, subtopologies, exchanges, protocol },
    ...enteredAt === undefined ? {} : { enteredAt },
  };
  await unfenced(async () => {
    if ((await store.read()).group !== null) return;
    await using writer = await store.open();
    if ((await store.read()).group !== null) return;
    await writer.write({ ...settings, generation: 1, dropped: [] });
  });
}

/** Writes a change, unless the app is not what it was when the change was made. */
async function update(store: AppStore, from: GroupSettings, to: GroupSettings): Promise<void> {
  await using writer = await store.open();
  if (isEqual((await store.read()).group, from)) await writer.write(to);
}

function isEqual(a: GroupSettings | null, b: GroupSettings): boolean {
  return JSON.stringify(a) === JSON.stringify(b);
}

/**
 * Returns what the app is with this machine: the same object if nothing changes. Machines of one
 * layout may have other stateful steps, as one version replaces the other.
 */
function sameLayout(group: GroupSettings, { app, topology, drops }: EnterOptions): GroupSettings {
  requireDroppable(topology, drops);
  requireNotDropped(app, group, topology);
  const ours = storedSteps(topology);
  const gone = [...storedSteps(group)].filter((step) => !ours.has(step));
  for (const step of gone) {
    if (!drops.includes(step)) {
      throw new TaskLogError(`group "${app}": ${dropText("step", step)}`);
    }
  }
  const known = storedSteps(group);
  const isNew = [...ours].some((step) => !known.has(step));
  if (gone.length === 0 && !isNew && group.moving === undefined) return group;
  const { moving: _, ...rest } = group;
  const { subtopologies } = topology;
  return { ...rest, subtopologies, dropped: [...group.dropped, ...gone] };
}

function requireDroppable(topology: GroupTopology, drops: readonly StepId[]): void {
  const steps = storedSteps(topology);
  const kept = drops.find((step) => steps.has(step));
  if (kept !== undefined) throw new TaskLogError(keptText(kept));
}

function requireNotDropped(
  app: string,
  { dropped }: GroupSettings,
  topology: GroupTopology,
): void {
  const steps = storedSteps(topology);
  const back = dropped.find((step) => steps.has(step));
  if (back === undefined) return;
  throw new TaskLogError(
    `step "${back}" was dropped from group "${app}", whose topics may still have its old state: ` +
      "give the step another id",
  );
}

/** The text about an app that runs in another way: what differs, and what to do. */
function otherText(
  app: string,
  group: GroupSettings,
  { topology, protocol, members, session }: {
    readonly topology: GroupTopology;
    readonly protocol: string;
    readonly members: number;
    readonly session: string;
  },
): string {
  const runs = `group "${app}" runs with ${counted(members, "member")} in generation ` +
    `${group.generation}`;
  const cure =
    "stop all machines, and then start them again (with --wait, a machine waits for the " +
    `others). One that was stopped without --leave stays a member until its session ends (${session})`;
  if (group.hash === topology.hash) {
    return `${runs}, by the protocol ${group.protocol}, and this machine has --protocol ` +
      `${protocol}: use --protocol ${group.protocol}, or to switch, ${cure}`;
  }
  return `${runs}, and this flow is cut in another way: ${
    changesOf(group, topology, protocol).join("; ")
  }. Such an upgrade cannot be rolling: ${cure}`;
}

/** What another layout or protocol changes, in words. */
function changesOf(group: GroupSettings, topology: GroupTopology, protocol: string): string[] {
  const switched = group.protocol === protocol
    ? []
    : [`its protocol is ${protocol} instead of ${group.protocol}`];
  return group.hash === topology.hash ? switched : [...differencesOf(group, topology), ...switched];
}

/** Begins the next generation, unless another machine turns out to run the app. */
async function change(
  group: GroupSettings,
  protocol: string,
  options: EnterOptions,
): Promise<void> {
  const { app, topology, store, drops, log, clock = systemClock } = options;
  requireNotDropped(app, group, topology);
  const { moving: _, ...was } = group;
  await using writer = await store.open();
  if (!isEqual((await store.read()).group, group)) return;
  await writer.write({ ...was, moving: { hash: topology.hash, protocol } });
  if (await store.members(groupId(app, group), group.protocol) > 0) return await writer.write(was);
  try {
    const control = await store.read();
    const before = await store.before(group, control, topology);
    const { moved, retired } = planChange(app, before, topology, new Set(drops));
    const generation = group.generation + 1;
    const ours = storedSteps(topology);
    const gone = [...storedSteps(group)].filter((step) => !ours.has(step));
    await writer.begin(
      {
        ...topology,
        protocol,
        generation,
        dropped: [...group.dropped, ...gone],
        enteredAt: clock.now(),
      },
      moved,
      control,
    );
    const isSwitch = group.hash === topology.hash;
    log.info(`the app has another ${isSwitch ? "protocol" : "layout"} now`, {
      group: groupIdOf(app, generation),
      changes: changesOf(group, topology, protocol).join("; "),
    });
    if (retired.length > 0) {
      log.warn("topics of the layout before are of no more use: delete them", {
        topics: retired.join(","),
      });
    }
  } catch (error) {
    if (!(error instanceof LayoutChangeError)) throw error;
    await writer.write(was);
    throw new TaskLogError(cannotText(app, error), { cause: error });
  }
}
