import { assertEquals, assertMatch, assertStrictEquals, assertThrows } from "@std/assert";
import { FlowMeters } from "../../src/graph/meters.ts";

Deno.test("a counter adds up by labels, and reads 0 before", () => {
  const counter = new FlowMeters().of("check").counter("refused_total", { labels: ["reason"] });
  assertEquals(counter.value({ reason: "limit" }), 0);
  counter.add(1, { reason: "limit" });
  counter.add(2.5, { reason: "limit" });
  counter.add(1, { reason: "closed" });
  counter.add(1);
  assertEquals([counter.value({ reason: "limit" }), counter.value({ reason: "closed" })], [3.5, 1]);
  assertEquals([counter.value(), counter.value({ reason: "" })], [1, 1]);
});

Deno.test("labels are told apart whatever is in their values", () => {
  const counter = new FlowMeters().of("s").counter("n_total", { labels: ["a", "b"] });
  counter.add(1, { a: "x", b: "" });
  counter.add(2, { a: "", b: "x" });
  counter.add(4, { b: "x,y", a: 1 });
  assertEquals(counter.value({ a: "x" }), 1);
  assertEquals(counter.value({ b: "x" }), 2);
  assertEquals(counter.value({ a: "1", b: "x,y" }), 4);
});

Deno.test("a gauge is what it was set to last", () => {
  const gauge = new FlowMeters().of("cache").gauge("cache_bytes");
  assertEquals(gauge.value(), null);
  gauge.set(7);
  gauge.set(-2);
  assertEquals(gauge.value(), -2);
});

Deno.test("a histogram counts values up to and with the bound of a bucket", () => {
  const meters = new FlowMeters();
  const histogram = meters.of("lookup").histogram("lookup_seconds", { buckets: [1, 2] });
  for (const value of [0.5, 1, 1.5, 2, 9]) histogram.record(value);
  assertEquals(histogram.value(), { count: 5, sum: 14 });
  const [{ series }] = meters.read();
  assertEquals(series, [{ labels: [], value: 14, counts: [2, 2, 1] }]);
});

Deno.test("a metric that is asked for again is the same one", () => {
  const meters = new FlowMeters();
  const first = meters.of("a").counter("n_total", { help: "All.", labels: ["x"] });
  assertStrictEquals(meters.of("a").counter("n_total"), first);
  assertStrictEquals(meters.of("a").counter("n_total", { help: "All.", labels: ["x"] }), first);
  const other = meters.of("b").counter("n_total");
  other.add(1, { x: "y" }); // it has the same labels
  assertEquals([first.value({ x: "y" }), other.value({ x: "y" })], [0, 1]);
});

Deno.test("a name that is another metric already is refused, with both steps", () => {
  const meters = new FlowMeters();
  meters.of("a").gauge("size");
  assertThrows(
    () => meters.of("b").gauge("size", { labels: ["kind"] }),
    Error,
    'metric "size" of step "b" is a gauge with labels kind, but step "a" has it as a gauge with no ' +
      "labels: give one of them another name",
  );
  assertThrows(() => meters.of("a").histogram("size"), Error, 'but step "a" has it as a gauge');
});

Deno.test("a name that Prometheus would not take is refused, with step and cure", () => {
  const meter = new FlowMeters().of("check");
  const wrong: [() => unknown, string][] = [
    [() => meter.counter("refused"), 'call it "refused_total"'],
    [() => meter.counter("re-fused_total"), "a name has letters, digits"],
    [() => meter.counter("2_total"), "does not begin with a digit"],
    [() => meter.gauge("open_total"), 'ends in "_total"'],
    [() => meter.histogram("size_sum"), 'ends in "_sum"'],
    [() => meter.gauge("open", { labels: ["le"] }), 'the label "le" is taken'],
    [() => meter.gauge("open", { labels: ["worker"] }), 'the label "worker" is taken'],
    [() => meter.gauge("open", { labels: ["__x"] }), "begins neither"],
    [() => meter.gauge("open", { labels: ["a-b"] }), "a label has letters"],
    [() => meter.gauge("open", { labels: ["a", "a"] }), "a label twice"],
    [() => meter.counter("n_total", { label: ["a"] } as never), "Did you mean labels?"],
  ];
  for (const [make, cure] of wrong) {
    const { message } = assertThrows(make, TypeError, cure);
    assertEquals(message.includes('of step "check"'), true, message);
  }
  assertThrows(() => meter.histogram("size", { buckets: [2, 1] }), RangeError, "ascend");
  assertThrows(() => meter.histogram("size", { buckets: [] }), RangeError, "ascend");
});

