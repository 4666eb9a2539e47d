/**
 * Stateful stream processing in TypeScript: write a typed {@linkcode Dataflow}, run it on worker
 * processes, read from and write to Kafka.
 *
 * Build a flow from inputs, steps and outputs. Run it with {@linkcode run} in this process, or on
 * worker processes with the command line (`deno run -A cli.ts flow.ts`).
 *
 * ```ts
 * import { Dataflow, StdOutputConfig, TestingInputConfig } from "@millrace/millrace";
 *
 * const flow = new Dataflow("wordcount");
 * flow
 *   .input("lines", new TestingInputConfig(["to be or not to be"]))
 *   .flatMap((line) => line.split(" "))
 *   .keyOn((word) => word)
 *   .countFinal("count")
 *   .capture(new StdOutputConfig());
 * export default flow;
 * ```
 *
 * @module
 */

// Building a flow.
export {
  Dataflow,
  type MergerOf,
  type OnlyKeyed,
  type WindowedDataflow,
} from "./src/dataflow/dataflow.ts";
export type {
  Counter,
  Gauge,
  Histogram,
  HistogramOptions,
  LabelValues,
  Meter,
  MetricOptions,
} from "./src/graph/meter.ts";
export type { Inferred } from "./src/core/inferred.ts";
export type { MapAsyncOptions } from "./src/operators/map_async.ts";
export type { StepOptions } from "./src/operators/user_function.ts";
export type { Compare } from "./src/operators/compare.ts";
export type { StateOptions } from "./src/operators/ttl.ts";
export type {
  JoinMode,
  JoinOptions,
  JoinRow,
  JoinSide,
  JoinSides,
  JoinSideValue,
  JoinValue,
  JoinValues,
  JoinWindowOptions,
} from "./src/operators/join_options.ts";
export type { DedupeOptions } from "./src/operators/dedupe.ts";
export type { CollectOptions } from "./src/operators/collect.ts";
export type { Epoch, Keyed, PartitionName, StepId, WorkerIndex } from "./src/core/ids.ts";
export type { Duration } from "./src/core/duration.ts";

// Time and windows.
export {
  EventClockConfig,
  type EventClockOptions,
  SystemClockConfig,
  type WindowClock,
} from "./src/windows/clocks.ts";
export {
  SessionWindowConfig,
  type SessionWindowOptions,
  SlidingWindowConfig,
  type SlidingWindowOptions,
  TumblingWindowConfig,
  type TumblingWindowOptions,
  type Windower,
  type WindowSpan,
} from "./src/windows/windowers.ts";
export type { InstantLike } from "./src/windows/instants.ts";
export type { WindowMetadata } from "./src/operators/windows/window_parts.ts";

// Running it.
export { type FlowHandle, run, type RunOptions, type RunResult } from "./src/runtime/run.ts";
export type { ApiOptions } from "./src/ops/access.ts";
export type { StepChangeOptions } from "./src/runtime/step_changes.ts";
export type { StopOptions } from "./src/runtime/stop_limit.ts";
export {
  type ClusterOptions,
  type ClusterResult,
  spawnCluster,
} from "./src/runtime/process/cluster.ts";
export type { RunStatus, WorkerItems } from "./src/runtime/process/run_status.ts";
export type { OutputTaps } from "./src/runtime/process/spawn.ts";
export type { StepCounts } from "./src/runtime/counts.ts";
export {
  FlowDefinitionError,
  ItemError,
  StepError,
  type StepFailure,
  UsageError,
} from "./src/core/errors.ts";
export { createLog, type Log, type LogFields, type LogLevel } from "./src/core/log.ts";
export { type Clock, systemClock } from "./src/core/clock.ts";

// Inputs and outputs.
export {
  ManualInputConfig,
  type ManualInputOptions,
  type ManualSource,
  type StateAndItem,
} from "./src/connectors/manual/manual_input.ts";
export {
  PartitionedInputConfig,
  type PartitionedInputOptions,
} from "./src/connectors/manual/partitioned_input.ts";
export {
  type EpochItemHandler,
  type ItemHandler,
  ManualEpochOutputConfig,
  ManualOutputConfig,
} from "./src/connectors/manual/manual_output.ts";
export { StdOutputConfig } from "./src/connectors/std/std_output.ts";
export {
  TestingInputConfig,
  type TestingInputOptions,
} from "./src/connectors/testing/testing_input.ts";
export { TestingOutputConfig } from "./src/connectors/testing/testing_output.ts";

// Files.
export { FileInputConfig, type FileInputOptions } from "./src/connectors/files/file_input.ts";
export { FileOutputConfig, type FileOutputOptions } from "./src/connectors/files/file_output.ts";

// Kafka.
export {
  KafkaInputConfig,
  type KafkaInputOptions,
  type KafkaItem,
  KafkaMessageInputConfig,
  type StartingOffset,
} from "./src/connectors/kafka/kafka_input.ts";
export type { KafkaHeader, KafkaMessage } from "./src/connectors/kafka/message.ts";
export { KafkaOutputConfig, type KafkaOutputOptions } from "./src/connectors/kafka/kafka_output.ts";
export type {
  KafkaData,
  KafkaOutputItem,
  KafkaRecord,
} from "./src/connectors/kafka/output_item.ts";
export type { KafkaProperties } from "./src/connectors/kafka/properties/given_properties.ts";

// Recovery.
export {
  KafkaRecoveryConfig,
  type KafkaRecoveryOptions,
} from "./src/connectors/kafka_recovery/kafka_recovery.ts";
export { MemoryRecoveryConfig } from "./src/recovery/memory_store.ts";
export { SqliteRecoveryConfig } from "./src/recovery/sqlite/sqlite_recovery.ts";
export {
  type EpochChanges,
  type PositionRole,
  type RecoveryConfig,
  RecoveryError,
  type RecoveryStore,
  type ResumePoint,
  type StateChunk,
  type StoredKey,
  type StoredPosition,
  type StoredStep,
} from "./src/recovery/store.ts";

// Bytes for keys and values.
export { json, type JsonCodec, text, type TextCodec } from "./src/core/codecs.ts";

// The contracts of inputs, outputs and stateful steps, for those who write their own.
export type { ConnectionReading } from "./src/core/connection_reading.ts";
export { UNFINISHED } from "./src/core/unfinished.ts";
export type {
  BuildLogic,
  Emit,
  InputConfig,
  InputNotes,
  InputReader,
  OpenTransactions,
  OutputConfig,
  OutputWriter,
  Place,
  PlaceRecovery,
  Positions,
  Progress,
  SourceAlignment,
  StatefulLogic,
  StepTime,
} from "./src/graph/contracts.ts";
export type { FLOW_BRAND, FlowBrand, KeyedBrand } from "./src/graph/graph.ts";
