/** How soon a machine that was stopped writes again, with a million keys on its disk. */
import { folderOf } from "../../tests/support/cli.ts";
import { produce } from "../../tests/support/kafka/kafka.ts";
import { ORDERS, startInGroup, type Topics } from "../group_support.ts";
import { median } from "../support.ts";

const KEYS = 1_000_000;
const ROUNDS = 4;

/** Prints the time from the command to its first results. */
export async function measureRestart(topics: Topics): Promise<void> {
  const from = await topics.full(KEYS / ORDERS, orderOfEach);
  const to = await topics.make();
  await using folder = await folderOf({});
  const flow = { app: `app-${to}`, topics, kind: "count", from, to };
  const start = () => startInGroup(flow, folder.path);
  {
    await using machine = start();
    await topics.untilWritten(to, KEYS);
    await machine.stop();
  }
  const times: number[] = [];
  for (let round = 0; round < ROUNDS; round++) {
    const before = await topics.endOf(to);
    await produce(topics.brokers, from, [orderOfEach(round)]);
    await using machine = start();
    times.push(await topics.untilMore(to, before) - machine.startedAt);
    await topics.untilWritten(to, before + ORDERS);
    await machine.stop();
  }
  const all = times.map((ms) => (ms / 1_000).toFixed(1)).join(", ");
  console.log(`\nrestart on the same disk with ${KEYS} keys, commits of 1 s`);
  console.log(`  first results after ${(median(times) / 1_000).toFixed(1)} s  (${all})`);
}

/** A record with orders of users that nobody else has. */
function orderOfEach(record: number): { readonly value: string } {
  const value = Array.from({ length: ORDERS }, (_, i) => {
    const id = record * ORDERS + i;
    return { id, user: `user-${String(id).padStart(8, "0")}`, amount: id % 400 / 4 };
  });
  return { value: JSON.stringify(value) };
}
