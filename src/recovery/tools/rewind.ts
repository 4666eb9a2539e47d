/**
 * Moves the positions of an input, so that the next run reads from somewhere else.
 *
 * State and the positions of outputs stay: what is read again counts again, and is written again.
 *
 * @module
 */
import { UsageError } from "../../core/errors.ts";
import type { PartitionName, StepId } from "../../core/ids.ts";
import { likelyName } from "../../core/closest_name.ts";
import { decodeValue, encodeValue } from "../../core/value_codec.ts";
import type { RecoveryStore, StoredPosition } from "../store.ts";
import { contentOf, requireStep } from "./content.ts";
import type { EditOptions } from "./step_edits.ts";

/** A partition of an input. */
export interface InputPosition {
  readonly partition: PartitionName;
  /** As the input has stored it. */
  readonly position: unknown;
}

/** Which partitions move, and where to. */
export interface Rewinding {
  readonly step: StepId;
  /** One partition; `null` for all. */
  readonly partition: PartitionName | null;
  /**
   * Returns the new positions, in the same order. `null` forgets a partition, which is then read as
   * in a first run.
   */
  readonly move: (positions: readonly InputPosition[]) => Promise<readonly (unknown | null)[]>;
}

/** A partition that moves. */
export interface Rewound extends InputPosition {
  /** Where it is read from; `null` if as in a first run. */
  readonly to: unknown | null;
}

/** What moves, and what stays. */
export interface RewindResult {
  readonly moved: readonly Rewound[];
  /** How far event time has come at steps, in milliseconds: what is older is late there. */
  readonly times: ReadonlyMap<StepId, number>;
}

/**
 * Moves positions of an input.
 *
 * @throws {UsageError} If the step is not an input, has read nothing, or lacks the partition.
 */
export async function rewindInput(
  store: RecoveryStore,
  { step, partition, move }: Rewinding,
  { dryRun }: EditOptions,
): Promise<RewindResult> {
  const content = await contentOf(store);
  requireStep(content, step);
  const isOfInput = (each: StoredPosition) => each.step === step && each.role === "input";
  const all = content.positions.filter(isOfInput);
  if (all.length === 0) {
    throw new UsageError(
      `step "${step}" is not an input, or has read nothing yet: rewind moves inputs`,
    );
  }
  const chosen = all.filter((each) => partition === null || each.partition === partition);
  if (chosen.length === 0) {
    const names = all.map((each) => each.partition).toSorted();
    const meant = likelyName(partition!, names) ?? names[0];
    throw new UsageError(
      `nothing is stored of partition "${partition}" of step "${step}"; there ${
        names.length === 1 ? "is" : "are"
      } ${names.length}, such as "${meant}"`,
    );
  }
  const positions = chosen.map((each) => ({
    partition: each.partition,
    position: decodeValue(each.state),
  }));
  const targets = await move(positions);
  const moved = positions.map((each, i) => ({ ...each, to: targets[i] }))
    .toSorted((a, b) => a.partition < b.partition ? -1 : 1);
  const times = timesOf(content.positions);
  if (dryRun) return { moved, times };
  const after = chosen.flatMap((each, i) =>
    targets[i] === null ? [] : [{ ...each, state: encodeValue(targets[i]) }]
  );
  const rest = content.positions.filter((each) => !chosen.includes(each));
  await store.commit(content.epoch!, { state: [], positions: [...rest, ...after] });
  return { moved, times };
}

/** The newest event time of each step. */
function timesOf(positions: readonly StoredPosition[]): Map<StepId, number> {
  const times = new Map<StepId, number>();
  for (const { step, role, state } of positions) {
    if (role !== "time") continue;
    const stored = decodeValue(state) as { least?: unknown } | number | null;
    const time = typeof stored === "number" ? stored : stored?.least;
    if (typeof time !== "number" || !Number.isFinite(time)) continue;
    times.set(step, Math.max(times.get(step) ?? -Infinity, time));
  }
  return times;
}
