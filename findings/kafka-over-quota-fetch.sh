#!/usr/bin/env bash
# Apache Kafka 4.3.1 answers a Fetch of a client over its quota with error 0 and no partitions at all.
#
# Behaviour: once a client has read more than its `consumer_byte_rate`, the answer to its next Fetch
# has a throttle time, no error, and not one of the partitions that were asked for. Nothing in it
# says whether they have records. A client that goes on from "no records" takes a partition for read
# to its end that is not.
#
# Output seen, with 300 records of 1000 bytes and fetches of up to 50000 bytes:
#   first fetch: error 0, 1 partition, records, not throttled
#   the same fetch soon after: error 0, 0 partitions, no records, throttled
#   and later: error 0, 1 partition, records, not throttled
. "$(dirname "$0")/workspace.sh"
npm_package kafkajs@2.2.4
. "$here/kafka-broker.sh"
"${kafka_java[@]}" kafka.admin.ConfigCommand --bootstrap-server "$broker" --alter \
  --entity-type clients --entity-name reader --add-config consumer_byte_rate=50000 >quota.log 2>&1 ||
  { cat quota.log; exit 1; }

cp "$here/kafka-fetch.js" fetch.js
cat >run.js <<'JS'
const { fetchOnce, topicOf, producing } = require("./fetch.js");

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function main() {
  const topic = await topicOf("over-quota");
  await producing({}, (producer) =>
    producer.send({ topic, messages: Array.from({ length: 300 }, () => ({ value: "x".repeat(1000) })) }));
  const say = (what, { error, partitions, throttleMs }) => {
    const count = `${partitions.length} partition${partitions.length === 1 ? "" : "s"}`;
    const has = partitions[0]?.records.length > 0 ? "records" : "no records";
    const throttled = throttleMs > 0 ? "throttled" : "not throttled";
    console.log(`${what}: error ${error}, ${count}, ${has}, ${throttled}`);
  };
  const ask = () => fetchOnce(topic, { clientId: "reader", maxBytes: 50_000 });
  const first = await ask();
  say("first fetch", first);
  let answer = first;
  for (let n = 0; n < 100 && answer.partitions.length > 0; n++) answer = await ask();
  say("the same fetch soon after", answer);
  await sleep(15_000); // the quota is of a window of eleven seconds
  say("and later", await ask());
}
main();
JS
BROKER=$broker expect_seen timeout 120 node run.js
