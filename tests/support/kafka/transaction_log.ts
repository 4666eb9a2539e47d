/**
 * Kafka's side of transactions: a coordinator and the partitions of one topic, in memory.
 *
 * It does what Apache Kafka 4.3.1 does with the old protocol, as far as an output can tell. A
 * commit that is repeated succeeds until the id is used again. So it also commits a next
 * transaction that has the same identity.
 */
import { type Buffer, Buffer as NodeBuffer } from "node:buffer";
import { readBatches } from "../../../src/connectors/kafka/wire/read_batch.ts";
import { RecordCursor } from "../../../src/connectors/kafka/wire/record_cursor.ts";
import { WireReader, WireWriter } from "../../../src/connectors/kafka/wire/wire.ts";
import {
  type ApiName,
  coordinatorAnswer,
  FAKE_TOPIC,
  FakeBroker,
  type FakeRequest,
} from "./fake_broker.ts";

/** Codes of errors. */
export const CODE = {
  loading: 14,
  outOfOrder: 45,
  fencedOld: 47,
  wrongState: 48,
  unknownId: 49,
  timeoutTooLong: 50,
  busy: 51,
  fenced: 90,
  unknownDescribed: 105,
} as const;

interface Batch {
  readonly producerId: bigint;
  readonly values: readonly string[];
  state: "open" | "committed" | "aborted";
}

interface Id {
  producerId: bigint;
  epoch: number;
  timeoutMs: number;
  state: "Empty" | "Ongoing" | "CompleteCommit" | "CompleteAbort";
  /** Whether the next request to acquire it is told to wait. */
  isBusy: boolean;
  readonly added: Set<number>;
}

/** What happens to a request: answered, carried out without an answer, or lost on its way. */
export type Fate = "answered" | "unanswered" | "lost";

const VERSIONS = {
  Produce: [3, 7],
  FindCoordinator: [0, 2],
  InitProducerId: [0, 4],
  AddPartitionsToTxn: [0, 3],
  AddOffsetsToTxn: [0, 2],
  EndTxn: [0, 3],
  TxnOffsetCommit: [0, 2],
  DescribeTransactions: [0, 0],
} as const;

/** A cluster's transactions, which outlive the brokers that serve them. */
export class TransactionLog {
  /** What was carried out, such as `EndTxn commit out.1`. */
  readonly calls: string[] = [];
  /** The longest timeout that may be asked for, in milliseconds. */
  longestTimeoutMs = 900_000;
  /** Waits before a group is added to a transaction. */
  beforeGroup: () => Promise<void> | void = () => {};
  /** Waits before a Produce request is carried out. */
  beforeProduce: () => Promise<void> | void = () => {};
  readonly #partitions: Batch[][];
  readonly #ids = new Map<string, Id>();
  readonly #sequences = new Map<string, number>();
  readonly #codes: { api: ApiName; code: number }[] = [];
  #nextProducer = 1n;

  constructor(partitions = 2) {
    this.#partitions = Array.from({ length: partitions }, () => []);
  }

  /** Answers the next request of this kind with an error code, and does not carry it out. */
  refuse(api: ApiName, ...codes: number[]): void {
    for (const code of codes) this.#codes.push({ api, code });
  }

