/**
 * librdkafka's properties that have no equivalent here, and why. It is only data;
 * `property_table.ts` has the others.
 *
 * @module
 */

/** Properties that are refused for one reason. */
export interface Refusal {
  readonly names: readonly string[];
  /** A clause, to follow a colon. */
  readonly why: string;
  /** What to do instead, as a clause, if there is something. */
  readonly instead?: string;
}

/** All refused properties, in groups. */
export const REFUSED: readonly Refusal[] = [
  {
    names: ["bootstrap.servers", "metadata.broker.list"],
    why: "the config has an option for it",
    instead: 'give brokers: ["host:9092"]',
  },
  {
    names: ["group.instance.id"],
    why: "static membership is not supported, as no consumer group is joined",
  },
  {
    names: [
      "group.protocol",
      "group.protocol.type",
      "group.remote.assignor",
      "partition.assignment.strategy",
      "session.timeout.ms",
      "heartbeat.interval.ms",
      "max.poll.interval.ms",
      "coordinator.query.interval.ms",
      "share.acknowledgement.mode",
    ],
    why: "no consumer group is joined; partition p is read by worker p mod the number of workers",
  },
  {
    names: [
      "auto.commit.interval.ms",
      "enable.auto.offset.store",
      "offset.store.method",
      "offset.store.path",
      "offset.store.sync.interval.ms",
    ],
    why: "positions belong to an epoch, and are kept with it",
  },
  {
    names: ["queued.min.messages"],
    why: "what is read ahead is bounded by its bytes",
    instead: 'give "queued.max.messages.kbytes"',
  },
  {
    names: ["max.poll.records", "consume.callback.max.messages"],
    why: "the flow accepts records as it has room for them",
    instead: 'give "queued.max.messages.kbytes"',
  },
  {
    names: ["fetch.error.backoff.ms"],
    why: "there is one pause for all errors",
    instead: 'give "retry.backoff.ms"',
  },
  {
    names: ["fetch.queue.backoff.ms"],
    why: "reading continues as soon as there is room",
  },
  {
    names: ["receive.message.max.bytes"],
    why: "the limit on answers follows from the request",
    instead: 'give "fetch.max.bytes"',
  },
  {
    names: ["client.rack"],
    why: "reading from followers is not safe with KafkaJS, which does not return to the leader",
  },
  {
    names: ["enable.gapless.guarantee"],
    why: "it always holds, as a record that cannot be written ends the run",
  },
  {
    names: ["queue.buffering.backpressure.threshold", "sticky.partitioning.linger.ms"],
    why: "batches are made while another is on its way",
    instead: 'give "linger.ms" or "batch.size"',
  },
  {
    names: ["message.copy.max.bytes"],
    why: "it is about librdkafka's own memory",
  },
  {
    names: ["msg_order_cmp", "delivery.report.only.error", "produce.offset.report"],
    why: "the engine itself waits for acknowledgements, in order",
  },
  {
    names: ["partitioner_cb"],
    why: "a function for it is not supported",
    instead: 'give "partitioner", or partition in each record',
  },
  {
    names: [
      "sasl.kerberos.service.name",
      "sasl.kerberos.principal",
      "sasl.kerberos.kinit.cmd",
      "sasl.kerberos.keytab",
      "sasl.kerberos.min.time.before.relogin",
    ],
    why: "Kerberos is not supported",
    instead: 'give "sasl.mechanism" as PLAIN, SCRAM-SHA-256, SCRAM-SHA-512 or OAUTHBEARER',
  },
  {
    names: ["enable.sasl.oauthbearer.unsecure.jwt", "sasl.oauthbearer.config"],
    why: "tokens without a signature are not safe",
    instead: 'give "oauthbearer_token_refresh_cb"',
  },
  {
    names: [
      "sasl.oauthbearer.client.id",
      "sasl.oauthbearer.client.credentials.client.id",
      "sasl.oauthbearer.client.secret",
      "sasl.oauthbearer.client.credentials.client.secret",
      "sasl.oauthbearer.scope",
      "sasl.oauthbearer.extensions",
      "sasl.oauthbearer.token.endpoint.url",
      "sasl.oauthbearer.sub.claim.name",
      "sasl.oauthbearer.grant.type",
      "sasl.oauthbearer.assertion.algorithm",
      "sasl.oauthbearer.assertion.private.key.file",
      "sasl.oauthbearer.assertion.private.key.passphrase",
      "sasl.oauthbearer.assertion.private.key.pem",
      "sasl.oauthbearer.assertion.file",
      "sasl.oauthbearer.assertion.claim.aud",
      "sasl.oauthbearer.assertion.claim.exp.seconds",
      "sasl.oauthbearer.assertion.claim.iss",
      "sasl.oauthbearer.assertion.claim.jti.include",
      "sasl.oauthbearer.assertion.claim.nbf.seconds",
      "sasl.oauthbearer.assertion.claim.sub",
      "sasl.oauthbearer.assertion.jwt.template.file",
      "sasl.oauthbearer.metadata.authentication.type",
      "https.ca.location",
      "https.ca.pem",
    ],
    why: "tokens are not fetched for you",
    instead: 'give "oauthbearer_token_refresh_cb", a function that does',
  },
  {
    names: ["ssl.keystore.location", "ssl.keystore.password"],
    why: "PKCS#12 is not supported",
    instead: 'give "ssl.certificate.location" and "ssl.key.location", in PEM',
  },
  {
    names: ["ssl_key", "ssl_certificate", "ssl_ca", "ssl.ca.certificate.stores"],
    why: "keys and certificates are taken as PEM",
    instead: 'give "ssl.key.pem", "ssl.certificate.pem" or "ssl.ca.pem"',
  },
  {
    names: ["ssl.crl.location", "ssl.certificate.verify_cb"],
    why: "certificates are checked as Deno does it",
    instead: 'give "ssl.ca.location"',
  },
  {
    names: [
      "ssl.cipher.suites",
      "ssl.curves.list",
      "ssl.sigalgs.list",
      "ssl.engine.location",
      "ssl.engine.id",
      "ssl_engine_callback_data",
      "ssl.providers",
    ],
    why: "TLS is Deno's, which has no OpenSSL and offers no choice",
  },
  {
    names: [
      "socket.send.buffer.bytes",
      "socket.receive.buffer.bytes",
      "socket.blocking.max.ms",
      "socket.max.fails",
      "connections.max.idle.ms",
      "broker.address.ttl",
      "client.dns.lookup",
      "socket_cb",
      "connect_cb",
      "closesocket_cb",
      "open_cb",
      "resolve_cb",
    ],
    why: "sockets and names are left to Deno and KafkaJS, which have no setting for it",
  },
  {
    names: ["reconnect.backoff.jitter.ms"],
    why: "pauses are always randomised",
    instead: 'give "reconnect.backoff.ms"',
  },
  {
    names: [
      "metadata.recovery.rebootstrap.trigger.ms",
      "topic.metadata.refresh.fast.interval.ms",
      "topic.metadata.refresh.fast.cnt",
      "topic.metadata.propagation.max.ms",
    ],
    why: "after an error all metadata is fetched again",
    instead: 'give "retry.backoff.ms"',
  },
  {
    names: ["topic.blacklist"],
    why: "the config names its one topic",
  },
  {
    names: ["api.version.request.timeout.ms"],
    why: "there is one limit for all requests",
    instead: 'give "socket.timeout.ms"',
  },
  {
    names: ["api.version.fallback.ms", "broker.version.fallback"],
    why: "brokers that cannot be asked for their version are not supported",
  },
  {
    names: [
      "debug",
      "log_level",
      "log_cb",
      "log.queue",
      "log.thread.name",
      "log.connection.close",
    ],
    why: "a run has one log",
    instead: "use --log-level, such as --log-level debug",
  },
  {
    names: [
      "stats_cb",
      "error_cb",
      "throttle_cb",
      "background_event_cb",
      "enabled_events",
      "consume_cb",
      "rebalance_cb",
      "offset_commit_cb",
      "dr_cb",
      "dr_msg_cb",
      "opaque",
      "default_topic_conf",
    ],
    why: "Millrace has no callbacks: the engine reads, writes and reports",
  },
  {
    names: [
      "builtin.features",
      "plugin.library.paths",
      "interceptors",
      "enable.random.seed",
      "internal.termination.signal",
    ],
    why: "it is about librdkafka itself, which is not used",
  },
];
