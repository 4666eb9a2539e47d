import { assert } from "@std/assert";
import type { Buffer } from "node:buffer";
import { decodeFetched } from "../../src/connectors/kafka/wire/fetch.ts";
import { decodeListOffsets } from "../../src/connectors/kafka/wire/list_offsets.ts";
import { decodeMetadata } from "../../src/connectors/kafka/wire/metadata.ts";
import { decodeProduce } from "../../src/connectors/kafka/wire/produce.ts";
import { WireWriter } from "../../src/connectors/kafka/wire/wire.ts";
import { changed, fuzz, someBytes } from "../support/values/fuzzing.ts";
import type { Random } from "../support/values/random.ts";

/** How a broker writes an answer, and how we read it. */
interface Answer {
  readonly versions: readonly [oldest: number, newest: number];
  readonly flexibleFrom: number;
  write(out: WireWriter, version: number, random: Random): void;
  read(bytes: Buffer, version: number): unknown;
}

const TOPIC_ID = "AAECAwQFBgcICQoLDA0ODw";
const some = (random: Random) => Array.from({ length: random.below(4) }, (_, i) => i);

const ANSWERS: Record<string, Answer> = {
  Fetch: {
    versions: [4, 13],
    flexibleFrom: 12,
    write(out, version, random) {
      out.int32(0);
      if (version >= 7) {
        out.int16(0);
        out.int32(7);
      }
      out.array(some(random), (topic) => {
        if (version >= 13) out.uuid(TOPIC_ID);
        else out.string(`topic-${topic}`);
        out.array(some(random), (partition) => {
          out.int32(partition);
          out.int16(0);
          out.int64(100n);
          out.int64(90n);
          if (version >= 5) out.int64(0n);
          out.array(some(random), (producer) => {
            out.int64(BigInt(producer));
            out.int64(3n);
            out.tags();
          });
          if (version >= 11) out.int32(-1);
          out.array([...someBytes(random, 60)], (byte) => out.int8(byte << 24 >> 24));
          out.tags();
        });
        out.tags();
      });
      out.tags();
    },
    read: (bytes, version) =>
      decodeFetched(bytes, version, [{ topic: "topic-0", topicId: TOPIC_ID }]),
  },
  Metadata: {
    versions: [4, 12],
    flexibleFrom: 9,
    write(out, version, random) {
      out.int32(0);
      out.array(some(random), (id) => {
        out.int32(id);
        out.string(`broker-${id}`);
        out.int32(9092);
        out.string(random.pick([null, "rack"]));
        out.tags();
      });
      out.string("cluster");
      out.int32(1);
      out.array(some(random), (topic) => {
        out.int16(0);
        out.string(`topic-${topic}`);
        if (version >= 10) out.uuid(TOPIC_ID);
        out.boolean(false);
        out.array(some(random), (partition) => {
          out.int16(0);
          out.int32(partition);
          out.int32(1);
          if (version >= 7) out.int32(4);
          for (let lists = version >= 5 ? 3 : 2; lists > 0; lists--) {
            out.array(some(random), (id) => out.int32(id));
          }
          out.tags();
        });
        if (version >= 8) out.int32(0);
        out.tags();
      });
      if (version >= 8 && version <= 10) out.int32(0);
      out.tags();
    },
    read: decodeMetadata,
  },
  ListOffsets: {
    versions: [2, 6],
    flexibleFrom: 6,
    write(out, version, random) {
      out.int32(0);
      out.array(some(random), (topic) => {
        out.string(`topic-${topic}`);
        out.array(some(random), (partition) => {
          out.int32(partition);
          out.int16(0);
          out.int64(-1n);
          out.int64(100n);
          if (version >= 4) out.int32(0);
          out.tags();
        });
        out.tags();
      });
      out.tags();
    },
    read: decodeListOffsets,
  },
  Produce: {
    versions: [3, 8],
    flexibleFrom: 9,
    write(out, version, random) {
      out.array([0], () => {
        out.string("topic");
        out.array(some(random), (partition) => {
          out.int32(partition);
          out.int16(random.pick([0, 87]));
          out.int64(100n);
          out.int64(-1n);
          if (version >= 5) out.int64(0n);
          if (version >= 8) {
            out.array(some(random), (index) => {
              out.int32(index);
              out.string(random.pick([null, "why"]));
            });
            out.string(random.pick([null, "why"]));
          }
        });
      });
      out.int32(0);
    },
    read: decodeProduce,
  },
};

for (
  const [name, { versions: [oldest, newest], flexibleFrom, write, read }] of Object.entries(ANSWERS)
) {
  fuzz(`${name} answers that were changed are read or refused`, (random) => {
    const version = oldest + random.below(newest - oldest + 1);
    const out = new WireWriter(version >= flexibleFrom);
    write(out, version, random);
    read(out.written, version); // as it is, it can be read
    try {
      read(changed(out.written, random), version);
    } catch (error) {
      const { message } = error as Error;
      assert(message.startsWith("a response of the broker "), `version ${version}: ${message}`);
    }
  });
}
