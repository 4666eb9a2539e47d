/** Groups of both protocols in memory, for as many machines as a test likes. */
import {
  ClassicMachine,
  type ClassicRequest,
} from "../../../../src/connectors/kafka/group/classic_machine.ts";
import { Members } from "../../../../src/connectors/kafka/group/members.ts";
import {
  StreamsMachine,
  type StreamsRequest,
} from "../../../../src/connectors/kafka/group/streams_machine.ts";
import { wakeAfter } from "../../../../src/core/clock.ts";
import { type TaskId, taskId } from "../../../../src/core/task_id.ts";
import { MemoryBoard } from "../../group/memory_board.ts";
import type { MakeWorld } from "../../group/scene.ts";
import { TestClock } from "../../clock/test_clock.ts";
import { FakeClassicGroup } from "./fake_classic_group.ts";
import { FakeNetwork } from "./fake_network.ts";
import { FakeStreamsGroup } from "./fake_streams_group.ts";

const STREAMS_SESSION_MS = 10_000;

/** Waits for an answer as a connection does, for some time. */
async function within(clock: TestClock, answer: Promise<void>, ms: number): Promise<void> {
  const late = Promise.withResolvers<void>();
  const cancel = wakeAfter(clock, ms, () => late.reject(new Error("no answer")));
  await Promise.race([answer, late.promise]).finally(cancel);
}
const CLASSIC = { sessionTimeoutMs: 6_000, heartbeatMs: 250, scoutMs: 1_000 };

/** How many tasks each sub-topology has, by its name. */
export type TaskCounts = Readonly<Record<string, number>>;

function tasksOf(counts: TaskCounts) {
  return Object.entries(counts).flatMap(([name, count]) =>
    Array.from({ length: count }, (_, partition) => taskId(name, partition))
  );
}

/**
 * A streams group with these tasks.
 *
 * @param handOverMs How long tasks run on until their takers have read their states, in
 * milliseconds.
 */
export function streamsWorld(counts: TaskCounts, handOverMs = 0): MakeWorld {
  return (random) => {
    const clock = new TestClock();
    const network = new FakeNetwork(clock, random);
    const tasks = tasksOf(counts);
    const group = new FakeStreamsGroup(clock, tasks, STREAMS_SESSION_MS);
    const board = new MemoryBoard();
    const boardLink = network.link(() => Promise.resolve());
    board.turn = () => within(clock, boardLink.send(null), 2_000);
    return {
      network,
      tasks,
      // Members may have to give up tasks once more before they are given the last.
      settlesMs: 2 * STREAMS_SESSION_MS + 3 * handOverMs,
      ...handOverMs === 0 ? {} : { handOver: { board, waitMs: handOverMs } },
      machine: (name, isCut) =>
        new Members({
          sessionTimeoutMs: STREAMS_SESSION_MS,
          machineFor: ({ id }) =>
            new StreamsMachine({
              groupId: "group",
              memberId: id,
              processId: name,
              topology: { epoch: 0, subtopologies: [] },
              sessionTimeoutMs: STREAMS_SESSION_MS,
              rebalanceTimeoutMs: STREAMS_SESSION_MS + handOverMs,
              awaits: handOverMs > 0,
              heartbeatMs: 200,
              scoutMs: 1_000,
              requestTimeoutMs: 2_000,
            }),
          linkFor: () => network.link((request: StreamsRequest) => group.answer(request), isCut),
          clock,
        }),
      commit: ({ memberId, epoch }, tasks) => group.commit(memberId, epoch, tasks),
    };
  };
}

/** How a classic group is made. */
export interface ClassicWorldOptions {
  /** Whether its tasks have states, which machines keep on their disks. */
  readonly keepsCopies?: boolean;
  readonly standbys?: number;
}

/** A classic group with these tasks. */
export function classicWorld(
  counts: TaskCounts,
  { keepsCopies = false, standbys = 0 }: ClassicWorldOptions = {},
): MakeWorld {
  return (random) => {
    const clock = new TestClock();
    const network = new FakeNetwork(clock, random);
    const topicOf = (name: string) => `${name}-topic`;
    const partitions = Object.entries(counts).map(([name, count]) =>
      [topicOf(name), count] as const
    );
    const group = new FakeClassicGroup(clock, new Map(partitions), {
      sessionTimeoutMs: CLASSIC.sessionTimeoutMs,
      rebalanceTimeoutMs: CLASSIC.sessionTimeoutMs,
    });
    const topology = {
      epoch: 0,
      subtopologies: Object.keys(counts).map((name) => ({
        subtopologyId: name,
        sourceTopics: [topicOf(name)],
        changelogTopics: keepsCopies
          ? [{ name: `${name}-state`, partitions: 0, replicationFactor: 0, configs: [] }]
          : [],
        repartitionSinkTopics: [],
        repartitionSourceTopics: [],
      })),
    };
    const disks = new Map<string, Map<TaskId, number>>();
    const disk = (machine: string) => {
      if (!disks.has(machine)) disks.set(machine, new Map());
      return disks.get(machine)!;
    };
    return {
      network,
      tasks: tasksOf(counts),
      ...keepsCopies ? { disk } : {},
      generation: () => group.generation,
      settlesMs: 4 * CLASSIC.sessionTimeoutMs,
      machine: (machine, isCut) =>
        new Members({
          sessionTimeoutMs: CLASSIC.sessionTimeoutMs,
          machineFor: ({ id, onDisk }) =>
            new ClassicMachine({
              ...CLASSIC,
              groupId: "group",
              instanceId: id,
              topology,
              requestTimeoutMs: 1_500,
              topicCheckMs: 1_000,
              onDisk: onDisk ?? (() => new Map()),
              keepsCopies: onDisk !== undefined,
              standbysWanted: standbys,
            }),
          linkFor: ({ id }) =>
            network.link(
              (request: ClassicRequest) =>
                group.answer(
                  id,
                  request.kind !== "join"
                    ? request
                    : { ...request, claim: { ...request.claim, processId: machine } },
                ),
              isCut,
            ),
          clock,
        }),
      commit: ({ memberId, epoch }) => group.commit(memberId, epoch),
    };
  };
}
