/**
 * Where the machines of a group tell one another how far they are with tasks that are to move: a
 * consumer group without members.
 *
 * A notice is the text of a committed offset of the task's changelog. So the brokers keep the last
 * one of each task, and forget all of them by themselves.
 *
 * @module
 */
import { type Log, silentLog } from "../../core/log.ts";
import { partsOf, type TaskId } from "../../core/task_id.ts";
import type { HandOverBoard, TakerNotice } from "../../group/hand_over.ts";
import { changelogTopic, handOverGroup } from "../../group/topology.ts";
import { KafkaConnection } from "../kafka/client/connection.ts";
import { ofGroup } from "../kafka/client/errors.ts";
import { Coordinator } from "../kafka/transactions/coordinator.ts";
import { offsetFetch } from "../kafka/wire/offset_fetch.ts";
import { positionName, type TopicPartition } from "../kafka/wire/topic_partition.ts";
import { type GroupPlace, settingsOf } from "./join_group.ts";

/** What the board needs. */
export interface KafkaHandOverBoardOptions {
  readonly place: GroupPlace;
  /** Returns a token for the cluster; `null` if none is needed. */
  readonly token: (() => Promise<string>) | null;
  readonly app: string;
  /** The group whose tasks move. */
  readonly groupId: string;
  readonly log?: Log;
  /** Ends all waiting. */
  readonly signal: AbortSignal;
}

/** How long connecting may take, in milliseconds: another attempt follows soon. */
const OPENING_MS = 5_000;

/** What requests are sent with. */
interface Opened {
  readonly connection: KafkaConnection;
  readonly coordinator: Coordinator;
}

/** The board of a group. It connects when a task moves. */
export class KafkaHandOverBoard implements HandOverBoard, AsyncDisposable {
  readonly #options: KafkaHandOverBoardOptions;
  readonly #group: string;
  #connection: KafkaConnection | null = null;
  #opening: Promise<Opened> | null = null;

  /** Connects to nothing yet. */
  constructor(options: KafkaHandOverBoardOptions) {
    this.#options = options;
    this.#group = handOverGroup(options.groupId);
  }

  async post(notices: ReadonlyMap<TaskId, TakerNotice>): Promise<void> {
    const offsets = Array.from(notices, ([task, notice]) => ({
      ...this.#placeOf(task),
      offset: 0n, // it says nothing
      metadata: JSON.stringify(notice),
    }));
    await this.#ask((connection) => connection.commitGroup(this.#group, offsets));
  }

  async read(tasks: Iterable<TaskId>): Promise<ReadonlyMap<TaskId, TakerNotice>> {
    const places = Array.from(tasks, (task) => ({ task, ...this.#placeOf(task) }));
    const found = await this.#ask((_, coordinator) =>
      ofGroup([], () => coordinator.ask((broker) => offsetFetch(broker, this.#group, places)))
    );
    const texts = new Map(found.map((each) => [positionName(each), each]));
    const notices = new Map<TaskId, TakerNotice>();
    for (const place of places) {
      const { offset = null, metadata = "" } = texts.get(positionName(place)) ?? {};
      if (offset !== null) notices.set(place.task, JSON.parse(metadata));
    }
    return notices;
  }

  async #ask<R>(
    request: (connection: KafkaConnection, coordinator: Coordinator) => Promise<R>,
  ): Promise<R> {
    this.#opening ??= this.#open();
    const opening = this.#opening;
    try {
      const { connection, coordinator } = await opening;
      return await request(connection, coordinator);
    } catch (error) {
      this.#connection?.drop(); // the next request finds where the brokers are by then
      if (this.#opening === opening) this.#opening = null;
      throw error;
    }
  }

  #placeOf(task: TaskId): TopicPartition {
    const { subtopology, partition } = partsOf(task);
    return { topic: changelogTopic(this.#options.app, subtopology), partition };
  }

  async #open(): Promise<Opened> {
    const { place, token, log = silentLog, signal } = this.#options;
    const connection = this.#connection ??= new KafkaConnection(
      place.brokers,
      [],
      settingsOf(place, token),
      { log, signal },
    );
    await connection.open(() => connection.anyBroker(), { limitMs: OPENING_MS });
    const coordinator = new Coordinator(connection, { kind: "group", id: this.#group });
    return { connection, coordinator };
  }

  /** Ends its connection. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.#connection?.close();
  }
}
