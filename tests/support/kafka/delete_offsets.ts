/** The OffsetDelete request: what `kafka-consumer-groups --delete-offsets` sends. */
import { errorOfCode } from "../../../src/connectors/kafka/wire/error_codes.ts";
import { sendRequest } from "../../../src/connectors/kafka/wire/request.ts";
import { WireReader, WireWriter } from "../../../src/connectors/kafka/wire/wire.ts";
import { connect } from "./transactions.ts";

const API_NAME = "OffsetDelete";

/** Deletes the offsets of some partitions of a group without members. */
export async function deleteOffsets(
  brokers: readonly string[],
  groupId: string,
  partitions: readonly (readonly [topic: string, partition: number])[],
): Promise<void> {
  await using connected = connect(brokers, []);
  const { connection } = connected;
  const broker = await connection.open(() =>
    connection.coordinator({ kind: "group", id: groupId })
  );
  const { errors } = await sendRequest(broker, {
    apiKey: 47,
    apiName: API_NAME,
    oldest: 0,
    newest: 0,
    flexibleFrom: Infinity,
    encode: () => {
      const out = new WireWriter(false);
      out.string(groupId);
      out.array([...Map.groupBy(partitions, ([topic]) => topic)], ([topic, each]) => {
        out.string(topic);
        out.array(each, ([, partition]) => out.int32(partition));
      });
      return out.written;
    },
    decode: (payload) => {
      const from = new WireReader(payload, false);
      const errors = [from.int16()];
      const clientSideThrottleTime = from.int32();
      from.array(() => {
        from.string();
        from.array(() => {
          from.int32();
          errors.push(from.int16());
        });
      });
      return { errors, clientSideThrottleTime };
    },
  });
  for (const code of errors) if (code !== 0) throw errorOfCode(code, API_NAME);
}
