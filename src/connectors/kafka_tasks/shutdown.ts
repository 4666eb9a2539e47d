/**
 * What ends a group on all machines: one tells the others through the control topic.
 *
 * @module
 */
import type { Log } from "../../core/log.ts";
import { controlTopic } from "../../group/topology.ts";
import { KafkaConnection } from "../kafka/client/connection.ts";
import {
  type ControlOptions,
  ControlWriter,
  type GroupFailure,
  readFailure,
} from "./control_topic.ts";
import { type GroupPlace, settingsOf } from "./join_group.ts";

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

/**
 * Returns why the group was ended last; `null` if it never was.
 *
 * @throws {Error} If brokers do not answer, or refuse.
 */
export async function lastFailure(options: ShutdownOptions): Promise<GroupFailure | null> {
  return await withControl(options, readFailure);
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
