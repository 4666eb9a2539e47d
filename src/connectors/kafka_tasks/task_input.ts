/**
 * Opens the inputs of a group's tasks: each reads one partition of its topics.
 *
 * @module
 */
import { FlowDefinitionError } from "../../core/errors.ts";
import type { InputConfig, InputReader, Place, Positions } from "../../graph/contracts.ts";
import { knownInput, requireOwnCopy } from "../kafka/known_configs.ts";
import { readInputProperties } from "../kafka/properties/input_settings.ts";
import type { KafkaInputSettings } from "../kafka/properties/settings.ts";
import { openKafkaReader } from "../kafka/read/open_reader.ts";
import { shareOfTask } from "../kafka/read/partition_share.ts";
import type { ToItem } from "../kafka/read/source.ts";
import { toBeginAgain } from "./task_log_error.ts";

/**
 * How long a broker may wait for records, in milliseconds. It answers as soon as there are any, so
 * nothing comes later. A process has many tasks, each of which asks again when nothing comes.
 */
const WAIT_MS = 2_000;

/**
 * How much may wait for a task, in bytes, unless the flow says otherwise. A process may have a
 * hundred of them, each with one partition.
 */
const QUEUED_BYTES = 4 << 20;

/** What an input may have waiting by default: it may have all partitions of its topics. */
const USUAL_QUEUED_BYTES = readInputProperties().queuedMaxBytes;

/**
 * Starts reading one partition of each topic of an input. A topic that does not have it is left
 * out. If it gets that partition later, it is read from its first record on.
 *
 * The task commits its positions, so the reader commits none to a consumer group of its own.
 *
 * @param app The app of the group.
 * @param added Topics that the group has read before, without this partition: it was added since.
 * It is read from its first record on. So `startingOffset: "end"` loses nothing of it.
 * @throws {FlowDefinitionError} If tasks cannot share the input. The message names the
 * step and the cure.
 */
export async function openTaskInput(
  config: InputConfig<unknown>,
  partition: number,
  at: Place,
  resume: Positions,
  { app, added = new Set() }: { readonly app: string; readonly added?: ReadonlySet<string> },
): Promise<InputReader<unknown>> {
  const { settings, toItem } = await sharedInput(config, at);
  const share = shareOfTask(partition, { added, fromScratch: toBeginAgain(app) });
  return await openKafkaReader(settings, at, resume, toItem, share);
}

/**
 * Makes sure that the tasks of a group can share an input by partition. It connects to nothing.
 *
 * @throws {FlowDefinitionError} If they cannot. The message names the step and the cure.
 */
export function requireSharedInput(config: InputConfig<unknown>, stepId: string): void {
  requireOwnCopy(config, "input", stepId);
  const known = knownInput(config);
  if (known === null) {
    throw new FlowDefinitionError(
      `input "${stepId}" is a ${nameOf(config)}, which a group of machines cannot share: put its ` +
        "items into a Kafka topic first, with a flow that runs without --group, or run this flow " +
        "on one machine, without --group",
    );
  }
  if (known.settings.tail) return;
  throw new FlowDefinitionError(
    `input "${stepId}" has tail: false, but no machine of a group knows when all of them have ` +
      "read everything: leave out tail, or run this flow on one machine, without --group",
  );
}

async function sharedInput(
  config: InputConfig<unknown>,
  { stepId, alignment = null }: Place,
): Promise<{ settings: KafkaInputSettings; toItem: ToItem<unknown> }> {
  requireSharedInput(config, stepId);
  const { settings, toItem } = knownInput(config)!;
  const { input } = settings;
  const { fetchMinBytes, requestTimeoutMs } = input;
  // One that goes by event time has to learn soon that a transaction has begun.
  const isPatient = alignment === null && fetchMinBytes <= 1 && requestTimeoutMs > 2 * WAIT_MS;
  const fetchWaitMs = isPatient ? Math.max(input.fetchWaitMs, WAIT_MS) : input.fetchWaitMs;
  const isUsual = input.queuedMaxBytes === USUAL_QUEUED_BYTES;
  const queuedMaxBytes = isUsual ? QUEUED_BYTES : input.queuedMaxBytes;
  const ofTask = { ...input, groupId: null, fetchWaitMs, queuedMaxBytes };
  return { settings: { ...settings, input: ofTask }, toItem: await toItem() };
}

/** What a config is called in messages, such as `FileInputConfig`. */
function nameOf(config: object): string {
  const { name = "" } = config.constructor ?? {};
  return name === "" || name === "Object" ? "custom input" : name;
}
