#!/usr/bin/env bash
# Apache Kafka 4.3.1 accepts a batch from the middle of an idempotent producer's sequence on a topic
# that was deleted and created again.
#
# Behaviour: the new topic knows nothing of the producer, so it accepts its next batch whatever its
# first sequence number is. The producer is told of no error: what it had written before is gone, and
# its sequence does not show it. (KafkaJS 2.2.4 is the producer here.)
#
# Output seen:
#   on the first topic: offset 0 has sequence 0, offset 1 has sequence 1
#   on the topic that was created again: offset 0 has sequence 2
. "$(dirname "$0")/workspace.sh"
npm_package kafkajs@2.2.4
. "$here/kafka-broker.sh"

cp "$here/kafka-fetch.js" fetch.js
cat >run.js <<'JS'
const { fetchOnce, topicOf, producing } = require("./fetch.js");

/** The offset and first sequence number of each batch in what was fetched. */
function batchesOf({ partitions: [{ records }] }) {
  const batches = [];
  for (let at = 0; at < records.length; at += 12 + records.readInt32BE(at + 8)) {
    const [offset, sequence] = [records.readBigInt64BE(at), records.readInt32BE(at + 53)];
    batches.push(`offset ${offset} has sequence ${sequence}`);
  }
  return batches.join(", ");
}

async function main() {
  const topic = await topicOf("recreated");
  await producing({ idempotent: true, maxInFlightRequests: 1 }, async (producer) => {
    const send = () => producer.send({ topic, acks: -1, messages: [{ value: "x" }] });
    const fetch = async () => batchesOf(await fetchOnce(topic, { clientId: "reader", maxBytes: 100_000 }));
    await send();
    await send();
    console.log(`on the first topic: ${await fetch()}`);
    await topicOf(topic, { anew: true });
    await send();
    console.log(`on the topic that was created again: ${await fetch()}`);
  });
}
main();
JS
BROKER=$broker expect_seen timeout 120 node run.js
