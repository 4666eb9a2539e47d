/**
 * A transaction coordinator without a broker. It answers as Kafka does (`transaction.version` and
 * clusters do not matter to the requests that we use), and a test says which answers are lost.
 */
import type { Buffer } from "node:buffer";
import type { KafkaBroker } from "../../../src/connectors/kafka/client/kafkajs.ts";
import type { Coordinated } from "../../../src/connectors/kafka/wire/find_coordinator.ts";
import type { Exchange } from "../../../src/connectors/kafka/wire/request.ts";
import type { TopicPartition } from "../../../src/connectors/kafka/wire/topic_partition.ts";
import { WireReader } from "../../../src/connectors/kafka/wire/wire.ts";

const NONE = 0;
const INVALID_TXN_STATE = 48;
const INVALID_PRODUCER_ID_MAPPING = 49;
const INVALID_PRODUCER_EPOCH = 47;
const CONCURRENT_TRANSACTIONS = 51;
const PRODUCER_FENCED = 90;
const TRANSACTIONAL_ID_NOT_FOUND = 105;

/**
 * What happens to a request instead of its answer. `lost` has been done, and `unsent` has not. A
 * number is the code with which it is refused.
 */
export type Trouble = "lost" | "unsent" | number;

/** The state of a transactional id. */
export interface FakeTransaction {
  readonly producerId: bigint;
  epoch: number;
  /** The epoch that was continued to `epoch`; -1 if none was. */
  lastEpoch: number;
  state: "Empty" | "Ongoing" | "CompleteCommit" | "CompleteAbort";
  /** The partitions of the last transaction, as `topic-partition`, and its groups. */
  partitions: string[];
  /** The ended ones that had partitions, in order. */
  readonly ended: ("commit" | "abort")[];
}

/** The newest versions of each request, by whether they are those of today's brokers. */
const VERSIONS = {
  new: { 22: 5, 24: 5, 25: 4, 26: 5, 28: 5, 65: 0 },
  old: { 22: 1, 24: 1, 25: 1, 26: 1, 28: 1 },
};

/** From which version on requests have tags, where it is not 3. */
const FLEXIBLE_FROM: Readonly<Record<string, number>> = {
  InitProducerId: 2,
  DescribeTransactions: 0,
};

/** Coordinates transactions. */
export class FakeCoordinator {
  /** By transactional id. */
  readonly transactions = new Map<string, FakeTransaction>();
  /** The names of all requests, in order. */
  readonly requests: string[] = [];
  /** The positions of groups that were requested, as `group topic-partition offset`, in order. */
  readonly offsets: string[] = [];
  /** What happens to the next requests; `null` for nothing. */
  readonly troubles: (Trouble | null)[] = [];
  readonly #isOld: boolean;
  #producers = 0n;

  /** @param age Whether it has the versions of Kafka 4, or those of 2.0. */
  constructor(age: "new" | "old" = "new") {
    this.#isOld = age === "old";
  }

