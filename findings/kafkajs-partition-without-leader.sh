#!/usr/bin/env bash
# KafkaJS 2.2.4 cannot write to any partition of a topic while one of them has no leader.
#
# Behaviour: a Metadata answer has an error code for each partition. KafkaJS throws the first of them,
# and with it all else that the answer says: who leads the other partitions, and what is known of other
# topics that were asked for. So a producer sends nothing to partition 0 while the only broker of
# partition 1 is away. The broker here is of the script's own, to say just that.
#
# Output seen with Node.js 20:
#   both partitions have a leader: send() to partition 0 resolved, 1 Produce request
#   partition 1 has none: send() to partition 0 rejected (LEADER_NOT_AVAILABLE), 0 Produce requests
#   partition 1 has none: fetchTopicMetadata() of it and another topic rejected (LEADER_NOT_AVAILABLE)
. "$(dirname "$0")/workspace.sh"
npm_package kafkajs@2.2.4

cat >run.js <<'JS'
const net = require("node:net");
const { Kafka, logLevel, Partitioners } = require("kafkajs");

const LEADER_NOT_AVAILABLE = 5;
let isLed = true; // partition 1
let produced = 0; // Produce requests

// What the answers are made of, as the protocol writes it.
const int = (bytes) => (value) => {
  const buffer = Buffer.alloc(bytes);
  buffer.writeIntBE(value, 0, bytes);
  return buffer;
};
const [int8, int16, int32] = [int(1), int(2), int(4)];
const int64 = (value) => Buffer.concat([int32(0), int32(value)]);
const text = (value) => Buffer.concat([int16(value.length), Buffer.from(value)]);
const array = (items, write) => Buffer.concat([int32(items.length), ...items.map(write)]);
const all = (...parts) => Buffer.concat(parts);

const ANSWERS = {
  0: () => { // Produce 0: written at offset 0
    produced++;
    return array(["topic"], (topic) =>
      all(text(topic), array([0], (partition) => all(int32(partition), int16(0), int64(0)))));
  },
  3: (port) => { // Metadata 1, of two topics
    const partitionOf = (topic) => (id) => {
      const away = topic === "topic" && id === 1 && !isLed;
      return all(int16(away ? LEADER_NOT_AVAILABLE : 0), int32(id), int32(away ? -1 : 1),
        array([1], int32), array([1], int32));
    };
    return all(
      array([1], (node) => all(int32(node), text("127.0.0.1"), int32(port), int16(-1))),
      int32(1), // the controller
      array(["topic", "another"], (topic) =>
        all(int16(0), text(topic), int8(0), array([0, 1], partitionOf(topic)))),
    );
  },
  18: () => // ApiVersions 0: each request in one version
    all(int16(0), array([[0, 0], [3, 1], [18, 0]], ([key, version]) =>
      all(int16(key), int16(version), int16(version)))),
};

const server = net.createServer((socket) => {
  let received = Buffer.alloc(0);
  socket.on("error", () => {}).on("data", (chunk) => {
    received = Buffer.concat([received, chunk]);
    while (received.length >= 4 && received.length >= 4 + received.readInt32BE(0)) {
      const [key, id] = [received.readInt16BE(4), received.subarray(8, 12)];
      received = received.subarray(4 + received.readInt32BE(0));
      const answer = all(id, ANSWERS[key](server.address().port));
      socket.write(all(int32(answer.length), answer));
    }
  });
});

server.listen(0, "127.0.0.1", async () => {
  const brokers = [`127.0.0.1:${server.address().port}`];
  const retry = { initialRetryTime: 50, retries: 3 };
  const kafka = new Kafka({ brokers, logLevel: logLevel.NOTHING, retry });
  const admin = kafka.admin();
  await admin.connect();
  const outcome = (promise) => promise.then(() => "resolved", (error) => `rejected (${error.cause?.type ?? error})`);
  const requests = () => `${produced} Produce request${produced === 1 ? "" : "s"}`;
  const send = async () => {
    const producer = kafka.producer({ createPartitioner: Partitioners.DefaultPartitioner });
    await producer.connect();
    produced = 0;
    const sent = await outcome(producer.send({ topic: "topic", messages: [{ partition: 0, value: "x" }] }));
    await producer.disconnect();
    return `send() to partition 0 ${sent}, ${requests()}`;
  };
  console.log(`both partitions have a leader: ${await send()}`);
  isLed = false;
  console.log(`partition 1 has none: ${await send()}`);
  const another = await outcome(admin.fetchTopicMetadata({ topics: ["another", "topic"] }));
  console.log(`partition 1 has none: fetchTopicMetadata() of it and another topic ${another}`);
  process.exit();
});
JS
expect_seen timeout 60 node run.js
