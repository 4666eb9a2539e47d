/**
 * Error codes by topic and partition, as several requests are answered with them.
 *
 * @module
 */
import { errorOfCode } from "./error_codes.ts";
import type { TopicPartition } from "./topic_partition.ts";
import type { WireReader } from "./wire.ts";

/** A result for a partition: the protocol's code, 0 if there is no error. */
export type PartitionCode = TopicPartition & { readonly errorCode: number };

/**
 * Reads results by topic and partition.
 *
 * @param skip Reads what an answer has between a partition and its code.
 */
export function readPartitionCodes(
  from: WireReader,
  skip: (from: WireReader) => void = () => {},
): PartitionCode[] {
  return from.array(() => {
    const topic = from.string() ?? "";
    const codes = from.array(() => {
      const partition = from.int32();
      skip(from);
      const errorCode = from.int16();
      from.tags();
      return { topic, partition, errorCode };
    });
    from.tags();
    return codes;
  }).flat();
}

/**
 * Throws the error of a partition, if there is one. If one partition is refused, a broker reports
 * that the others were not attempted. That explains nothing, so such an error comes last. An error
 * has the name of its `topic`.
 */
export function throwFirst(apiName: string, results: readonly PartitionCode[]): void {
  const errors = results
    .filter(({ errorCode }) => errorCode !== 0)
    .map(({ errorCode, topic }) => Object.assign(errorOfCode(errorCode, apiName), { topic }));
  const cause = errors.find(({ type }) => type !== "OPERATION_NOT_ATTEMPTED") ?? errors[0];
  if (cause !== undefined) throw cause;
}
