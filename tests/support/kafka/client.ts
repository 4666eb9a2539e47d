/** How the helpers for Kafka set up KafkaJS. */
import { Kafka, logLevel } from "kafkajs";
import RequestQueue from "kafkajs/src/network/requestQueue/index.js";

/** The parts of KafkaJS 2.2.4's request queue that the repair below needs. */
interface RequestQueueInternals {
  pending: unknown[];
  scheduleCheckPendingRequests(): void;
}

/**
 * KafkaJS sets a timer after every answer, even with nothing pending, for a time before 1970. It
 * fires at once and sets the next one, some thousand times a second on each open connection. Deno
 * then prints a TimeoutNegativeWarning within the test output. (tulios/kafkajs#1751)
 */
const queue = RequestQueue.prototype as RequestQueueInternals;
const schedule = queue.scheduleCheckPendingRequests;
queue.scheduleCheckPendingRequests = function (): void {
  if (this.pending.length > 0) schedule.call(this);
};

/** A client that prints nothing, and retries quickly, as the broker is on this machine. */
export function kafkaClient(brokers: string[]): Kafka {
  return new Kafka({
    brokers,
    clientId: "millrace-tests",
    logLevel: logLevel.NOTHING,
    connectionTimeout: 10_000,
    requestTimeout: 5_000,
    retry: { initialRetryTime: 10, maxRetryTime: 250, retries: 20 },
  });
}
