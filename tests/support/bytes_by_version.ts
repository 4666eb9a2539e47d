/**
 * What another client writes for a request or a response, by version.
 *
 * The bytes come from the generated classes of Java's kafka-clients
 * (`org.apache.kafka.common.message`). Fill an object, then call `write(new
 * ByteBufferAccessor(buffer), cache, version)`. For another request, do that in `jshell
 * --class-path kafka-clients-3.9.1.jar`.
 */
import { Buffer } from "node:buffer";

/** Versions with the same bytes, as hexadecimal text. */
export type BytesByVersion = readonly (readonly [versions: readonly number[], hex: string])[];

/** Each version with its bytes. */
export function bytesOf(all: BytesByVersion): [version: number, bytes: Buffer][] {
  return all.flatMap(([versions, hex]) =>
    versions.map((version): [number, Buffer] => [version, Buffer.from(hex, "hex")])
  );
}
