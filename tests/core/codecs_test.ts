import { assertEquals, assertInstanceOf, assertThrows } from "@std/assert";
import { json, text } from "../../mod.ts";

const bytes = (...values: number[]) => new Uint8Array(values);

Deno.test("text decodes what it encoded", () => {
  for (const value of ["", "grüße", "\ufeffmarked", "a\0b", "🎏"]) {
    assertEquals(text.decode(text.encode(value)), value);
  }
});

Deno.test("text and json refuse null, and explain what it means", () => {
  for (const decode of [text.decode, json.decode]) {
    assertThrows(
      () => decode(null),
      TypeError,
      "cannot decode null: the record has no key or is a tombstone",
    );
  }
});

Deno.test("text and json refuse bytes that are not UTF-8, and show them", () => {
  for (const decode of [text.decode, json.decode]) {
    const error = assertThrows(() => decode(bytes(0x22, 0xff, 0x22)), TypeError) as Error;
    assertEquals(
      error.message,
      "cannot decode bytes that are not UTF-8: bytes 0x22ff22",
    );
    assertInstanceOf(error.cause, TypeError);
  }
});

Deno.test("json decodes what it encoded", () => {
  for (const value of [null, true, 0, -1.5, "grüße", [1, [2]], { a: { b: null } }]) {
    assertEquals(json.decode(json.encode(value)), value);
  }
});

Deno.test("json refuses text that is not JSON, and shows it shortened", () => {
  const error = assertThrows(() => json.decode(text.encode("{user: 1}")), SyntaxError) as Error;
  assertEquals(error.message, `cannot decode "{user: 1}": it is not JSON`);
  assertInstanceOf(error.cause, SyntaxError);
  const long = assertThrows(
    () => json.decode(text.encode("x".repeat(5_000))),
    SyntaxError,
  ) as Error;
  assertEquals(long.message.length < 300, true);
  assertThrows(() => json.decode(bytes()), SyntaxError, `cannot decode "": it is not JSON`);
});

Deno.test("json refuses what JSON has no form for", () => {
  for (const value of [undefined, () => {}, Symbol("s")]) {
    assertThrows(() => json.encode(value), TypeError, "JSON has no form for it");
  }
  assertThrows(() => json.encode(1n), TypeError);
  const ring: unknown[] = [];
  ring.push(ring);
  assertThrows(() => json.encode(ring), TypeError);
});
