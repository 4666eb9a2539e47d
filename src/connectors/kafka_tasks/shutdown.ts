/**
 * What ends a group on all machines: one tells the others through the control topic.
 *
 * @module
 */
import { type Clock, systemClock, waitFor } from "../../core/clock.ts";
import type { Log } from "../../core/log.ts";
import { controlTopic } from "../../group/topology.ts";
import { KafkaConnection } from "../kafka/client/connection.ts";
import { KafkaAppStore } from "./app_store.ts";
import {
  type ControlOptions,
  ControlWriter,
  type GroupFailure,
  readFailure,
} from "./control_topic.ts";
import { type GroupPlace, settingsOf } from "./join_group.ts";

/** How often is looked whether members have gone, in milliseconds. */
const WAIT_MS = 500;

/** How long after a failure the group still ends, at most, in milliseconds. */
const COMES_MS = 60_000;

/** How to reach the group. */
export interface ShutdownOptions {
  readonly place: GroupPlace;
  /** Returns a token for the cluster; `null` if none is needed. */
  readonly token: (() => Promise<string>) | null;
  readonly app: string;
  readonly log: Log;
  /** Ends all waiting. */
  readonly signal: AbortSignal;
}

/**
 * Tells the other machines why they are to end.
 *
 * @throws {Error} If brokers do not answer, or refuse.
 */
export async function tellFailure(text: string, options: ShutdownOptions): Promise<void> {
  await withControl(options, async (control) => {
    await using writer = await ControlWriter.open(control);
    await writer.writeFailure({ text, at: Date.now() });
  });
}

/** What a machine that a group has ended knows of it. */
export interface EndedMember {
  /** When the group was ended last, before the machine came; `null` if never. */
  readonly failedAt: number | null;
  /** When the machine came, in milliseconds since the Unix epoch. */
  readonly cameAt: number;
  /** Whether it was a member before the group ended. */
  readonly wasIn: boolean;
}

/**
 * Returns why the group was ended; `null` if that was not told.
 *
 * @throws {Error} If brokers do not answer, or refuse.
 */
export async function lastFailure(
  member: EndedMember,
  options: ShutdownOptions,
): Promise<GroupFailure | null> {
  const failure = await withControl(options, readFailure);
  return failure === null || isStale(failure, member) ? null : failure;
}

/** Whether a machine was there before and has run since: it ends for another reason. */
export function isStale({ at }: GroupFailure, { failedAt, cameAt, wasIn }: EndedMember): boolean {
  // One that comes while the group ends reads the failure before it is in.
  return wasIn && at === failedAt && cameAt - at > COMES_MS;
}

/**
 * Waits until a group has none of the members that it has now. It is then free to begin again, as
 * one that was ended remembers that for as long as it has members.
 *
 * @param onWait Called once with how many members those are, unless there are none.
 * @throws {Error} If brokers do not answer, or refuse, or the signal aborts.
 */
export async function untilGone(
  { groupId, protocol }: { readonly groupId: string; readonly protocol: string },
  options: ShutdownOptions,
  onWait: (members: number) => void,
): Promise<void> {
  await withControl(options, async (control) => {
    const { signal } = options;
    const store = new KafkaAppStore({ ...control, signal });
    await untilOthersGone({ members: () => store.memberIds(groupId, protocol), onWait, signal });
  });
}

/** The same, with what it looks at. */
export async function untilOthersGone({ members, onWait, signal, clock = systemClock }: {
  readonly members: () => Promise<readonly string[]>;
  readonly onWait: (members: number) => void;
  /** Ends the waiting. */
  readonly signal: AbortSignal;
  readonly clock?: Clock;
}): Promise<void> {
  const old = new Set(await members());
  if (old.size > 0) onWait(old.size);
  // Members that come later have found the group free, or are about to leave it, as we did.
  for (
    let now: readonly string[] = [...old];
    now.some((id) => old.has(id));
    now = await members()
  ) {
    await waitFor(clock, WAIT_MS, signal);
    signal.throwIfAborted();
  }
}

async function withControl<T>(
  { place, token, app, log, signal }: ShutdownOptions,
  use: (control: ControlOptions) => Promise<T>,
): Promise<T> {
  const settings = settingsOf(place, token);
  const connection = new KafkaConnection(place.brokers, [controlTopic(app)], settings, {
    log,
    signal,
    isolation: "read_uncommitted",
  });
  try {
    await connection.open(() => connection.metadata());
    return await use({ app, connection, log });
  } finally {
    await connection.close();
  }
}
