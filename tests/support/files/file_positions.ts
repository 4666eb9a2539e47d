import { gunzipSync } from "node:zlib";
import { withEvidence } from "../../../src/connectors/files/evidence.ts";
import { findFiles, fingerprintOf, lookAt } from "../../../src/connectors/files/find_files.ts";
import { crcOf, lastBytes } from "../../../src/connectors/files/fingerprint.ts";
import { filesToRead } from "../../../src/connectors/files/known_files.ts";
import {
  positionOf,
  type Range,
  type ReadPart,
  unreadRanges,
} from "../../../src/connectors/files/ranges.ts";
import { shareOut } from "../../../src/connectors/files/share_out.ts";
import { silentLog } from "../../../src/core/log.ts";
import type { Positions } from "../../../src/graph/contracts.ts";

/** Bytes of a file, where they begin and end. */
export type Bytes = readonly [from: number, to: number];

/** The stored positions of files whose bytes have been read, with the files' current state. */
export async function readOf(
  parts: readonly (readonly [path: string, ...bytes: Bytes])[],
): Promise<Positions> {
  const positions = new Map<string, unknown>();
  for (const [path, from, to] of parts) {
    const found = await lookAt(path);
    const stored = await Deno.readFile(path);
    const content = path.endsWith(".gz") ? gunzipSync(stored) : stored;
    const crc = crcOf(lastBytes(new Uint8Array(), content.subarray(0, to)));
    const file = { path, file: fingerprintOf(found), isFollowed: false };
    const [name, state] = positionOf(file, { from, to, crc });
    positions.set(name, state);
  }
  return positions;
}

/** Positions without what tells files apart: the path and the bytes of each. */
export function bytesOf(positions: Positions): Map<string, Bytes> {
  const parts = [...positions] as [string, ReadPart][];
  return new Map(parts.map(([name, { from, to }]) => [name, [from, to]]));
}

/** What each worker has to read, in ranges of any size. It is sent as JSON, as the engine does. */
export async function planned(
  path: string,
  resume: Positions = new Map(),
  workerCount = 1,
): Promise<Range[][]> {
  const found = await findFiles(path, silentLog);
  const { files } = await filesToRead(found, resume, { onReplaced: "fail", log: silentLog });
  const shares = shareOut(files.flatMap(unreadRanges), workerCount, 1);
  return JSON.parse(JSON.stringify(await withEvidence(shares)));
}
