/**
 * Makes KafkaJS measure request times and throttling with the monotonic clock.
 *
 * It uses `Date.now`. If the clock is set back, requests to a lost broker would never time out. A
 * throttled connection would then stand still until the clock has caught up. If it is set forward,
 * all requests under way would time out at once.
 *
 * @module
 */
import type RequestQueue from "./kafkajs_types.ts";
import type { SocketRequest } from "./kafkajs_types.ts";

/** How often requests that wait for others are checked, in milliseconds, as in KafkaJS. */
const CHECK_MS = 10;

/** How often requests under way are checked, at least, in milliseconds. */
const TIMEOUT_CHECK_MS = 100;

/**
 * Replaces the methods of KafkaJS's queues that look at the clock.
 *
 * One of them also set a timer with a negative delay at each response. That prints a warning, and
 * repeats each millisecond while the connection is open. The timer is only needed while the broker
 * throttles or requests wait.
 */
export function useMonotonicTime(prototype: RequestQueue): void {
  const sentAt = new WeakMap<SocketRequest, number>();
  const send = prototype.sendSocketRequest;

  Object.assign(
    prototype,
    {
      sendSocketRequest(request) {
        sentAt.set(request, performance.now());
        send.call(this, request);
      },

      scheduleRequestTimeoutCheck() {
        if (!this.enforceRequestTimeout) return;
        this.destroy();
        this.requestTimeoutIntervalId = setInterval(() => {
          const now = performance.now();
          for (const request of this.inflight.values()) {
            if (now - sentAt.get(request)! > request.requestTimeout) request.timeoutRequest();
          }
          if (!this.isConnected()) this.destroy();
        }, Math.min(this.requestTimeout, TIMEOUT_CHECK_MS));
      },

      maybeThrottle(ms) {
        if (typeof ms !== "number" || ms <= 0) return; // SASL answers have no such field
        this.throttledUntil = Math.max(this.throttledUntil, performance.now() + ms);
      },

      canSendSocketRequestImmediately() {
        const { maxInFlightRequests: most, inflight } = this;
        return inflight.size < (most ?? Infinity) && this.throttledUntil <= performance.now();
      },

      scheduleCheckPendingRequests() {
        const throttled = this.throttledUntil - performance.now();
        if (this.throttleCheckTimeoutId !== null) return;
        if (this.pending.length === 0 && throttled <= 0) return;
        this.throttleCheckTimeoutId = setTimeout(() => {
          this.throttleCheckTimeoutId = null;
          this.checkPendingRequests();
        }, throttled > 0 ? throttled : CHECK_MS);
      },

      destroy() {
        clearInterval(this.requestTimeoutIntervalId);
        clearTimeout(this.throttleCheckTimeoutId ?? undefined);
        this.throttleCheckTimeoutId = null;
      },
    } satisfies Partial<RequestQueue> & ThisType<RequestQueue>,
  );
}
