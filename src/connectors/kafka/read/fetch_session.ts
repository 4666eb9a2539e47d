/**
 * What a broker remembers of our fetches (KIP-227). Requests and answers then hold only what has
 * changed: of 100,000 partitions, few may have anything new.
 *
 * A session is not closed at the end of a reader. A broker answers the requests of one connection
 * in order. So a request that closes the session (epoch -1) would wait for the fetch under way.
 * That takes up to `fetch.wait.max.ms`, and the connection would have to stay open for it. Another
 * connection would need a handshake. Left alone, a session takes one of the broker's slots (1,000
 * by default) until another client needs it, two minutes later at the earliest. A broker without a
 * free slot answers without a session, which works too.
 *
 * @module
 */
import type { PartitionFetch, SessionFetch } from "../wire/fetch.ts";
import type { PartitionCursor } from "./partition_cursor.ts";
import { positionName } from "../wire/topic_partition.ts";

/** The errors of a session that the broker has dropped, or that is out of step. */
const SESSION_OVER: ReadonlySet<number> = new Set([70, 71, 106]);

/** After this one, the requests of a session are counted from 1 again. */
const LAST_EPOCH = 2 ** 31 - 1;

/** A partition of a session. */
interface Member {
  readonly cursor: PartitionCursor;
  /** What was last requested; `null` before the first time. */
  asked: PartitionFetch | null;
  /** Whether it is not requested for now. */
  isHeld: boolean;
}

/** A request of a session. */
export interface SessionRequest {
  readonly asked: readonly PartitionFetch[];
  readonly session: SessionFetch;
  /** Whether it requests all partitions, so that the answer names each of them. */
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
  #held = 0; // of the members

  /** `isKept`: whether the broker should remember anything. If not, each request names all. */
  constructor(isKept: boolean) {
    this.#isKept = isKept;
  }

  /** How many partitions there are. */
  get size(): number {
    return this.#members.size;
  }

  /** How many of them are held. */
  get heldCount(): number {
    return this.#held;
  }

  /** The partitions. */
  *cursors(): Generator<PartitionCursor> {
    for (const { cursor } of this.#members.values()) yield cursor;
  }

  /** The partition of a name, if it was requested from the offset that it is at now. */
  asked(name: string): PartitionCursor | null {
    const member = this.#members.get(name);
    return member?.asked?.offset === member?.cursor.fetched ? member?.cursor ?? null : null;
  }

  /** Whether a partition is one of these. */
  has(cursor: PartitionCursor): boolean {
    return this.#members.get(cursor.name)?.cursor === cursor;
  }

  /** Whether a partition is left out of the requests for now. */
  isHeld(cursor: PartitionCursor): boolean {
    return this.#members.get(cursor.name)?.isHeld ?? false;
  }

  /** Requests a partition from the next request on. */
  add(cursor: PartitionCursor): void {
    if (this.has(cursor)) return;
    const before = this.#members.get(cursor.name);
    if (before !== undefined) this.remove(before.cursor);
    const known = this.#topics.find(({ topic }) => topic === cursor.topic);
    // The broker remembers its name with its id, which was that of another topic.
    if (known === undefined || known.topicId !== cursor.topicId) this.reset();
    const member: Member = { cursor, asked: null, isHeld: false };
    this.#members.set(cursor.name, member);
    this.#changed.add(member);
  }

  /** Stops requesting a partition. What still arrives is dropped, even if it is added again. */
  remove(cursor: PartitionCursor): void {
    const member = this.#members.get(cursor.name);
    if (member?.cursor !== cursor) return;
    this.#members.delete(cursor.name);
    this.#changed.delete(member);
    if (member.isHeld) this.#held--;
    this.#forget(member);
  }

  /** Leaves a partition out of the next requests. */
  hold(cursor: PartitionCursor): void {
    const member = this.#members.get(cursor.name);
    if (member?.cursor !== cursor || member.isHeld) return;
    member.isHeld = true;
    this.#held++;
    this.#changed.delete(member);
    this.#forget(member);
  }

  /** Requests it again. */
  resume(cursor: PartitionCursor): void {
    const member = this.#members.get(cursor.name);
    if (member?.cursor !== cursor || !member.isHeld) return;
    member.isHeld = false;
    this.#held--;
    this.#changed.add(member);
  }

  /** The offset or size to request of a partition may have changed. */
  touch(cursor: PartitionCursor): void {
    const member = this.#members.get(cursor.name);
    if (member !== undefined && !member.isHeld) this.#changed.add(member);
  }

  /** Begins again: the next request names all partitions. */
  reset(): void {
    this.#id = 0;
    this.#epoch = 0;
    this.#forgotten = [];
  }

  /** The next request over a connection. A new connection begins a new session. */
  next(connection: unknown): SessionRequest {
    if (connection !== this.#connection) this.reset();
    this.#connection = connection;
    const isFull = this.#id === 0;
    const asked: PartitionFetch[] = [];
    for (const member of isFull ? this.#turned() : this.#changed) {
      if (member.isHeld) continue;
      const { topic, topicId, partition, fetched: offset, maxBytes } = member.cursor;
      const same = member.asked?.offset === offset && member.asked.maxBytes === maxBytes;
      if (same && !isFull) continue;
      member.asked = { topic, topicId, partition, offset, maxBytes };
      asked.push(member.asked);
    }
    this.#changed.clear();
    if (isFull) this.#topics = [...new Map(asked.map((each) => [each.topic, each])).values()];
    // The broker forgets after it adds. So a partition that is requested again must not be in both.
    const isAsked = (each: PartitionFetch) =>
      this.#members.get(positionName(each))?.isHeld === false;
    const forgotten = this.#forgotten.filter((each) => !isAsked(each));
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

  /** Whether an error of the broker is only about the session, so that a new session helps. */
  isOver(errorCode: number): boolean {
    return this.#id !== 0 && SESSION_OVER.has(errorCode);
  }

  /** The broker forgets what it was asked. What still arrives is dropped. */
  #forget(member: Member): void {
    if (this.#id !== 0 && member.asked !== null) this.#forgotten.push(member.asked);
    member.asked = null;
  }

  /**
   * All partitions, starting with another one each time, as the broker fills its answer in order.
   */
  #turned(): Member[] {
    const all = [...this.#members.values()];
    const first = all.length === 0 ? 0 : this.#turns++ % all.length;
    return first === 0 ? all : [...all.slice(first), ...all.slice(0, first)];
  }
}
