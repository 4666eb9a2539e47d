/**
 * What the requests of a transaction have in common: who sends them, and two kinds of answers. From
 * version 3 on, all of them are flexible.
 *
 * @module
 */
import type { Buffer } from "node:buffer";
import type { TransactionIdentity } from "./init_producer_id.ts";
import { type PartitionCode, readPartitionCodes } from "./partition_codes.ts";
import { WireReader, type WireWriter } from "./wire.ts";

/** The first flexible version of these requests. */
export const FLEXIBLE_FROM = 3;

/** The first version in which the client waits by itself for as long as the broker says. */
const CLIENT_WAITS_FROM = 1;

/** Writes the identity at the head of a request. */
export function writeIdentity(
  out: WireWriter,
  { transactionalId, producerId, producerEpoch }: TransactionIdentity,
): void {
  out.string(transactionalId);
  out.int64(producerId);
  out.int16(producerEpoch);
}

/** Reads an answer with one error code. */
export function decodeCode(
  payload: Buffer,
  version: number,
): { errorCode: number; clientSideThrottleTime: number } {
  const from = new WireReader(payload, version >= FLEXIBLE_FROM);
  const throttle = from.int32();
  return { errorCode: from.int16(), clientSideThrottleTime: waitOf(throttle, version) };
}

/** Reads an answer with an error code for each partition. */
export function decodePartitionCodes(
  payload: Buffer,
  version: number,
): { results: PartitionCode[]; clientSideThrottleTime: number } {
  const from = new WireReader(payload, version >= FLEXIBLE_FROM);
  const throttle = from.int32();
  const results = readPartitionCodes(from);
  return { results, clientSideThrottleTime: waitOf(throttle, version) };
}

function waitOf(throttle: number, version: number): number {
  return version >= CLIENT_WAITS_FROM ? throttle : 0;
}
