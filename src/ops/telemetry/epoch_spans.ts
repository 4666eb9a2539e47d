/**
 * Epochs as spans.
 *
 * @module
 */
import { type Link, ROOT_CONTEXT, type Tracer } from "@opentelemetry/api";
import type { EpochSpan } from "./messages.ts";
import { spanContextOf } from "./traceparent.ts";

/** Records a span for an epoch, from its first item to its commit. */
export function recordEpoch(tracer: Tracer, told: EpochSpan): void {
  const { flow, epoch, begun, closing, committed, traces } = told;
  const links = traces.map((trace) => spanContextOf(trace)).filter((context) => context !== null)
    .map((context): Link => ({ context }));
  const attributes = { "millrace.flow": flow, "millrace.epoch": epoch };
  const span = tracer.startSpan("epoch", { startTime: begun, attributes, links }, ROOT_CONTEXT);
  span.addEvent("closing", closing);
  span.end(committed);
}
