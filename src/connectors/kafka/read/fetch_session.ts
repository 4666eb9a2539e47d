/**
 * What a broker keeps of our fetches, so that requests and answers hold only what has changed (KIP-227):
 * a topic may have 100,000 partitions of which few have anything new.
 *
 * @module
 */
import type { PartitionFetch, SessionFetch } from "../wire/fetch.ts";
import type { PartitionCursor } from "./partition_cursor.ts";
import { positionName } from "../wire/topic_partition.ts";

/** What brokers say of a session that they have given up, or that does not go on as it should. */
const SESSION_OVER: ReadonlySet<number> = new Set([70, 71, 106]);

/** After this one, a session's requests are counted from 1. */
const LAST_EPOCH = 2 ** 31 - 1;

/** A partition of a session. */
interface Member {
  readonly cursor: PartitionCursor;
  /** What the broker was asked for last; `null` before the first time. */
  asked: PartitionFetch | null;
}

/** A request of a session. */
export interface SessionRequest {
  readonly asked: readonly PartitionFetch[];
  readonly session: SessionFetch;
  /** Whether it asks for all partitions, so that the answer has each of them. */
  readonly isFull: boolean;
}

/** The partitions that one broker is asked for. */
export class FetchSession {
  readonly #isKept: boolean;
  readonly #members = new Map<string, Member>();
  readonly #changed = new Set<Member>();
  #forgotten: PartitionFetch[] = [];
  #topics: SessionFetch["topics"] = [];
  #id = 0;
  #epoch = 0;
  #turns = 0;
  #connection: unknown = null;

  /** `isKept`: whether the broker is to keep anything; else each request asks for all. */
  constructor(isKept: boolean) {
    this.#isKept = isKept;
  }

  /** How many partitions there are. */
  get size(): number {
    return this.#members.size;
  }

  /** The partitions. */
  *cursors(): Generator<PartitionCursor> {
    for (const { cursor } of this.#members.values()) yield cursor;
  }

  /** The partition of that name, where it is one of these and was asked for from where it is now. */
  asked(name: string): PartitionCursor | null {
    const member = this.#members.get(name);
    return member?.asked?.offset === member?.cursor.fetched ? member?.cursor ?? null : null;
  }

  /** Whether a partition is one of these. */
  has(cursor: PartitionCursor): boolean {
    return this.#members.get(cursor.name)?.cursor === cursor;
  }

  /** Takes a partition in. */
  add(cursor: PartitionCursor): void {
    if (this.has(cursor)) return;
    const before = this.#members.get(cursor.name);
    if (before !== undefined) this.remove(before.cursor);
    const known = this.#topics.find(({ topic }) => topic === cursor.topic);
    // The broker would have to be told names and ids that it has been told before, of another topic.
    if (known === undefined || known.topicId !== cursor.topicId) this.reset();
    const member: Member = { cursor, asked: null };
    this.#members.set(cursor.name, member);
    this.#changed.add(member);
  }

  /** Asks for a partition no longer. What comes of it is not wanted, even where it is taken in again. */
  remove(cursor: PartitionCursor): void {
    const member = this.#members.get(cursor.name);
    if (member?.cursor !== cursor) return;
    this.#members.delete(cursor.name);
    this.#changed.delete(member);
    if (this.#id !== 0 && member.asked !== null) this.#forgotten.push(member.asked);
  }

  /** What a partition is to be asked for may have changed. */
  touch(cursor: PartitionCursor): void {
    const member = this.#members.get(cursor.name);
    if (member !== undefined) this.#changed.add(member);
  }

  /** Begins again: the next request asks for all. */
  reset(): void {
    this.#id = 0;
    this.#epoch = 0;
    this.#forgotten = [];
  }

  /** The next request, over a connection: a broker forgets what came over another one. */
  next(connection: unknown): SessionRequest {
    if (connection !== this.#connection) this.reset();
    this.#connection = connection;
    const isFull = this.#id === 0;
    const asked: PartitionFetch[] = [];
    for (const member of isFull ? this.#turned() : this.#changed) {
      const { topic, topicId, partition, fetched: offset, maxBytes } = member.cursor;
      const same = member.asked?.offset === offset && member.asked.maxBytes === maxBytes;
      if (same && !isFull) continue;
      member.asked = { topic, topicId, partition, offset, maxBytes };
      asked.push(member.asked);
    }
    this.#changed.clear();
    if (isFull) this.#topics = [...new Map(asked.map((each) => [each.topic, each])).values()];
    // One that is asked for again is not to be forgotten, which comes last.
    const forgotten = this.#forgotten.filter((each) => !this.#members.has(positionName(each)));
    this.#forgotten = [];
    const session = {
      id: this.#id,
      epoch: this.#isKept ? this.#epoch : -1,
      forgotten,
      topics: this.#topics,
    };
    return { asked, session, isFull };
  }

  /** The broker has answered, with the session's id. */
  answered(id: number): void {
    if (id === 0 || !this.#isKept) return this.reset();
    this.#id = id;
    this.#epoch = this.#epoch === LAST_EPOCH ? 1 : this.#epoch + 1;
  }

  /** Whether an error of the broker is about the session only, so that another one may do. */
  isOver(errorCode: number): boolean {
    return this.#id !== 0 && SESSION_OVER.has(errorCode);
  }

  /** Each partition comes first in its turn: the broker fills its answer from the front. */
  #turned(): Member[] {
    const all = [...this.#members.values()];
    const first = all.length === 0 ? 0 : this.#turns++ % all.length;
    return first === 0 ? all : [...all.slice(first), ...all.slice(0, first)];
  }
}
