/** How soon tasks have another owner, once the old one is told to give them up. */
import { openMembership } from "../../src/connectors/kafka/group/open_membership.ts";
import { readOutputProperties } from "../../src/connectors/kafka/properties/output_settings.ts";
import type { Member, MembershipEvent } from "../../src/group/membership.ts";
import { PARTITIONS, type Topics } from "../group_support.ts";
import { median } from "../support.ts";

const ROUNDS = 10;

/** Prints the times of both protocols. Members give tasks up at once: there are no commits. */
export async function measureRebalance(topics: Topics): Promise<void> {
  console.log(`\n${PARTITIONS} tasks, and a second member that comes and goes ${ROUNDS} times`);
  for (const protocol of ["streams", "classic"] as const) {
    const times = (await measure(topics, protocol)).map(Math.round).sort((a, b) => a - b);
    console.log(
      `  ${protocol}: told to give up until another has it: ${median(times)} ms ` +
        `(${times[0]} to ${times.at(-1)})`,
    );
  }
}

/** Returns how long each task had no owner, in milliseconds. */
async function measure(topics: Topics, protocol: "streams" | "classic"): Promise<number[]> {
  const topic = await topics.make();
  const groupId = `group-${topic}`;
  const ended = new AbortController();
  const subtopology = {
    subtopologyId: "in",
    sourceTopics: [topic],
    changelogTopics: [],
    repartitionSinkTopics: [],
    repartitionSourceTopics: [],
  };
  const open = () =>
    openMembership({
      brokers: topics.brokers,
      settings: readOutputProperties(),
      signal: ended.signal,
      groupId,
      processId: crypto.randomUUID(),
      topology: { epoch: 0, subtopologies: [subtopology] },
    }, protocol);
  const [stays, comes] = [await open(), await open()];
  const told = new Map<string, number>();
  const times: number[] = [];
  let changed = Promise.withResolvers<void>();
  const listen = (of: () => Member) => (event: MembershipEvent) => {
    if (event.kind === "failed") throw event.error;
    if (event.kind === "revoke") {
      for (const task of event.tasks) told.set(task, performance.now());
      // The member is not there yet while it is told its first event.
      queueMicrotask(() => of().acknowledge(of().owned.difference(event.tasks)));
    }
    if (event.kind === "assigned") {
      for (const task of event.tasks) {
        if (told.has(task)) times.push(performance.now() - told.get(task)!);
        told.delete(task);
      }
    }
    changed.resolve();
    changed = Promise.withResolvers();
  };
  const until = async (holds: () => boolean) => {
    while (!holds()) await changed.promise;
  };
  const first: Member = stays.join({ id: crypto.randomUUID(), onEvent: listen(() => first) });
  for (let round = 0; round < ROUNDS; round++) {
    await until(() => first.owned.size === PARTITIONS);
    const second: Member = comes.join({ id: crypto.randomUUID(), onEvent: listen(() => second) });
    await until(() => second.owned.size === PARTITIONS / 2);
    await second.leave();
  }
  await Promise.all([stays.close(), comes.close()]);
  ended.abort();
  return times;
}
