/**
 * How to read for steps that use event time. Their time goes on while there is nothing to read, so
 * they have to learn soon that there is something.
 *
 * @module
 */
import type { Log } from "../../../core/log.ts";
import type { KafkaInputSettings } from "../properties/settings.ts";

/**
 * How long a broker may wait for more, in milliseconds. While it waits, it does not report that a
 * transaction has begun.
 */
const LONGEST_WAIT_MS = 500;

/** How often to look for new partitions, in milliseconds, as they may have records. */
const LONGEST_METADATA_AGE_MS = 10_000;

/** The settings with shorter waits. The log names given settings that are overruled. */
export function forTime(settings: KafkaInputSettings, log: Log): KafkaInputSettings {
  const { input } = settings;
  if (input.fetchMinBytes > 1 || input.fetchWaitMs > LONGEST_WAIT_MS) {
    log.warn(
      "windows go by the time of records, so brokers answer at once and wait no longer than " +
        `${LONGEST_WAIT_MS} ms: fetch.min.bytes or fetch.wait.max.ms is not followed`,
    );
  }
  return {
    ...settings,
    input: {
      ...input,
      fetchMinBytes: Math.min(input.fetchMinBytes, 1),
      fetchWaitMs: Math.min(input.fetchWaitMs, LONGEST_WAIT_MS),
      metadataMaxAgeMs: Math.min(input.metadataMaxAgeMs, LONGEST_METADATA_AGE_MS),
    },
  };
}