  /** What connections to it return. */
  get broker(): KafkaBroker {
    const newest = VERSIONS[this.#isOld ? "old" : "new"];
    const versions = Object.fromEntries(
      Object.entries(newest).map(([key, maxVersion]) => [key, { minVersion: 0, maxVersion }]),
    );
    const send = (exchange: Exchange) => this.#answer(exchange);
    return { versions, connectionPool: { send } } as unknown as KafkaBroker;
  }

  /** Aborts a transaction, as its timeout does. */
  timeOut(transactionalId: string): void {
    const transaction = this.transactions.get(transactionalId)!;
    transaction.epoch++;
    transaction.lastEpoch = -1;
    this.#end(transaction, "abort");
  }

  /** Forgets which epochs were continued, as another broker that becomes the coordinator does. */
  restart(): void {
    for (const transaction of this.transactions.values()) transaction.lastEpoch = -1;
  }

  /** Forgets an id, as if nothing had used it for a week. */
  forget(transactionalId: string): void {
    this.transactions.delete(transactionalId);
  }

  async #answer({ request }: Exchange): Promise<unknown> {
    const { apiName, apiVersion } = request;
    this.requests.push(apiName);
    const trouble = this.troubles.shift() ?? null;
    if (trouble === "unsent") throw new Error("the connection was closed");
    const body = (await request.encode()).buf;
    const answer = this.#do(
      apiName,
      apiVersion,
      body,
      typeof trouble === "number" ? trouble : null,
    );
    if (trouble === "lost") throw new Error("the connection was closed");
    return answer;
  }

  #do(apiName: string, version: number, body: Buffer, refusal: number | null): unknown {
    const isFlexible = version >= (FLEXIBLE_FROM[apiName] ?? 3);
    const from = new WireReader(body, isFlexible);
    from.tags(); // of the header
    switch (apiName) {
      case "InitProducerId":
        return this.#init(from, version, refusal);
      case "AddPartitionsToTxn":
        return this.#add(from, version, refusal);
      case "AddOffsetsToTxn":
        return this.#addGroup(from, version, refusal);
      case "TxnOffsetCommit":
        return this.#commitOffsets(from, version, refusal);
      case "DescribeTransactions":
        return this.#describe(from, refusal);
      case "EndTxn":
        return this.#endTxn(from, version, refusal);
      default:
        throw new Error(`the fake coordinator knows no request ${apiName}`);
    }
  }

  #init(from: WireReader, version: number, refusal: number | null) {
    const id = from.string()!;
    from.int32(); // the timeout
    const [producerId, epoch] = version >= 3 ? [from.int64(), from.int16()] : [-1n, -1];
    const nothing = { producerId: -1n, producerEpoch: -1 };
    if (refusal !== null) return { errorCode: refusal, ...nothing };
    const known = this.transactions.get(id);
    const transaction = known ?? {
      producerId: ++this.#producers,
      epoch: -1,
      lastEpoch: -1,
      state: "Empty" as const,
      partitions: [],
      ended: [],
    };
    this.transactions.set(id, transaction);
    const answer = () => ({
      errorCode: NONE,
      producerId: transaction.producerId,
      producerEpoch: transaction.epoch,
    });
    if (known !== undefined && producerId !== -1n) {
      const isOurs = producerId === known.producerId;
      if (isOurs && epoch === known.lastEpoch) return answer(); // asked again
      if (!isOurs || epoch !== known.epoch) return { errorCode: PRODUCER_FENCED, ...nothing };
    }
    if (transaction.state === "Ongoing") { // to be asked again, once the markers are written
      transaction.epoch++;
      transaction.lastEpoch = -1;
      this.#end(transaction, "abort");
      return { errorCode: CONCURRENT_TRANSACTIONS, ...nothing };
    }
    transaction.lastEpoch = producerId === -1n ? -1 : epoch;
    transaction.epoch++;
    transaction.state = "Empty";
    transaction.partitions = [];
    return answer();
  }

  #add(from: WireReader, version: number, refusal: number | null) {
    const { transaction, errorCode } = this.#identified(from, version);
    const partitions: TopicPartition[] = from.array(() => {
      const topic = from.string()!;
      const added = from.array(() => ({ topic, partition: from.int32() }));
      from.tags();
      return added;
    }).flat();
    const code = refusal ?? errorCode;
    const names = partitions.map(({ topic, partition }) => `${topic}-${partition}`);
    if (code === NONE) this.#begin(transaction!, names);
    return { results: partitions.map((each) => ({ ...each, errorCode: code })) };
  }

  #addGroup(from: WireReader, version: number, refusal: number | null) {
    const { transaction, errorCode } = this.#identified(from, version);
    const code = refusal ?? errorCode;
    if (code === NONE) this.#begin(transaction!, [from.string()!]);
    return { errorCode: code };
  }

  #begin(transaction: FakeTransaction, partitions: readonly string[]): void {
    const before = transaction.state === "Ongoing" ? transaction.partitions : [];
    transaction.partitions = [...new Set([...before, ...partitions])];
    transaction.state = "Ongoing";
  }

  #commitOffsets(from: WireReader, version: number, refusal: number | null) {
    const transaction = this.transactions.get(from.string()!);
    const group = from.string()!;
    from.int64(); // the producer's id
    from.int16(); // and epoch
    if (version >= 3) {
      from.int32(); // the generation
      from.string(); // the member's id
      from.string(); // and its instance
    }
    const offsets = from.array(() => {
      const topic = from.string()!;
      const each = from.array(() => {
        const [partition, offset] = [from.int32(), from.int64()];
        if (version >= 2) from.int32(); // the leader's epoch
        from.string(); // metadata
        from.tags();
        return { topic, partition, offset };
      });
      from.tags();
      return each;
    }).flat();
    const isAdded = transaction?.state === "Ongoing" && transaction.partitions.includes(group);
    const errorCode = refusal ?? (isAdded ? NONE : INVALID_TXN_STATE);
    if (errorCode === NONE) {
      for (const { topic, partition, offset } of offsets) {
        this.offsets.push(`${group} ${topic}-${partition} ${offset}`);
      }
    }
    return {
      results: offsets.map(({ topic, partition }) => ({ topic, partition, errorCode })),
    };
  }

  #describe(from: WireReader, refusal: number | null) {
    const transactions = from.array(() => from.string()!).map((transactionalId) => {
      const known = this.transactions.get(transactionalId);
      return {
        errorCode: refusal ?? (known === undefined ? TRANSACTIONAL_ID_NOT_FOUND : NONE),
        transactionalId,
        state: known?.state ?? "",
        timeoutMs: 0,
        startedAt: -1,
        producerId: known?.producerId ?? -1n,
        producerEpoch: known?.epoch ?? -1,
        partitions: [],
      };
    });
    return { transactions };
  }

  #endTxn(from: WireReader, version: number, refusal: number | null) {
    const { transaction, errorCode } = this.#identified(from, version);
    const how = from.boolean() ? "commit" : "abort";
    if ((refusal ?? errorCode) !== NONE) return { errorCode: refusal ?? errorCode };
    const { state } = transaction!;
    if (state === "Ongoing") this.#end(transaction!, how);
    else if (state !== (how === "commit" ? "CompleteCommit" : "CompleteAbort")) {
      return { errorCode: INVALID_TXN_STATE };
    }
    return { errorCode: NONE };
  }

  /** The transaction that a request names, or the code with which it is refused. */
  #identified(from: WireReader, version: number) {
    const transaction = this.transactions.get(from.string()!);
    const producerId = from.int64();
    const isOurs = from.int16() === transaction?.epoch;
    if (transaction === undefined || producerId !== transaction.producerId) {
      return { transaction, errorCode: INVALID_PRODUCER_ID_MAPPING };
    }
    const fenced = version < 2 ? INVALID_PRODUCER_EPOCH : PRODUCER_FENCED;
    return { transaction, errorCode: isOurs ? NONE : fenced };
  }

  #end(transaction: FakeTransaction, how: "commit" | "abort"): void {
    transaction.state = how === "commit" ? "CompleteCommit" : "CompleteAbort";
    transaction.ended.push(how);
  }
}

