/** A fake broker whose topic has records, for inputs that read them to the end. */
import { Buffer } from "node:buffer";
import { WireReader, WireWriter } from "../../../src/connectors/kafka/wire/wire.ts";
import { FAKE_TOPIC, FakeBroker, type FakeBrokerOptions, type FakeRequest } from "./fake_broker.ts";
import { storedBytes } from "./wire_bytes.ts";

/** What a partition has. */
export interface FakePartition {
  /** The values of its records, from offset 0. */
  readonly values: readonly string[];
  /** From this offset on, a fetch is answered with this error of the protocol. */
  readonly failure?: { readonly offset: number; readonly code: number };
}

/** The records of a batch; a fetch is answered with one batch for each partition. */
const BATCH_RECORDS = 4;

/** How long a fetch waits if there is nothing. */
const EMPTY_MS = 20;

/** How a ListOffsets request writes a partition's first offset. */
const FIRST = -2n;

/** Starts a broker with these partitions. A test may add some to the array later. */
export function fakeLog(
  partitions: readonly FakePartition[],
  options: Pick<FakeBrokerOptions, "knowsTopic"> = {},
): FakeBroker {
  return new FakeBroker({
    ...options,
    versions: { ListOffsets: [2, 2], Fetch: [4, 4] },
    get partitions() {
      return partitions.length;
    },
    answers: {
      ListOffsets: (request) => listed(request, partitions),
      Fetch: (request) => fetched(request, partitions),
    },
  });
}

function listed({ body }: FakeRequest, partitions: readonly FakePartition[]): Buffer {
  const from = new WireReader(body, false);
  from.int32(); // the replica
  from.boolean(); // the isolation level
  const topics = from.array(() => {
    const topic = from.string();
    return { topic, asked: from.array(() => ({ id: from.int32(), time: from.int64() })) };
  });
  const out = new WireWriter(false);
  out.int32(0);
  out.array(topics, ({ topic, asked }) => {
    out.string(topic);
    out.array(asked, ({ id, time }) => {
      out.int32(id);
      out.int16(0);
      out.int64(-1n);
      out.int64(time === FIRST ? 0n : BigInt(partitions[id].values.length));
    });
  });
  return out.written;
}

async function fetched(
  { body }: FakeRequest,
  partitions: readonly FakePartition[],
): Promise<Buffer> {
  const from = new WireReader(body, false);
  for (let i = 0; i < 4; i++) from.int32(); // the replica and the limits
  from.boolean(); // the isolation level
  const asked = from.array(() => {
    from.string();
    return from.array(() => {
      const id = from.int32();
      const offset = Number(from.int64());
      from.int32();
      return { id, offset };
    });
  }).flat();
  const answers = asked.map(({ id, offset }) => answerOf(id, offset, partitions[id]));
  if (answers.every(({ code, records }) => code === 0 && records.length === 0)) {
    await new Promise((resolve) => setTimeout(resolve, EMPTY_MS));
  }
  const out = new WireWriter(false);
  out.int32(0);
  out.array([FAKE_TOPIC], (topic) => {
    out.string(topic);
    out.array(answers, ({ id, code, end, records }) => {
      out.int32(id);
      out.int16(code);
      out.int64(end);
      out.int64(end);
      out.int32(0); // no aborted transactions
      out.int32(records.length);
      for (let i = 0; i < records.length; i++) out.int8(records.readInt8(i));
    });
  });
  return out.written;
}

function answerOf(id: number, offset: number, { values, failure }: FakePartition) {
  const end = BigInt(values.length);
  const code = failure !== undefined && offset >= failure.offset ? failure.code : 0;
  if (code !== 0 || offset >= values.length) return { id, code, end, records: Buffer.alloc(0) };
  // A broker sends whole batches, also the records before the offset.
  const first = offset - offset % BATCH_RECORDS;
  const records = values.slice(first, first + BATCH_RECORDS).map((value) => ({
    key: null,
    value: Buffer.from(value),
    headers: [],
    timestamp: 1_700_000_000_000,
  }));
  return { id, code, end, records: storedBytes(BigInt(first), records) };
}
