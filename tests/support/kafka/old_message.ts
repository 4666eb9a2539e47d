/** Messages in the formats before Kafka 0.11. */
import { Buffer } from "node:buffer";
import { crc32 } from "node:zlib";

/** A message in the form of the protocol guide. */
export function oldMessage(
  magic: 0 | 1,
  offset: number,
  { attributes = 0, timestamp = -1, key = null, value }: {
    attributes?: number;
    timestamp?: number;
    key?: Uint8Array | null;
    value: Uint8Array | null;
  },
): Buffer {
  const data = (bytes: Uint8Array | null) => {
    const length = Buffer.alloc(4);
    length.writeInt32BE(bytes?.length ?? -1);
    return Buffer.concat([length, bytes ?? Buffer.alloc(0)]);
  };
  const time = Buffer.alloc(magic === 0 ? 0 : 8);
  if (magic === 1) time.writeBigInt64BE(BigInt(timestamp));
  const body = Buffer.concat([Buffer.of(magic, attributes), time, data(key), data(value)]);
  const head = Buffer.alloc(16);
  head.writeBigInt64BE(BigInt(offset), 0);
  head.writeInt32BE(4 + body.length, 8);
  head.writeUInt32BE(crc32(body), 12);
  return Buffer.concat([head, body]);
}