/** A connection to it, whose pauses only move its own clock. */
export class FakeConnection {
  readonly #coordinators: readonly FakeCoordinator[];
  /** Which of the coordinators FindCoordinator names next; the last one from then on. */
  readonly found: number[] = [];
  /** How often the coordinator was asked for. */
  lookups = 0;
  /** How often all connections were dropped. */
  drops = 0;
  isEnded = false;
  /** Called instead of each pause, in milliseconds. */
  onPause: () => void = () => {};

  constructor(...coordinators: readonly FakeCoordinator[]) {
    this.#coordinators = coordinators;
  }

  coordinatorId(_of: Coordinated): Promise<number> {
    this.lookups++;
    return Promise.resolve(this.found.length > 1 ? this.found.shift()! : this.found[0] ?? 0);
  }

  broker(nodeId: number): Promise<KafkaBroker> {
    return Promise.resolve(this.#coordinators[nodeId].broker);
  }

  drop(): void {
    this.drops++;
  }

  unreachable(cause: unknown, ms: number): Error {
    return new Error(`no broker in reach at fake:1 within ${ms} ms`, { cause });
  }

  backoff() {
    return {
      answerTo: <R>(request: Promise<R>) => request,
      over: () => {},
      giveUp: () => {},
      pause: () => Promise.resolve(this.onPause()),
    };
  }
}
