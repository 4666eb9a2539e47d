#!/usr/bin/env bash
# KafkaJS 2.2.4 measures request time-outs and throttling with Date.now().
#
# Behaviour: a request to a broker that does not answer times out after `requestTimeout` only while
# the clock is left alone. Once the clock is set back, it does not. Once it is set forward, all
# requests under way time out at once. A throttled connection sends nothing until the clock has
# caught up.
#
# Output seen with Node.js 20:
#   clock left alone: timed out after about 1 s
#   clock set back an hour: no answer and no time-out after 4 s
#   clock set forward an hour: timed out before 0.9 s
#   throttled for 0.2 s, clock set back an hour: still throttled after 1 s
. "$(dirname "$0")/workspace.sh"
npm_package kafkajs@2.2.4

# The script sets the clock that its own process sees, not that of the machine.
cat >run.js <<'JS'
const net = require("node:net");
const { Kafka, logLevel } = require("kafkajs");
const RequestQueue = require("kafkajs/src/network/requestQueue");

const HOUR = 3_600_000;
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const now = Date.now;
const setClock = (ms) => Date.now = () => now() + ms;

/** After how many milliseconds a request times out; null where it has not after 4 s. */
async function timeOut(port, set) {
  setClock(0);
  const brokers = [`127.0.0.1:${port}`];
  const options = { brokers, logLevel: logLevel.NOTHING, requestTimeout: 1_000, retry: { retries: 0 } };
  const admin = new Kafka(options).admin();
  const begun = performance.now();
  const failing = admin.connect().then(() => null, () => performance.now() - begun);
  await sleep(300); // the request is under way
  setClock(set);
  return await Promise.race([failing, sleep(4_000).then(() => null)]);
}

async function main() {
  const server = net.createServer((socket) => socket.resume().on("error", () => {}));
  await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  const [alone, back, forward] = [await timeOut(port, 0), await timeOut(port, -HOUR), await timeOut(port, HOUR)];
  const near = (ms, least, most) => ms !== null && ms >= least && ms < most;
  console.log(`clock left alone: ${near(alone, 900, 2_000) ? "timed out after about 1 s" : alone}`);
  console.log(`clock set back an hour: ${back === null ? "no answer and no time-out after 4 s" : back}`);
  console.log(`clock set forward an hour: ${near(forward, 0, 900) ? "timed out before 0.9 s" : forward}`);
  setClock(0);
  const logger = { debug() {}, warn() {} };
  const queue = new RequestQueue({ logger, requestTimeout: 1_000, maxInFlightRequests: null });
  queue.maybeThrottle(200);
  setClock(-HOUR);
  await sleep(1_000);
  const may = queue.canSendSocketRequestImmediately();
  console.log(`throttled for 0.2 s, clock set back an hour: ${may ? "sends again" : "still throttled after 1 s"}`);
  process.exit();
}
main();
JS
expect_seen timeout 60 node run.js
