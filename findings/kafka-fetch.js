// What the scripts for Apache Kafka need of a client: topics, records, and Fetch as it is answered.
const net = require("node:net");
const { Kafka, logLevel, Partitioners } = require("kafkajs");

const broker = process.env.BROKER;
const kafka = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING });

/** Makes a topic of one partition; where there is one, that is deleted first. */
async function topicOf(topic, { anew = false } = {}) {
  const admin = kafka.admin();
  await admin.connect();
  if (anew) await admin.deleteTopics({ topics: [topic] });
  for (let tries = 0;; tries++) {
    try {
      await admin.createTopics({ topics: [{ topic, numPartitions: 1 }], waitForLeaders: true });
      break;
    } catch (error) { // its name is not free yet, or it has no leader yet
      if (tries === 50) throw error;
      await new Promise((resolve) => setTimeout(resolve, 100));
      if ((await admin.listTopics()).includes(topic)) break;
    }
  }
  await admin.disconnect();
  return topic;
}

/** Hands a connected producer over. */
async function producing(options, work) {
  const producer = kafka.producer({
    createPartitioner: Partitioners.DefaultPartitioner,
    ...options,
  });
  await producer.connect();
  try {
    return await work(producer);
  } finally {
    await producer.disconnect();
  }
}

/** Sends one Fetch (version 7, without a session) for partition 0, and gives what is answered. */
async function fetchOnce(topic, { clientId, offset = 0, maxBytes }) {
  const text = (value) => [int(2, value.length), Buffer.from(value)];
  const body = Buffer.concat([
    int(2, 1),
    int(2, 7),
    int(4, 1),
    ...text(clientId), // the header: Fetch, version, id
    int(4, -1),
    int(4, 500),
    int(4, 1),
    int(4, maxBytes),
    int(1, 0), // a consumer; waits 500 ms
    int(4, 0),
    int(4, -1), // no session
    int(4, 1),
    ...text(topic),
    int(4, 1),
    int(4, 0),
    int(8, offset),
    int(8, -1),
    int(4, maxBytes),
    int(4, 0),
  ]);
  const answer = await exchange(Buffer.concat([int(4, body.length), body]));
  let at = 4; // after the id
  const number = (bytes) => {
    const value = bytes === 8 ? Number(answer.readBigInt64BE(at)) : answer.readIntBE(at, bytes);
    at += bytes;
    return value;
  };
  const bytes = (length) => answer.subarray(at, at += length);
  const [throttleMs, error] = [number(4), number(2)];
  number(4); // the session
  const partitions = [];
  for (let topics = number(4); topics > 0; topics--) {
    bytes(number(2));
    for (let count = number(4); count > 0; count--) {
      const [partition, code] = [number(4), number(2)];
      bytes(24); // high watermark, last stable offset, start
      bytes(16 * Math.max(0, number(4))); // aborted transactions
      partitions.push({ partition, code, records: bytes(Math.max(0, number(4))) });
    }
  }
  return { throttleMs, error, partitions };
}

function int(bytes, value) {
  const buffer = Buffer.alloc(bytes);
  if (bytes === 8) buffer.writeBigInt64BE(BigInt(value));
  else buffer.writeIntBE(value, 0, bytes);
  return buffer;
}

/** Sends a request over a connection of its own, and returns the answer without its length. */
function exchange(request) {
  return new Promise((resolve, reject) => {
    const [host, port] = broker.split(":");
    const socket = net.connect({ host, port: Number(port) }, () => socket.write(request));
    let received = Buffer.alloc(0);
    socket.on("error", reject);
    socket.on("data", (chunk) => {
      received = Buffer.concat([received, chunk]);
      if (received.length < 4 || received.length < 4 + received.readInt32BE(0)) return;
      socket.destroy();
      resolve(received.subarray(4));
    });
  });
}

module.exports = { fetchOnce, producing, topicOf };
