/**
 * The rows of a campaign: what is done to groups on real brokers. Each has a name that begins with
 * a number, T1 to T14; `group_campaign.ts` runs them.
 */
import { UsageError } from "../../src/core/errors.ts";
import type { Play } from "../support/group_nodes/test_protocols.ts";
import { bounceBrokers } from "./group_brokers.ts";
import { blockStep, churn, comeAndGo, growInput } from "./group_changes.ts";
import {
  killAgain,
  killNode,
  killNodeWithCopies,
  killWorkers,
  restartInTurn,
  restartSwapped,
} from "./group_kills.ts";
import { LOSSES, startAfter } from "./group_losses.ts";
import {
  COMMITTING,
  cutOff,
  loseAnswers,
  MEMBER,
  outliveTransaction,
  standStill,
  STANDSTILLS,
} from "./group_network.ts";
import { windowsWhileDead } from "./group_times.ts";

/** One of them. */
export interface Row {
  /** Its number, and a letter where a number has several. */
  readonly id: string;
  readonly what: string;
  readonly play: Play;
  /** The only protocol that has it; both by default. */
  readonly protocol?: "streams" | "classic";
}

/** How long what takes time is. */
export interface Lengths {
  /** How long nodes are away after others have taken over their tasks, in milliseconds. */
  readonly awayMs: number;
  /** How many points of a commit a node stands still at, one after the other. */
  readonly standstills: number;
  /** How long a step blocks its thread, in milliseconds. */
  readonly blocksMs: number;
  /** How long nodes come and go all the time, in milliseconds. */
  readonly churnMs: number;
}

/** As long as ten seeds of everything in both protocols take an hour. All exceed a session. */
export const SHORT: Lengths = {
  awayMs: 10_000,
  standstills: 2,
  blocksMs: 15_000,
  churnMs: 15_000,
};

/** As long as faults of machines last. */
export const FULL: Lengths = {
  awayMs: 60_000,
  standstills: STANDSTILLS.length,
  blocksMs: 60_000,
  churnMs: 5 * 60_000,
};

/** All rows. */
export function rowsOf({ awayMs, standstills, blocksMs, churnMs }: Lengths): Row[] {
  const losses = LOSSES.map((loss, n): Row => ({
    id: `T10${"abcdefghijklmnopqrstuvwxyz"[n]}`,
    what: `it has lost ${loss.what}`,
    play: (options, random) => startAfter(options, loss, random.below(2) === 0),
  }));
  return [
    {
      id: "T1a",
      what: "workers are killed five times",
      play: (options, random) => killWorkers(options, random, 5),
    },
    { id: "T1b", what: "a worker dies again before it has got on", play: killAgain },
    {
      id: "T2a",
      what: "a node is killed for good",
      play: (options, random) => killNode(options, random, { returns: false }),
    },
    {
      id: "T2b",
      what: "a node is killed and comes back",
      play: (options, random) => killNode(options, random, { returns: true }),
    },
    {
      id: "T2c",
      what: "a node is killed whose states have copies",
      play: killNodeWithCopies,
    },
    {
      id: "T2d",
      what: "nodes start in another order",
      play: restartSwapped,
      protocol: "classic", // a streams group does not know what is on disks
    },
    {
      id: "T3",
      what: "a node is cut off",
      play: (options, random) => cutOff(options, random, awayMs),
    },
    {
      id: "T4",
      what: "a node stands still in the middle of commits",
      play: (options, random) => {
        const first = random.below(STANDSTILLS.length);
        const points = [...STANDSTILLS, ...STANDSTILLS].slice(first, first + standstills);
        return standStill(options, random, points, random.below(awayMs));
      },
    },
    { id: "T5", what: "a rolling restart", play: restartInTurn },
    { id: "T6", what: "1 → 2 → 4 → 3 nodes", play: comeAndGo },
    {
      id: "T7",
      what: "answers get lost, or come late",
      play: (options, random) => {
        const apis = [...COMMITTING, ...MEMBER[options.protocol]];
        return loseAnswers(options, random, apis, ["cut", ...random.pick([[], ["late" as const]])]);
      },
    },
    {
      id: "T8",
      what: "three brokers are killed in turn",
      play: (options, random) => bounceBrokers(options, random, 3),
    },
    {
      id: "T9a",
      what: "a step blocks its thread",
      play: (options, random) => blockStep(options, random, blocksMs),
    },
    { id: "T9b", what: "a transaction outlives its timeout", play: outliveTransaction },
    ...losses,
    { id: "T11", what: "the input gets partitions", play: growInput },
    {
      id: "T12",
      what: "windows while nodes are dead",
      play: (options, random) => windowsWhileDead(options, random, 2),
    },
    {
      id: "T13",
      what: "nodes change every two seconds",
      play: (options, random) => churn(options, random, { forMs: churnMs, everyMs: 2_000 }),
    },
  ];
}

/** The rows that a list names, such as `T2,T10a`; a number alone names all of its rows. */
export function namedRows(rows: readonly Row[], names: readonly string[]): Row[] {
  if (names.length === 0) return [...rows];
  const isNamed = ({ id }: Row, name: string) => id === name || id.replace(/[a-z]$/, "") === name;
  const unknown = names.find((name) => !rows.some((row) => isNamed(row, name)));
  if (unknown !== undefined) {
    throw new UsageError(
      `"${unknown}" is none of the rows: ${rows.map(({ id }) => id).join(", ")}`,
    );
  }
  return rows.filter((row) => names.some((name) => isNamed(row, name)));
}
