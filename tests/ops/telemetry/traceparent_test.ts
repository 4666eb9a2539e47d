import { assertEquals } from "@std/assert";
import { spanContextOf } from "../../../src/ops/telemetry/traceparent.ts";

const TRACE = "0af7651916cd43dd8448eb211c80319c";
const SPAN = "b7ad6b7169203331";

Deno.test("a traceparent names a span", () => {
  assertEquals(spanContextOf(`00-${TRACE}-${SPAN}-01`), {
    traceId: TRACE,
    spanId: SPAN,
    traceFlags: 1,
    isRemote: true,
  });
});

Deno.test("a traceparent of a later version may have more at its end", () => {
  assertEquals(spanContextOf(`01-${TRACE}-${SPAN}-00-more`)?.spanId, SPAN);
});

Deno.test("what is not a traceparent names nothing", () => {
  const wrong = [
    "",
    "00",
    `ff-${TRACE}-${SPAN}-01`,
    `00-${TRACE}-${SPAN}-01-more`,
    `00-${TRACE}-${SPAN}`,
    `00-${"0".repeat(32)}-${SPAN}-01`,
    `00-${TRACE}-${"0".repeat(16)}-01`,
    `00-${TRACE.toUpperCase()}-${SPAN}-01`,
  ];
  for (const text of wrong) assertEquals(spanContextOf(text), null, text);
});
