/** Backlogs of several partitions, which differ in how much they have, and from when. */
import type { GroupRun } from "./group_run.ts";
import type { TimedFlow } from "./timed_flows.ts";
import { LENGTH_MS, type Timed, WAIT_MS } from "./timed_flows.ts";
import type { Random } from "../values/random.ts";

const KEYS = ["a1", "a2", "b1", "b2", "c1"];

/** All partitions end here, in milliseconds since the Unix epoch. */
const END = 45_000;

/** They begin before this. */
const LAST_START = 10_000;

/** No value of a partition is younger by more than the one before. */
const LONGEST_GAP = 300;

/**
 * Values are either at most `WAIT_MS` out of order within their partition, or by more than this. So
 * all machines must agree which are late, wherever they stop to read one partition.
 */
const SURELY_LATE = 12 * LENGTH_MS;

/** A value, and how far its partition is with it. */
interface Row {
  readonly topic: string;
  readonly partition: number;
  readonly key: string;
  readonly at: number;
  readonly reached: number;
}

/**
 * Adds values to the topics of a flow, before anybody reads them. One machine reads them in the
 * order of time, once it has had the first of each partition.
 */
export function addBacklogs(run: GroupRun, { topics }: TimedFlow, random: Random): void {
  const rows = Object.entries(topics).flatMap(([topic, partitions]) =>
    Array.from({ length: partitions }, (_, partition) => rowsOf(topic, partition, random))
  );
  const merged = [
    ...rows.flatMap((each) => each.slice(0, 1)),
    ...rows.flatMap((each) => each.slice(1)).sort((a, b) => a.reached - b.reached),
  ];
  merged.forEach(({ topic, partition, key, at }, n) => {
    run.group.topics.append(topic, partition, [key, { at, n } satisfies Timed]);
  });
}

function rowsOf(topic: string, partition: number, random: Random): Row[] {
  const rows: Row[] = [];
  const gap = random.pick([80, 150, LONGEST_GAP]);
  let reached = -Infinity;
  for (let time = random.below(LAST_START); time < END; time += 1 + random.below(gap)) {
    const isOld = time > LAST_START + SURELY_LATE && random.below(12) === 0;
    const at = time - (isOld ? SURELY_LATE + random.below(SURELY_LATE / 2) : random.below(WAIT_MS));
    reached = Math.max(reached, at);
    rows.push({ topic, partition, key: random.pick(KEYS), at, reached });
  }
  rows.push({ topic, partition, key: random.pick(KEYS), at: END, reached: END });
  return rows;
}