  /** What readers of committed records get, by partition. They wait for what is open. */
  get visible(): string[][] {
    return this.#partitions.map((batches) => {
      const open = batches.findIndex(({ state }) => state === "open");
      return batches.slice(0, open < 0 ? undefined : open)
        .filter(({ state }) => state === "committed").flatMap(({ values }) => values);
    });
  }

  /** The ids with an open transaction. */
  get open(): string[] {
    return [...this.#ids].filter(([, { state }]) => state === "Ongoing").map(([id]) => id).sort();
  }

  /** What was written in transactions that are open, whether or not readers can see it. */
  get pending(): string[] {
    return this.#partitions.flat().filter(({ state }) => state === "open")
      .flatMap(({ values }) => values);
  }

  /** All ids that were ever acquired. */
  get ids(): string[] {
    return [...this.#ids.keys()].sort();
  }

  /** The broker aborts all open transactions, as after their timeouts. */
  timeOut(): void {
    for (const id of this.#ids.values()) {
      if (id.state !== "Ongoing") continue;
      this.#end(id, "aborted");
      id.epoch++;
    }
  }

  /** The broker forgets ids, as after a week. */
  forget(): void {
    this.#ids.clear();
  }

  /** A broker of the cluster. `fateOf` decides what happens to each request of transactions. */
  broker(fateOf: (request: FakeRequest) => Fate = () => "answered"): FakeBroker {
    const answer = (request: FakeRequest): Buffer | null => {
      const fate = fateOf(request);
      if (fate === "lost") return null;
      const body = this.#answer(request);
      return fate === "answered" ? body : null;
    };
    const broker: FakeBroker = new FakeBroker({
      versions: VERSIONS,
      partitions: this.#partitions.length,
      answers: {
        FindCoordinator: () => coordinatorAnswer(0, broker.port),
        Produce: async (request) => {
          await this.beforeProduce();
          return answer(request);
        },
        InitProducerId: answer,
        AddPartitionsToTxn: answer,
        AddOffsetsToTxn: async (request) => {
          await this.beforeGroup();
          return answer(request);
        },
        TxnOffsetCommit: answer,
        EndTxn: answer,
        DescribeTransactions: answer,
      },
    });
    return broker;
  }

  #answer(request: FakeRequest): Buffer {
    const { api, version, body } = request;
    const at = this.#codes.findIndex((each) => each.api === api);
    const code = at < 0 ? null : this.#codes.splice(at, 1)[0].code;
    if (api === "Produce") return this.#produce(version, body, code);
    if (api === "InitProducerId") return this.#acquire(version, body, code);
    if (api === "AddPartitionsToTxn") return this.#add(version, body, code);
    if (api === "EndTxn") return this.#endTxn(version, body, code);
    if (api === "AddOffsetsToTxn") return this.#addGroup(body, code);
    if (api === "TxnOffsetCommit") return this.#commitOffsets(version, body, code);
    return this.#describe(body);
  }

  #acquire(version: number, body: Buffer, refused: number | null): Buffer {
    const from = new WireReader(body, version >= 2);
    const name = from.string();
    const timeoutMs = from.int32();
    const continues = version >= 3 ? { producerId: from.int64(), epoch: from.int16() } : null;
    const id = name === null ? null : this.#ids.get(name) ?? null;
    let code = refused ?? 0;
    if (code === 0 && timeoutMs > this.longestTimeoutMs) code = CODE.timeoutTooLong;
    if (code === 0 && id !== null) {
      const isNewer = continues !== null && continues.producerId >= 0n &&
        (continues.producerId !== id.producerId || continues.epoch !== id.epoch);
      if (isNewer) code = CODE.fenced;
      else if (id.state === "Ongoing") {
        this.#end(id, "aborted");
        id.epoch++;
        id.isBusy = true;
      }
      if (id.isBusy) code ||= CODE.busy;
      id.isBusy = false;
    }
    let identity = { producerId: -1n, epoch: -1 };
    if (code === 0) {
      identity = {
        producerId: id?.producerId ?? this.#nextProducer++,
        epoch: (id?.epoch ?? -1) + 1,
      };
      if (name !== null) {
        this.#ids.set(name, {
          ...identity,
          timeoutMs,
          state: "Empty",
          isBusy: false,
          added: new Set(),
        });
        this.calls.push(`acquire ${name}`);
      }
    }
    const out = new WireWriter(version >= 2);
    out.int32(0);
    out.int16(code);
    out.int64(identity.producerId);
    out.int16(identity.epoch);
    out.tags();
    return out.written;
  }

  #add(version: number, body: Buffer, refused: number | null): Buffer {
    const from = new WireReader(body, version >= 3);
    const name = from.string()!;
    const identity = { producerId: from.int64(), epoch: from.int16() };
    const topics = from.array(() => {
      const topic = from.string()!;
      const partitions = from.array(() => from.int32());
      from.tags();
      return { topic, partitions };
    });
    const code = refused ?? this.#problemWith(name, identity);
    if (code === 0) {
      const id = this.#ids.get(name)!;
      if (id.state !== "Ongoing") this.calls.push(`begin ${name}`);
      id.state = "Ongoing";
      for (const partition of topics.flatMap(({ partitions }) => partitions)) {
        id.added.add(partition);
      }
    }
    const out = new WireWriter(version >= 3);
    out.int32(0);
    out.array(topics, ({ topic, partitions }) => {
      out.string(topic);
      out.array(partitions, (partition) => {
        out.int32(partition);
        out.int16(code);
        out.tags();
      });
      out.tags();
    });
    out.tags();
    return out.written;
  }

  #addGroup(body: Buffer, refused: number | null): Buffer {
    const from = new WireReader(body, false);
    const name = from.string()!;
    const code = refused ??
      this.#problemWith(name, { producerId: from.int64(), epoch: from.int16() });
    if (code === 0) {
      this.#ids.get(name)!.state = "Ongoing";
      this.calls.push(`add group ${name}`);
    }
    const out = new WireWriter(false);
    out.int32(0);
    out.int16(code);
    return out.written;
  }

  #commitOffsets(version: number, body: Buffer, refused: number | null): Buffer {
    const from = new WireReader(body, false);
    const name = from.string()!;
    from.string(); // the group
    let code = refused ??
      this.#problemWith(name, { producerId: from.int64(), epoch: from.int16() });
    if (code === 0 && this.#ids.get(name)!.state !== "Ongoing") code = CODE.wrongState;
    if (code === 0) this.calls.push(`commit group ${name}`);
    const topics = from.array(() => {
      const topic = from.string()!;
      const partitions = from.array(() => {
        const partition = from.int32();
        from.int64(); // the offset
        if (version >= 2) from.int32(); // the leader's epoch
        from.string(); // metadata
        return partition;
      });
      return { topic, partitions };
    });
    const out = new WireWriter(false);
    out.int32(0);
    out.array(topics, ({ topic, partitions }) => {
      out.string(topic);
      out.array(partitions, (partition) => {
        out.int32(partition);
        out.int16(code);
      });
    });
    return out.written;
  }

  #endTxn(version: number, body: Buffer, refused: number | null): Buffer {
    const from = new WireReader(body, version >= 3);
    const name = from.string()!;
    const identity = { producerId: from.int64(), epoch: from.int16() };
    const how = from.boolean() ? "committed" : "aborted";
    let code = refused ?? this.#problemWith(name, identity);
    if (code === 0) {
      const id = this.#ids.get(name)!;
      const done = how === "committed" ? "CompleteCommit" : "CompleteAbort";
      if (id.state === "Ongoing") {
        this.#end(id, how);
        this.calls.push(`${how === "committed" ? "commit" : "abort"} ${name}`);
      } else if (id.state !== done) code = CODE.wrongState;
    }
    const out = new WireWriter(version >= 3);
    out.int32(0);
    out.int16(code);
    out.tags();
    return out.written;
  }

  #describe(body: Buffer): Buffer {
    const from = new WireReader(body, true);
    const asked = from.array(() => from.string()!);
    const out = new WireWriter(true);
    out.int32(0);
    out.array(asked, (name) => {
      const id = this.#ids.get(name);
      out.int16(id === undefined ? CODE.unknownDescribed : 0);
      out.string(name);
      out.string(id?.state ?? "");
      out.int32(id?.timeoutMs ?? 0);
      out.int64(-1n);
      out.int64(id?.producerId ?? -1n);
      out.int16(id?.epoch ?? -1);
      out.array([], () => {});
      out.tags();
    });
    out.tags();
    return out.written;
  }

  #produce(version: number, body: Buffer, refused: number | null): Buffer {
    const from = new WireReader(body, false);
    const name = from.string();
    from.int16(); // acks
    from.int32(); // the time-out
    const batches = from.array(() => {
      from.string(); // the topic
      return from.array(() => ({ partition: from.int32(), bytes: NodeBuffer.from(from.bytes()) }));
    }).flat();
    const out = new WireWriter(false);
    out.array([FAKE_TOPIC], (topic) => {
      out.string(topic);
      out.array(batches, ({ partition, bytes }) => {
        out.int32(partition);
        out.int16(refused ?? this.#append(name, partition, bytes));
        out.int64(0n);
        out.int64(-1n);
        if (version >= 5) out.int64(0n);
      });
    });
    out.int32(0);
    return out.written;
  }

  #append(name: string | null, partition: number, bytes: Buffer): number {
    const producerId = bytes.readBigInt64BE(43);
    const epoch = bytes.readInt16BE(51);
    const sequence = bytes.readInt32BE(53);
    if (name !== null) {
      const id = this.#ids.get(name);
      if (this.#problemWith(name, { producerId, epoch }) !== 0) return CODE.fencedOld;
      if (id?.state !== "Ongoing" || !id.added.has(partition)) return CODE.wrongState;
    }
    const [batch] = readBatches(bytes, true);
    const producer = `${partition} ${producerId} ${epoch}`;
    const next = this.#sequences.get(producer) ?? 0;
    if (sequence > next) return CODE.outOfOrder;
    if (sequence < next) return 0; // it is there already
    this.#sequences.set(producer, next + batch.count);
    const cursor = new RecordCursor(batch, batch.records, false);
    const values: string[] = [];
    while (!cursor.done) values.push(new TextDecoder().decode(cursor.read().value!));
    const state = name === null ? "committed" : "open";
    this.#partitions[partition].push({ producerId, values, state });
    return 0;
  }

  #problemWith(name: string, of: { readonly producerId: bigint; readonly epoch: number }): number {
    const id = this.#ids.get(name);
    if (id === undefined || id.producerId !== of.producerId) return CODE.unknownId;
    return id.epoch === of.epoch ? 0 : CODE.fenced;
  }

  #end(id: Id, how: "committed" | "aborted"): void {
    for (const batch of this.#partitions.flat()) {
      if (batch.producerId === id.producerId && batch.state === "open") batch.state = how;
    }
    id.state = how === "committed" ? "CompleteCommit" : "CompleteAbort";
    id.added.clear();
  }
}
