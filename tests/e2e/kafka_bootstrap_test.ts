import {
  assert,
  assertEquals,
  assertMatch,
  assertRejects,
  assertStringIncludes,
} from "@std/assert";
import { KafkaInputConfig, KafkaOutputConfig, KafkaRecoveryConfig } from "millrace";
import { KafkaConnection } from "../../src/connectors/kafka/client/connection.ts";
import { readInputProperties } from "../../src/connectors/kafka/properties/input_settings.ts";
import { startCli } from "../support/cli.ts";
import { eventually } from "../support/eventually.ts";
import { createTopic, kafkaBrokers, produce } from "../support/kafka/kafka.ts";
import { asText, collect, within } from "../support/kafka/reading.ts";
import { testPlace } from "../support/runtime/test_place.ts";

/** A broker that accepts connections and never answers, like one that hangs. */
class SilentBroker implements Disposable {
  readonly #listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  readonly #conns: Deno.Conn[] = [];

  constructor() {
    void this.#accept();
  }

  get address(): string {
    return `127.0.0.1:${(this.#listener.addr as Deno.NetAddr).port}`;
  }

  /** How many connections it has accepted. */
  get taken(): number {
    return this.#conns.length;
  }

  async #accept(): Promise<void> {
    for await (const conn of this.#listener) this.#conns.push(conn);
  }

  [Symbol.dispose](): void {
    this.#listener.close();
    for (const conn of this.#conns) conn.close();
  }
}

for (const first of ["a silent broker", "a good broker"]) {
  Deno.test(`KafkaInputConfig and KafkaOutputConfig start soon with two brokers, ${first} first`, async () => {
    using silent = new SilentBroker();
    const [good] = await kafkaBrokers();
    const topic = await createTopic([good]);
    await produce([good], topic, [{ value: "v" }]);
    const brokers = first === "a silent broker" ? [silent.address, good] : [good, silent.address];
    const begun = performance.now();
    const items = await collect(new KafkaInputConfig({ brokers, topic, tail: false }));
    assertEquals(items.map(([, value]) => asText(value)), ["v"]);
    const writer = await new KafkaOutputConfig({ brokers, topic }).open(testPlace());
    await writer.close();
    assert(performance.now() - begun < 5_000);
    assertEquals(silent.taken > 0, first === "a silent broker");
  });
}

Deno.test("a Kafka connection gives up in time, whatever does not answer", async () => {
  using silent = new SilentBroker();
  const [good] = await kafkaBrokers();
  const { signal } = new AbortController();
  const limit = { limitMs: 300 };
  const never = () => new Promise<never>(() => {});
  for (
    const [broker, ask, reason] of [
      [silent.address, never, `${silent.address} accepts connections, but did not answer`],
      [good, never, "the brokers do not answer"],
    ] as const
  ) {
    const options = { log: testPlace().log, signal };
    const connection = new KafkaConnection([broker], [], readInputProperties(), options);
    const begun = performance.now();
    const error = await assertRejects(() => connection.open(ask, limit), Error);
    await connection.close();
    assert(performance.now() - begun < 3_000);
    assertStringIncludes(error.message, `no Kafka broker in reach at ${broker} within 0.3 s`);
    assertStringIncludes(error.message, reason);
  }
});

for (const what of ["input", "output"] as const) {
  Deno.test(`a Kafka ${what} that waits for a broker ends when the run does`, async () => {
    using silent = new SilentBroker();
    const stop = new AbortController();
    const at = testPlace({ signal: stop.signal });
    const options = { brokers: [silent.address], topic: "t" };
    const opening = what === "input"
      ? new KafkaInputConfig(options).open(at, new Map())
      : new KafkaOutputConfig(options).open(at);
    const ended = assertRejects(() => opening, Error, "the run ended before");
    await eventually(() => silent.taken > 0, "it has connected");
    stop.abort();
    await within(ended, "it ended");
  });
}

Deno.test("a store on Kafka that waits for a broker ends with the run", async () => {
  using silent = new SilentBroker();
  const stop = new AbortController();
  const config = new KafkaRecoveryConfig({ brokers: [silent.address], topicPrefix: "p" });
  const ended = assertRejects(() => config.open("flow", undefined, stop.signal), Error);
  await eventually(() => silent.taken > 0, "it has connected");
  stop.abort();
  await within(ended, "it ended");
});

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  Deno.test(`${signal} ends a flow at once that waits for a broker at its start`, async () => {
    using silent = new SilentBroker();
    const flow = "tests/e2e/flows/kafka_counts.ts";
    await using cli = startCli([flow, "--", silent.address, "from", "to"], { deadlineMs: 15_000 });
    await eventually(() => silent.taken > 0, "it has connected");
    const begun = performance.now();
    cli.kill(signal);
    const { code, stderr } = await cli.finished();
    assertEquals(code, 0, stderr);
    assert(performance.now() - begun < 4_000);
  });
}

Deno.test("topics that do not exist are named, and no others", async () => {
  const brokers = await kafkaBrokers();
  const topic = await createTopic(brokers);
  const input = new KafkaInputConfig({ brokers, topic: ["not-1", topic, "not-2"] });
  const error = await assertRejects(() => collect(input), Error);
  assertMatch(error.message, /topics "not-1", "not-2" do not exist on /);
});
