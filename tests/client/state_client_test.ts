import { assertEquals, assertInstanceOf, assertRejects } from "@std/assert";
import {
  type AsJson,
  NoStepError,
  StateAccessError,
  stateClient,
  StateError,
  StateUnavailableError,
} from "millrace/client";
import { serveApi } from "../../src/ops/server.ts";
import { stateRun, type States } from "../support/ops/state_run.ts";

interface Totals {
  readonly count: bigint;
  readonly since: Date;
  readonly byDay: Map<string, number>;
}

const ADA: Totals = { count: 3n, since: new Date(0), byDay: new Map([["mon", 2]]) };
const ADA_JSON: AsJson<Totals> = {
  count: "3",
  since: "1970-01-01T00:00:00.000Z",
  byDay: [["mon", 2]],
};

/** A port of a run with these states. */
async function port(of: States | null, options: { port?: number; token?: string } = {}) {
  const states = { of };
  const server = await serveApi({ port: 0, ...options }, stateRun(states));
  return {
    states,
    url: server.url,
    client: stateClient(server.url, options),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

Deno.test("a client returns steps and states, whatever they are called", async () => {
  const odd = "a/b?c#d%25 \n";
  await using at = await port({ total: { ada: ADA, "": 1, [odd]: 2, "..": 3 }, [odd]: { x: 4 } });
  assertEquals(await at.client.steps(), [{ step: "total", keys: 4 }, { step: odd, keys: 1 }]);
  const total = at.client.step<Totals>("total");
  assertEquals(await total.get("ada"), ADA_JSON);
  const numbers = at.client.step<number>("total");
  for (const [key, value] of [["", 1], [odd, 2], ["..", 3]] as const) {
    assertEquals(await numbers.get(key), value);
  }
  assertEquals(await at.client.step(odd).get("x"), 4);
  assertEquals(await total.get("bob"), undefined);
});

Deno.test("a key with half a character is refused, as a URL would have another in its place", async () => {
  const of = Object.fromEntries([["\ud800", 1], ["\ufffd", 2]]);
  await using at = await port({ total: of });
  const total = at.client.step<number>("total");
  for (const ask of [total.get("\ud800"), Array.fromAsync(total.watch("a\udc00"))]) {
    await assertRejects(() => ask, TypeError, "list the keys");
  }
  assertEquals(await total.get("\ufffd"), 2);
  const [keys] = await Array.fromAsync(total.keys());
  assertEquals(keys.map(({ key }) => key).toSorted(), ["\ud800", "\ufffd"]);
});

Deno.test("a client returns all keys, page by page", async () => {
  const keys = Array.from({ length: 25 }, (_, i) => `key ${i}`);
  await using at = await port({ total: Object.fromEntries(keys.map((key, i) => [key, i])) });
  for (const limit of [1, 10, 25, 1_000]) {
    const pages = await Array.fromAsync(at.client.step<number>("total").keys({ limit }));
    assertEquals(pages.every(({ length }) => length > 0 && length <= limit), true);
    const values = new Map(pages.flat().map(({ key, value }) => [key, value]));
    assertEquals([pages.flat().length, values.size], [25, 25]);
    assertEquals(values.get("key 7"), 7);
  }
  const [[first]] = await Array.fromAsync(at.client.step<number>("total").keys());
  assertEquals([first.text, typeof first.worker], [String(first.value), "number"]);
  await assertRejects(
    () => Array.fromAsync(at.client.step("total").keys({ limit: 1_001 })),
    StateError,
    "limit must be a whole number from 1 to 1000",
  );
});

Deno.test("errors have a class and the status of the answer", async () => {
  await using at = await port({ total: { bad: new Error("no class instances"), ada: 1 } });
  await using closed = await port({}, { token: "right" });
  await using away = await port(null);
  const cases: [() => Promise<unknown>, typeof StateError, number][] = [
    [() => at.client.step("totals").get("ada"), NoStepError, 404],
    [() => Array.fromAsync(at.client.step("totals").keys()), NoStepError, 404],
    [() => Array.fromAsync(at.client.step("totals").watch("ada")), NoStepError, 404],
    [() => at.client.step("total").get("bad"), StateError, 200],
    [() => Array.fromAsync(at.client.step("total").watch("bad")), StateError, 200],
    [() => stateClient(closed.url).steps(), StateAccessError, 401],
    [() => Array.fromAsync(stateClient(closed.url).step("a").watch("k")), StateAccessError, 401],
    [() => stateClient(closed.url, { token: "wrong" }).steps(), StateAccessError, 401],
    [() => away.client.steps(), StateUnavailableError, 503],
    [() => stateClient("http://127.0.0.1:1").steps(), StateUnavailableError, 0],
    [
      () => stateClient(at.url, { fetch: () => Promise.resolve(new Response("<html>")) }).steps(),
      StateError,
      200,
    ],
  ];
  for (const [work, kind, status] of cases) {
    const error = await assertRejects(work, StateError);
    assertInstanceOf(error, kind);
    assertEquals([error.name, error.status], [kind.name, status]);
  }
  assertEquals(await closed.client.steps(), []);
});

Deno.test("a watch returns the state now and each change, and ends with its signal", async () => {
  await using at = await port({ total: { ada: 1 } });
  const stop = new AbortController();
  const changes = at.client.step<number>("total").watch("ada", { signal: stop.signal });
  const iterator = changes[Symbol.asyncIterator]();
  assertEquals((await iterator.next()).value, 1);
  at.states.of = { total: { ada: 2 } };
  assertEquals((await iterator.next()).value, 2);
  at.states.of = { total: {} };
  assertEquals(await iterator.next(), { value: undefined, done: false });
  at.states.of = { total: { ada: 3 } };
  assertEquals((await iterator.next()).value, 3);
  const last = iterator.next();
  stop.abort();
  assertEquals(await last, { value: undefined, done: true });
});

Deno.test("a watch goes on when the port comes back, without saying the same again", async () => {
  const stop = new AbortController();
  const first = await port({ total: { ada: 1 } });
  const iterator = first.client.step<number>("total").watch("ada", { signal: stop.signal })
    [Symbol.asyncIterator]();
  assertEquals((await iterator.next()).value, 1);
  const next = iterator.next();
  await first[Symbol.asyncDispose](); // the stream ends, or the port would not close
  {
    await using again = await port({ total: { ada: 1 } }, {
      port: Number(new URL(first.url).port),
    });
    // It has asked once it is told of a change; the state of before is not returned again.
    again.states.of = { total: { ada: 2 } };
    assertEquals((await next).value, 2);
  }
  const last = iterator.next();
  stop.abort();
  assertEquals((await last).done, true);
});

Deno.test("a watch that is left closes its connection", async () => {
  await using at = await port({ total: { ada: 1 } });
  for await (const value of at.client.step<number>("total").watch("ada")) {
    assertEquals(value, 1);
    break;
  }
});

Deno.test("a request ends with its signal", async () => {
  const stop = new AbortController();
  const client = stateClient("http://127.0.0.1:1", {
    fetch: (_url, { signal }) =>
      new Promise((_, reject) => signal!.addEventListener("abort", () => reject(signal!.reason))),
  });
  const asked = client.step("total").get("ada", { signal: stop.signal });
  stop.abort();
  await assertRejects(() => asked, DOMException);
});
