import { assertEquals } from "@std/assert";
import "../../../../src/connectors/kafka/client/kafkajs.ts"; // changes the queue
// @ts-types="../../../../src/connectors/kafka/client/kafkajs_types.ts"
import RequestQueue from "kafkajs/src/network/requestQueue/index.js";
import { Machine } from "../../../support/clock/machine.ts";

const HOUR = 3_600_000;

interface Queue extends RequestQueue {
  push(request: unknown): void;
  fulfillRequest(response: { correlationId: number; payload: null; size: number }): void;
}

/** A queue of KafkaJS whose requests time out after a second, with the outcome of requests. */
function queueOf(maxInFlightRequests: number | null = null) {
  const said: string[] = [];
  const create = RequestQueue as unknown as new (options: unknown) => Queue;
  const queue = new create({
    maxInFlightRequests,
    requestTimeout: 1_000,
    enforceRequestTimeout: true,
    clientId: "test",
    broker: "broker:9092",
    logger: { debug: () => {}, warn: () => {} },
  });
  queue.scheduleRequestTimeoutCheck();
  return {
    queue,
    said,
    push: (correlationId: number) =>
      queue.push({
        entry: {
          correlationId,
          apiName: "Metadata",
          resolve: () => said.push(`${correlationId} answered`),
          reject: (error: Error) => said.push(`${correlationId} ${error.name}`),
        },
        expectResponse: true,
        sendRequest: () => said.push(`${correlationId} sent`),
      }),
    answer: (correlationId: number) =>
      queue.fulfillRequest({ correlationId, payload: null, size: 0 }),
  };
}

for (const set of [-HOUR, HOUR]) {
  const how = set < 0 ? "back" : "forward";

  Deno.test(`a request to a broker times out in time though the clock is set ${how}`, () => {
    using machine = new Machine();
    const { queue, said, push } = queueOf();
    push(1);
    machine.pass(500);
    machine.set = set;
    machine.pass(400);
    assertEquals(said, ["1 sent"]);
    machine.pass(300);
    assertEquals(said, ["1 sent", "1 KafkaJSRequestTimeoutError"]);
    queue.destroy();
  });

  Deno.test(`a broker throttles for as long as it says though the clock is set ${how}`, () => {
    using machine = new Machine();
    const { queue, said, push, answer } = queueOf();
    queue.maybeThrottle(800);
    push(1);
    machine.pass(300);
    machine.set = set;
    push(2);
    machine.pass(499);
    assertEquals(said, []);
    machine.pass(1);
    assertEquals(said, ["1 sent", "2 sent"]);
    answer(1);
    answer(2);
    queue.destroy();
  });
}

Deno.test("requests wait for those under way, and no timer runs once none waits", () => {
  using machine = new Machine();
  const { queue, said, push, answer } = queueOf(1);
  push(1);
  push(2);
  assertEquals(said, ["1 sent"]);
  answer(1);
  assertEquals(said, ["1 sent", "2 sent", "1 answered"]);
  machine.pass(100);
  assertEquals(queue.throttleCheckTimeoutId, null);
  answer(2);
  assertEquals(queue.throttleCheckTimeoutId, null);
  queue.destroy();
});

for (const ms of [undefined, null, 0, -1]) {
  Deno.test(`a broker that says ${ms} of throttling does not throttle`, () => {
    using _machine = new Machine();
    const { queue, said, push } = queueOf();
    queue.maybeThrottle(ms);
    push(1);
    assertEquals(said, ["1 sent"]);
    queue.destroy();
  });
}
