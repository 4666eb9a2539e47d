/** Processor time of items in a group, beside the same without what a group does. */
import { folderOf } from "../../tests/support/cli.ts";
import {
  inGroup,
  Machine,
  ORDERS,
  orders,
  PARTITIONS,
  settled,
  SHARDS,
  startInGroup,
  type Topics,
} from "../group_support.ts";

const WORDCOUNT = "examples/kafka_wordcount.ts";
const WORDS = 20;
const LINES = 100_000;
const RECORDS = 100_000;

/** What a machine is to do, after half of it to warm up. */
interface Work {
  readonly from: string;
  readonly to: string;
  /** How many records it reads. */
  readonly count: number;
  readonly record: (i: number) => { readonly value: string };
  /** How many results and items each of them has. */
  readonly results: number;
  readonly items: number;
}

/** Prints what an exchange takes for each item. */
export async function measureExchange(topics: Topics): Promise<void> {
  const timeOf = async (kind: string, tasks: number) => {
    const [from, to] = [await topics.make(), await topics.make()];
    const app = `app-${to}`;
    await using folder = await folderOf({});
    await using machine = startInGroup({ app, topics, kind, from, to }, folder.path);
    await settled(app, topics, { members: 1, tasks });
    const work = { from, to, count: RECORDS, record: orders, results: 1, items: ORDERS };
    return await timed(topics, machine, work);
  };
  const without = await timeOf("stay", PARTITIONS);
  const through = await timeOf("hop", PARTITIONS + SHARDS);
  console.log(`\nan exchange, ${RECORDS * ORDERS} orders, processor time of each`);
  console.log(`  without it ${without.toFixed(2)} µs, with it ${through.toFixed(2)} µs`);
  console.log(`  the exchange ${(through - without).toFixed(2)} µs`);
}

/** Prints what a light flow takes for each word, beside one machine without a group. */
export async function measureWordcount(topics: Topics): Promise<void> {
  const timeOf = async (start: (flowArgs: readonly string[]) => Promise<Machine>) => {
    const [from, to] = [await topics.make(), await topics.make()];
    await using machine = await start([topics.brokers[0], from, to]);
    const work = { from, to, count: LINES, record: line, results: WORDS, items: WORDS };
    return await timed(topics, machine, work);
  };
  await using folder = await folderOf({});
  const alone = (options: readonly string[]) =>
    timeOf(async (flowArgs) => {
      const machine = new Machine([
        WORDCOUNT,
        ...["-w1", "--log-level=info", ...options],
        ...["--", ...flowArgs],
      ]);
      await machine.logs(/flow running/);
      return machine;
    });
  const one = await alone([]);
  const kept = await alone([`--recovery=${folder.path}/state.db`, "--epoch-interval=1s"]);
  const grouped = await timeOf(async (flowArgs) => {
    const app = `app-${crypto.randomUUID()}`;
    const machine = new Machine([
      WORDCOUNT,
      ...inGroup(app, `${folder.path}/group`, []),
      "--",
      ...flowArgs,
    ]);
    await settled(app, topics, { members: 1, tasks: PARTITIONS + SHARDS });
    return machine;
  });
  console.log(`\n${WORDCOUNT}, one worker, ${LINES * WORDS} words, processor time of each`);
  console.log(`  one machine                  ${one.toFixed(2)} µs`);
  console.log(`  one machine with --recovery  ${kept.toFixed(2)} µs`);
  console.log(`  a group of one               ${grouped.toFixed(2)} µs`);
  const ratios = [one, kept].map((base) => (grouped / base).toFixed(2));
  console.log(`  ratios of the group          ${ratios.join(" and ")}`);
}

/** Returns the processor time of an item, in microseconds. */
async function timed(
  topics: Topics,
  machine: Machine,
  { from, to, count, record, results, items }: Work,
): Promise<number> {
  const run = async (records: number) => {
    const end = await topics.endOf(to);
    const held = await topics.hold(from, records, record);
    const before = machine.cpu;
    await held.release();
    await topics.untilWritten(to, end + records * results);
    return machine.cpu - before;
  };
  await run(count / 2);
  return await run(count) / (count * items) * 1e6;
}

function line(n: number): { readonly value: string } {
  const words = Array.from({ length: WORDS }, (_, i) => word((n * WORDS + i) * 7_919 % 5_000));
  return { value: words.join(" ") };
}

/** A word of letters only. */
function word(n: number): string {
  return n.toString(26).replace(/\d/g, (digit) => "qrstuvwxyz"[Number(digit)]);
}
