/**
 * Names for the numbers and strings that have a meaning in a dataflow.
 *
 * @module
 */

/** Names a step within its flow: unique, chosen by the user for inputs and stateful steps. */
export type StepId = string;

/** The index of a worker process: an integer from 0 to the worker count minus one. */
export type WorkerIndex = number;

/**
 * The unit of recovery: a non-negative integer that grows by one each time the whole flow has made
 * everything before it durable. Its length never changes a result.
 */
export type Epoch = number;

/** Names a part of an input that has a position of its own, such as a Kafka partition or a file. */
export type PartitionName = string;

/** A keyed item: what every keyed step accepts and emits. Items of one key meet on one worker. */
export type Keyed<V> = [key: string, value: V];
