/**
 * When a connection authenticates again. A broker ends a session with its token, or after its
 * `connections.max.reauth.ms`.
 *
 * KafkaJS authenticates again 10 seconds before the end. To it, a shorter session is never valid,
 * so it would authenticate before each request. Brokers refuse that within a second, with an error
 * that claims that they have no SASL.
 * @module
 */
import process from "node:process";
// @ts-types="./kafkajs_connection_types.ts"
import Connection from "kafkajs/src/network/connection.js";

/** How long before its end a session is renewed, in milliseconds. */
const AHEAD_MS = 10_000;

/**
 * The part of a short session that is left when it is renewed. Java's client waits for 85 to 95 %.
 */
const AHEAD_PART = 0.15;

/** Brokers refuse to authenticate again within a second; this is twice that, as clocks differ. */
const SHORTEST_MS = 2_000;

/**
 * After how long a session is renewed, in milliseconds. A session that is over by then is not
 * renewed. The broker then closes the connection, and the next one begins with a new token.
 */
export function renewAfter(lifetimeMs: number): number {
  return Math.max(SHORTEST_MS, lifetimeMs - Math.min(AHEAD_MS, AHEAD_PART * lifetimeMs));
}

/** Makes all connections of KafkaJS renew their sessions in time. */
export function renewSessionsInTime(): void {
  Connection.prototype.isAuthenticated = function (this: Connection): boolean {
    if (this.authenticatedAt === null) return false;
    const lifetimeMs = Number(this.sessionLifetime);
    if (lifetimeMs === 0) return true; // the broker sets no end
    const [seconds, nanoseconds] = process.hrtime(this.authenticatedAt);
    return 1000 * seconds + nanoseconds / 1e6 < renewAfter(lifetimeMs);
  };
}