Deno.test("a value that cannot be counted, or has a label that is not there, is refused", () => {
  const meter = new FlowMeters().of("check");
  const counter = meter.counter("n_total", { labels: ["a"] });
  const refused = 'counter "n_total" of step "check" takes numbers from 0 on; got ';
  assertThrows(() => counter.add(-1), RangeError, `${refused}-1`);
  assertThrows(() => counter.add(NaN), RangeError, `${refused}NaN`);
  assertThrows(() => counter.add(Infinity), RangeError, `${refused}Infinity`);
  assertThrows(() => meter.gauge("g").set(NaN), RangeError, "takes finite numbers; got NaN");
  assertThrows(
    () => counter.add(1, { b: "x" } as never),
    TypeError,
    'counter "n_total" of step "check" has the labels a, and not "b"',
  );
});

Deno.test("with more than a thousand sets of labels, further ones are one, and are warned of once", () => {
  const meters = new FlowMeters();
  const counter = meters.of("check").counter("n_total", { labels: ["id", "kind"] });
  for (let id = 0; id < 1_200; id++) counter.add(1, { id, kind: "k" });
  counter.add(1, { id: 5, kind: "k" });
  assertEquals(counter.value({ id: 5, kind: "k" }), 2);
  assertEquals(counter.value({ id: 1_100, kind: "k" }), 0);
  assertEquals(counter.value({ id: "other", kind: "other" }), 200);
  const [{ series }] = meters.read();
  assertEquals(series.reduce((sum, { value }) => sum + value, 0), 1_201);
  const warnings: string[] = [];
  meters.warn = (text) => void warnings.push(text);
  counter.add(1, { id: "new", kind: "k" });
  assertEquals(warnings.length, 1);
  assertEquals(warnings[0].startsWith('metric "n_total" of step "check" has more than 1000'), true);
});

Deno.test("all metrics together keep ten thousand sets of labels", () => {
  const meters = new FlowMeters();
  const warnings: string[] = [];
  meters.warn = (text) => void warnings.push(text);
  for (let n = 0; n < 11; n++) {
    const counter = meters.of("check").counter(`n${n}_total`, { labels: ["id"] });
    for (let id = 0; id < 950; id++) counter.add(1, { id });
  }
  const counts = meters.read().map(({ series }) => series.length);
  assertEquals(counts, [...Array.from({ length: 10 }, () => 950), 501]);
  assertEquals(meters.of("check").counter("n10_total").value({ id: "other" }), 450);
  meters.of("check").counter("plain_total").add(1); // without labels there is always room
  assertEquals(meters.of("check").counter("plain_total").value(), 1);
  assertEquals(warnings.length, 1);
  assertMatch(
    warnings[0],
    /^with metric "n10_total" of step "check", the flow has more than 10000/,
  );
});

Deno.test("the value of a label is cut where it is too long to be one", () => {
  const meters = new FlowMeters();
  const counter = meters.of("check").counter("n_total", { labels: ["url"] });
  const pair = meters.of("check").counter("m_total", { labels: ["url", "kind"] });
  const long = "x".repeat(198) + "🙂";
  for (const url of ["y".repeat(200), long + "a", long + "b"]) {
    counter.add(1, { url });
    pair.add(1, { url, kind: "k" });
  }
  assertEquals(counter.value({ url: long + "c" }), 2);
  assertEquals(pair.value({ url: long + "c", kind: "k" }), 2);
  const urls = meters.read().map(({ series }) => series.map(({ labels: [url] }) => url));
  const shown = ["y".repeat(200), "x".repeat(198) + "\ufffd…"];
  assertEquals(urls, [shown, shown]);
});
