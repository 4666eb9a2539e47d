#!/usr/bin/env bash
# KafkaJS 2.2.4 keeps a connection that is told to disconnect while it is being made.
#
# Behaviour: `disconnect()` is called before `connect()` has opened its socket, and resolves. The
# connection is made all the same. Its request fails in time, as the broker does not answer, and
# `connect()` rejects. Then the socket and an interval are still there, so a process does not end.
#
# Output seen with Node.js 20:
#   disconnect() resolved
#   connect() rejected: Request ApiVersions(key: 18, version: 2) timed out
#   two seconds later: a socket and a timer are left
. "$(dirname "$0")/workspace.sh"
npm_package kafkajs@2.2.4

cat >run.js <<'JS'
const net = require("node:net");
const { Kafka, logLevel } = require("kafkajs");

async function main() {
  // Its sockets do not count as active: what is counted below are the client's.
  const server = net.createServer((socket) => socket.resume().on("error", () => {}).unref());
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  server.unref();
  const brokers = [`127.0.0.1:${server.address().port}`];
  const options = { brokers, logLevel: logLevel.NOTHING, requestTimeout: 1_000, retry: { retries: 0 } };
  const admin = new Kafka(options).admin();
  const connecting = admin.connect().then(() => "resolved", (error) => `rejected: ${error.message}`);
  await admin.disconnect();
  console.log("disconnect() resolved");
  console.log(`connect() ${await connecting}`);
  // This timer has ended when it is looked what is left.
  await new Promise((resolve) => setTimeout(resolve, 2_000));
  const left = new Set(process.getActiveResourcesInfo());
  const names = [["TCPSocketWrap", "a socket"], ["Timeout", "a timer"]];
  const kept = names.filter(([name]) => left.has(name)).map(([, text]) => text);
  console.log(`two seconds later: ${kept.join(" and ") || "nothing"} ${kept.length === 1 ? "is" : "are"} left`);
  process.exit();
}
main();
JS
expect_seen timeout 60 node run.js
