/** Reads a broker's answer for a partition as an input does, but all at once. */
import type { Buffer } from "node:buffer";
import type { LogRecord } from "../../../src/connectors/kafka/wire/read_batch.ts";
import { FetchedBatches } from "../../../src/connectors/kafka/read/fetched_batches.ts";
import { WaitingBatch } from "../../../src/connectors/kafka/read/waiting_batch.ts";
import { cursorAt } from "./cursor_at.ts";
import { fetched } from "./scripted_kafka.ts";

/** What was read, and why no more was. */
export interface ReadAnswer {
  readonly records: LogRecord[];
  /** `null` if everything that came whole has been read. */
  readonly error: Error | null;
}

/** Records from an offset on, of a partition that ends at another offset. */
export function readAnswer(
  bytes: Buffer,
  { from, end, verify }: { from: number; end: number; verify: boolean },
): ReadAnswer {
  const records: LogRecord[] = [];
  const batchesOf = new FetchedBatches(verify);
  try {
    const answer = fetched({ highWatermark: end, records: bytes });
    for (const batch of batchesOf.of(answer, cursorAt(from))) {
      for (const cursor of new WaitingBatch(batch).read(true)) {
        while (!cursor.done) records.push(cursor.read());
      }
    }
    return { records, error: null };
  } catch (error) {
    return { records, error: error as Error };
  }
}
