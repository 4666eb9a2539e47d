import { assertEquals, assertThrows } from "@std/assert";
import { decodeUtf8, encodeUtf8 } from "../../src/core/utf8.ts";

/** Texts of each number of bytes a character, and of lengths around those of shared buffers. */
const TEXTS = ["", "a", "é", "漢", "🎏", "aé漢🎏", "\ufeffmarked", "a\0b", "\ufffd", "\ud800 alone"]
  .flatMap((text) => [text, text.repeat(100), text.repeat(1_024), text.repeat(1_025)]);

Deno.test("encodeUtf8() returns what TextEncoder does", () => {
  const encoder = new TextEncoder();
  for (const text of TEXTS) {
    assertEquals(encodeUtf8(text), encoder.encode(text), text.slice(0, 20));
  }
});

Deno.test("no text changes the bytes of another", () => {
  const texts = Array.from({ length: 5_000 }, (_, i) => `${i}${"é".repeat(i % 7)}`.repeat(i % 90));
  const encoded = texts.map(encodeUtf8);
  encoded.forEach((bytes, i) => assertEquals(decodeUtf8(bytes), texts[i]));
});

Deno.test("a small text keeps no more than a few kilobytes in memory", () => {
  for (const text of ["a", "é", "x".repeat(1_024), "漢".repeat(1_024)]) {
    assertEquals(encodeUtf8(text).buffer.byteLength <= 4_096, true);
  }
});

Deno.test("decodeUtf8() returns the text, also of a part of a buffer", () => {
  const encoder = new TextEncoder();
  for (const text of TEXTS) {
    const whole = encoder.encode(`<${text}>`);
    assertEquals(decodeUtf8(whole.subarray(1, -1)), text.toWellFormed());
  }
});

Deno.test("decodeUtf8() refuses bytes that are not UTF-8", () => {
  for (const bytes of [[0xff], [0x61, 0xc3], [0xed, 0xa0, 0x80], [0xef, 0xbf, 0xbd, 0x80]]) {
    assertThrows(() => decodeUtf8(new Uint8Array(bytes)), TypeError);
  }
});
