import { assertEquals, assertRejects } from "@std/assert";
import { Backoff, Outage } from "../../../../src/connectors/kafka/client/backoff.ts";
import { connectionSettings } from "../../../../src/connectors/kafka/properties/connection_settings.ts";
import { givenToInput } from "../../../../src/connectors/kafka/properties/given_properties.ts";
import { errorOfCode } from "../../../../src/connectors/kafka/wire/error_codes.ts";
import { TestClock } from "../../../support/clock/test_clock.ts";

const UNKNOWN_TOPIC_OR_PARTITION = 3;

/** An outage that records its calls. */
function noted() {
  const clock = new TestClock();
  const said: string[] = [];
  const outage = new Outage(
    (error, what) => said.push(`waiting for ${what}: ${(error as Error).message}`),
    (what) => said.push(`${what} is back`),
  );
  const backoff = () =>
    new Backoff(connectionSettings(givenToInput({})), new AbortController().signal, outage, clock);
  return { said, outage, backoff, clock };
}

Deno.test("a request without an answer for ten seconds is logged once, and is over when the answer comes", async () => {
  const { said, outage, backoff, clock } = noted();
  const one = backoff();
  const request = Promise.withResolvers<string>();
  const answer = one.answerTo(request.promise, 500);
  clock.advance(10_499);
  assertEquals([said, outage.waitingFor], [[], null]);
  clock.advance(1);
  const line = "waiting for broker: no answer for 10.5 s: is the broker in reach, or does it hang?";
  assertEquals([said, outage.waitingFor], [[line], "broker"]);
  request.resolve("answer");
  assertEquals(await answer, "answer");
  one.over();
  assertEquals([said, outage.waitingFor], [[line, "broker is back"], null]);
});

Deno.test("a request that is answered or fails in time causes no line of log, then or later", async () => {
  const { said, backoff, clock } = noted();
  assertEquals(await backoff().answerTo(Promise.resolve(1)), 1);
  await assertRejects(() => backoff().answerTo(Promise.reject(new Error("away"))), Error, "away");
  clock.advance(60_000);
  assertEquals(said, []);
});

Deno.test("the log names a missing topic as the cause of waiting, even after a missing broker", () => {
  const { said, outage, backoff } = noted();
  const [one, other] = [backoff(), backoff()];
  const missing = errorOfCode(UNKNOWN_TOPIC_OR_PARTITION);
  outage.add(one, new Error("away"));
  outage.add(other, new Error("away"));
  outage.add(one, missing);
  assertEquals(outage.waitingFor, "broker"); // the other still does
  outage.add(other, missing);
  assertEquals(outage.waitingFor, "topic");
  outage.add(other, new Error("away")); // says nothing of the topic
  one.over();
  assertEquals(outage.waitingFor, "topic");
  other.over();
  assertEquals(outage.waitingFor, null);
  assertEquals(said, [
    "waiting for broker: away",
    `waiting for topic: ${missing.message}`,
    "broker is back",
    "topic is back",
  ]);
});

/** Two that have waited for a broker for more than a moment. */
function waiting() {
  const { said, outage, backoff } = noted();
  const both = [backoff(), backoff()];
  for (const each of both) outage.add(each, new Error("away"));
  return { said, outage, both };
}

Deno.test("what is given up is not reported as back, before others succeed or after that", () => {
  for (const ends of [["giveUp", "giveUp"], ["over", "giveUp"]] as const) {
    const { said, outage, both } = waiting();
    ends.forEach((end, i) => both[i][end]());
    assertEquals([said, outage.waitingFor], [["waiting for broker: away"], null]);
  }
  const { said, both: [one, other] } = waiting();
  one.giveUp();
  other.over();
  assertEquals(said, ["waiting for broker: away", "broker is back"]);
});
