import type { EpochView } from "../run_view.ts";
import { gauge, known, type MetricDefinition } from "./definition.ts";

/** Metrics of the last epoch that was committed. */
export const EPOCH_METRICS: readonly MetricDefinition[] = [
  ofEpoch("epoch", "The number of the last epoch that was committed.", ({ epoch }) => epoch),
  ofEpoch(
    "epoch_age_seconds",
    "Time since the last epoch was committed.",
    ({ at }, now) => (now - at) / 1_000,
  ),
  ofEpoch(
    "epoch_duration_seconds",
    "How long the last epoch took to end, from when it was to end until it was committed.",
    ({ ms }) => ms / 1_000,
  ),
  ofEpoch(
    "epoch_alignment_seconds",
    "The part of the duration until all workers had come to its end, outputs included.",
    ({ alignMs }) => alignMs / 1_000,
  ),
  ofEpoch(
    "epoch_store_seconds",
    "The part of the duration that the recovery store took.",
    ({ storeMs }) => storeMs / 1_000,
  ),
  ofEpoch(
    "epoch_bytes",
    "What the recovery store was given of the last epoch: changed states, and positions.",
    ({ bytes }) => bytes,
  ),
];

function ofEpoch(
  name: string,
  help: string,
  read: (epoch: EpochView, now: number) => number | null,
): MetricDefinition {
  return gauge(name, help, [], ({ epoch }, now) => known(epoch && read(epoch, now)));
}
