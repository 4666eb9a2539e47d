/**
 * What another client writes for a request or a response, by version.
 *
 * The bytes come from the generated classes of Java's kafka-clients
 * (`org.apache.kafka.common.message`). To get those of another request, run
 * `jshell --class-path kafka-clients-3.9.1.jar`, fill an object of its class, and call
 * `write(new ByteBufferAccessor(buffer), cache, version)`.
 */
import { Buffer } from "node:buffer";

/** Versions that are written alike, with their bytes as hexadecimal text. */
export type BytesByVersion = readonly (readonly [versions: readonly number[], hex: string])[];

/** Each version with its bytes. */
export function bytesOf(all: BytesByVersion): [version: number, bytes: Buffer][] {
  return all.flatMap(([versions, hex]) =>
    versions.map((version): [number, Buffer] => [version, Buffer.from(hex, "hex")])
  );
}
