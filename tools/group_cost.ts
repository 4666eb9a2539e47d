/**
 * What a group of machines costs its brokers, computed from the protocol as it is built:
 * `deno run -A tools/group_cost.ts [NODES...]`. It prints the table of
 * `docs/scaling.md`.
 *
 * The flow has inputs from Kafka, one keyed step with state, and one output to Kafka. All workers
 * are busy: each commits in each interval, and has items for each shard.
 */
import { KEY_GROUPS } from "../src/core/key_groups.ts";

/** A group. */
export interface GroupSize {
  readonly nodes: number;
  /** Members of each node. */
  readonly workers: number;
  readonly brokers: number;
  /** Partitions of the inputs; the output has as many. */
  readonly partitions: number;
  readonly shards: number;
  readonly commitMs: number;
}

/** What it costs all brokers together. Rates are for a second. */
export interface GroupCost {
  readonly members: number;
  readonly topics: number;
  readonly internalPartitions: number;
  readonly heartbeats: number;
  /** The same, if each member asked every 200 ms. */
  readonly heartbeatsUnpaced: number;
  readonly transactions: number;
  /** Requests of transactions: AddPartitionsToTxn, AddOffsetsToTxn, TxnOffsetCommit, EndTxn. */
  readonly transactionRequests: number;
  readonly produceRequests: number;
  /** Long polls, each of which ends by its timeout. */
  readonly fetchRequests: number;
  readonly shuffleRecords: number;
  /** Partitions of transactions: each has a batch of records and a marker. */
  readonly markers: number;
  readonly markerBytes: number;
  /** What commits write to `__consumer_offsets` and `__transaction_state`. */
  readonly offsetBytes: number;
  readonly transactionBytes: number;
  /** What one join writes to `__consumer_offsets`, in a streams and in a classic group. */
  readonly joinBytes: number;
  readonly classicJoinBytes: number;
}

/** Milliseconds between heartbeats, as `openMembership` and brokers have them. */
const SCOUT_MS = 1_000;
const REST_MS = 5_000;
const CHANGING_MS = 200;

/**
 * How long a broker holds a fetch that finds nothing, as `task_input.ts` and `shuffle_fetcher.ts`
 * ask for it. Each task of an input has its own fetch. A member has one for all of its shards.
 */
const INPUT_WAIT_MS = 2_000;
const SHUFFLE_WAIT_MS = 500;

// Bytes of records, with their share of a batch. A marker is a batch of its own.
const MARKER_BYTES = 78;
const OFFSET_BYTES = 130;
const BATCH_BYTES = 61;
/** A member's current assignment; each task adds to it. */
const ASSIGNMENT_BYTES = 140;
const TASK_BYTES = 4;
/** A member of a classic group: its ids, subscription and assignment; each task adds to it. */
const CLASSIC_MEMBER_BYTES = 450;
const CLASSIC_TASK_BYTES = 60;
/** A transaction's state is written three times, two of them with its partitions. */
const TRANSACTION_BYTES = 3 * 150;

