import {
  counter,
  gauge,
  known,
  knownSeconds,
  type MetricDefinition,
  ofWorkers,
  type Sample,
} from "./definition.ts";

/** Metrics of inputs and outputs. */
export const IO_METRICS: readonly MetricDefinition[] = [
  gauge(
    "input_lag_items",
    "Items of a partition that have not been read, as far as is known.",
    ["step", "partition", "worker"],
    (view) =>
      ofWorkers(
        view,
        ({ lag }) => lag.map(({ step, partition, items }): Sample => [items, { step, partition }]),
      ),
  ),
  gauge(
    "input_lag_seconds",
    "While items of a partition have not been read: the age of the last one that was.",
    ["step", "partition", "worker"],
    (view) =>
      ofWorkers(
        view,
        ({ lag }) =>
          lag.flatMap(({ step, partition, ms }) => knownSeconds(ms, { step, partition })),
      ),
  ),
  gauge(
    "input_lag_age_seconds",
    "How old what is known of the lag is: how long ago a broker told where the partition ends.",
    ["step", "partition", "worker"],
    (view) =>
      ofWorkers(
        view,
        ({ lag }) =>
          lag.flatMap(({ step, partition, ageMs }) => knownSeconds(ageMs, { step, partition })),
      ),
  ),
  gauge(
    "output_prepare_seconds",
    "How long an output took to make the last epoch durable.",
    ["step", "worker"],
    (view) =>
      ofWorkers(
        view,
        ({ outputs }) =>
          outputs.flatMap(({ step, prepareMs }) => knownSeconds(prepareMs, { step })),
      ),
  ),
  gauge(
    "open_transactions",
    "Transactions of an exactly-once output that are not committed yet.",
    ["step", "worker"],
    (view) =>
      ofWorkers(
        view,
        ({ outputs }) =>
          outputs.flatMap(({ step, transactions }) => known(transactions?.count, { step })),
      ),
  ),
  gauge(
    "open_transaction_age_seconds",
    "How long ago the oldest of them began; 0 if there is none.",
    ["step", "worker"],
    (view) =>
      ofWorkers(
        view,
        ({ outputs }) =>
          outputs.flatMap(({ step, transactions }) =>
            knownSeconds(transactions?.oldestMs, { step })
          ),
      ),
  ),
  counter(
    "reconnects_total",
    "How often a connection to a broker was made again after it had been lost.",
    ["step", "broker", "worker"],
    (view) =>
      ofWorkers(
        view,
        ({ connections }) =>
          connections.map(({ step, to, reconnects }): Sample => [reconnects, { step, broker: to }]),
      ),
  ),
  counter(
    "throttled_seconds_total",
    "How long a broker has asked for pauses because of a quota.",
    ["step", "broker", "worker"],
    (view) =>
      ofWorkers(
        view,
        ({ connections }) =>
          connections.map(({ step, to, throttledMs }): Sample => [throttledMs / 1_000, {
            step,
            broker: to,
          }]),
      ),
  ),
  counter(
    "store_reconnects_total",
    "How often the recovery store's connection to a broker was made again.",
    ["broker"],
    ({ storeConnections }) =>
      storeConnections.map(({ to, reconnects }): Sample => [reconnects, { broker: to }]),
  ),
  counter(
    "store_throttled_seconds_total",
    "How long a broker has asked the recovery store for pauses because of a quota.",
    ["broker"],
    ({ storeConnections }) =>
      storeConnections.map(({ to, throttledMs }): Sample => [throttledMs / 1_000, { broker: to }]),
  ),
  gauge(
    "waiting_seconds",
    "How long inputs and outputs have been without what they need, such as a broker.",
    ["for"],
    ({ waiting }, now) =>
      waiting === null ? [] : waiting.what.map((what): Sample => [
        (now - waiting.since) / 1_000,
        { for: what },
      ]),
  ),
];
