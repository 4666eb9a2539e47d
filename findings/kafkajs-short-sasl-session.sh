#!/usr/bin/env bash
# KafkaJS 2.2.4 authenticates twice for each request if SASL sessions are shorter than ten seconds, and
# Apache Kafka 4.3.1 refuses the second.
#
# Behaviour: it authenticates again once a session has less than `reauthenticationThreshold` left, 10 s
# by default. If no session is that long (connections.max.reauth.ms), this is always so. For one request
# it then authenticates twice, before it looks whether the broker is connected and before it sends the
# request. Apache Kafka 4.3.1 takes that at most once a second on a connection, and answers the second
# with ILLEGAL_SASL_STATE: the request fails, also where nothing has been sent for more than a second.
#
# Output seen with Node.js 20, with sessions of 9 s, 1.5 s after connecting:
#   threshold of 1 s: Metadata, Metadata: listTopics() resolved
#   threshold by default: SaslHandshake, SaslAuthenticate, SaslHandshake: listTopics() rejected (ILLEGAL_SASL_STATE)
. "$(dirname "$0")/workspace.sh"
npm_package kafkajs@2.2.4

jaas='org.apache.kafka.common.security.plain.PlainLoginModule required'
broker_settings="listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:SASL_PLAINTEXT
sasl.enabled.mechanisms=PLAIN
sasl.mechanism.inter.broker.protocol=PLAIN
listener.name.plaintext.plain.sasl.jaas.config=$jaas username=\"user\" password=\"password\" user_user=\"password\";
connections.max.reauth.ms=9000"
. "$here/kafka-broker.sh"

cat >run.js <<'JS'
const { Kafka, logLevel } = require("kafkajs");

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** Sends a request some time after connecting, and says how it went. */
async function ask(options = {}) {
  const kafka = new Kafka({
    brokers: [process.env.BROKER],
    logLevel: logLevel.NOTHING,
    retry: { retries: 0 },
    sasl: { mechanism: "plain", username: "user", password: "password" },
    ...options,
  });
  const admin = kafka.admin();
  let requests = [];
  admin.on(admin.events.REQUEST, ({ payload }) => requests.push(payload.apiName));
  await admin.connect();
  await sleep(1_500);
  requests = [];
  const outcome = await admin.listTopics().then(() => "resolved", (error) => `rejected (${error.type})`);
  await admin.disconnect();
  return `${requests.join(", ")}: listTopics() ${outcome}`;
}

async function main() {
  console.log(`threshold of 1 s: ${await ask({ reauthenticationThreshold: 1_000 })}`);
  console.log(`threshold by default: ${await ask()}`);
}
main();
JS
BROKER=$broker expect_seen timeout 60 node run.js