/** Computes the cost of a group. */
export function groupCost(size: GroupSize): GroupCost {
  const { nodes, workers, brokers, partitions, shards, commitMs } = size;
  const members = nodes * workers;
  const perSecond = 1_000 / commitMs;
  const readers = Math.min(members, partitions); // members with a task that reads
  const keyed = Math.min(members, shards); // members with a task that has state
  const busy = Math.max(readers, keyed);
  const transactions = busy * perSecond;
  const shuffleRecords = readers * shards * perSecond;
  // A keyed task writes to its changelog and its output; every commit, to the group's offsets.
  const markers = shuffleRecords + (shards + Math.max(shards, partitions)) * perSecond +
    transactions;
  const listed = markers / transactions;
  const tasks = partitions + shards;
  return {
    members,
    topics: 3,
    internalPartitions: 2 * shards + 1,
    heartbeats: nodes * 1_000 / SCOUT_MS + (members - nodes) * 1_000 / REST_MS,
    heartbeatsUnpaced: members * 1_000 / CHANGING_MS,
    transactions,
    transactionRequests: 4 * transactions,
    produceRequests: transactions * brokers,
    fetchRequests: partitions * 1_000 / INPUT_WAIT_MS + brokers * keyed * 1_000 / SHUFFLE_WAIT_MS,
    shuffleRecords,
    markers,
    markerBytes: markers * MARKER_BYTES,
    offsetBytes: tasks * OFFSET_BYTES * perSecond + transactions * (BATCH_BYTES + MARKER_BYTES),
    transactionBytes: transactions * (TRANSACTION_BYTES + 2 * 4 * listed),
    joinBytes: members * ASSIGNMENT_BYTES + tasks * TASK_BYTES,
    classicJoinBytes: members * CLASSIC_MEMBER_BYTES + tasks * CLASSIC_TASK_BYTES,
  };
}

/** What a core of a broker bears in a second, as `bench/kafka_group_*.ts` measured. */
export const BEARS = { heartbeats: 4_200, markers: 9_000 };

/** A broker writes a classic group as one record. It must not be larger, by its default. */
export const LARGEST_RECORD = 1 << 20;

/** The size of a group of this many nodes: a shard for each worker, as far as there are any. */
export function usualSize(nodes: number): GroupSize {
  const workers = 4;
  const wanted = 2 ** Math.ceil(Math.log2(nodes * workers));
  const shards = Math.min(KEY_GROUPS, Math.max(64, wanted));
  return { nodes, workers, brokers: 3, partitions: shards, shards, commitMs: 1_000 };
}

function count(value: number): string {
  if (value >= 1e6) return `${(value / 1e6).toPrecision(3)} M`;
  if (value >= 1e4) return `${(value / 1e3).toPrecision(3)} k`;
  return Math.round(value).toLocaleString("en");
}

if (import.meta.main) {
  const nodes = Deno.args.length > 0 ? Deno.args.map(Number) : [10, 100, 1_000];
  const sizes = nodes.map(usualSize);
  const costs = sizes.map(groupCost);
  const row = (name: string, of: (cost: GroupCost, size: GroupSize) => number, unit = "") =>
    console.log(
      `| ${name} | ${costs.map((cost, n) => `${count(of(cost, sizes[n]))}${unit}`).join(" | ")} |`,
    );
  console.log(`| nodes | ${nodes.join(" | ")} |\n| --- |${" --- |".repeat(nodes.length)}`);
  row("workers: members", ({ members }) => members);
  row("shards, and partitions of the input", (_, { shards }) => shards);
  row("internal topics", ({ topics }) => topics);
  row("their partitions", ({ internalPartitions }) => internalPartitions);
  row("heartbeats/s", ({ heartbeats }) => heartbeats);
  row("the same, at 200 ms for each", ({ heartbeatsUnpaced }) => heartbeatsUnpaced);
  row("transactions/s", ({ transactions }) => transactions);
  row("their requests/s", ({ transactionRequests }) => transactionRequests);
  row("Produce requests/s", ({ produceRequests }) => produceRequests);
  row("Fetch requests/s, at least", ({ fetchRequests }) => fetchRequests);
  row("shuffle records/s", ({ shuffleRecords }) => shuffleRecords);
  row("markers/s", ({ markers }) => markers);
  row("cores of brokers for those", ({ markers }) => markers / BEARS.markers);
  row("markers, bytes/s", ({ markerBytes }) => markerBytes);
  row("`__consumer_offsets`, bytes/s", ({ offsetBytes }) => offsetBytes);
  row("`__transaction_state`, bytes/s", ({ transactionBytes }) => transactionBytes);
  row("bytes of a join, streams", ({ joinBytes }) => joinBytes);
  row("bytes of a join, classic", ({ classicJoinBytes }) => classicJoinBytes);
}
