import { assertEquals, assertThrows } from "@std/assert";
import { decodeAnyUtf8, decodeUtf8, encodeUtf8 } from "../../src/core/utf8.ts";

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

Deno.test("decodeUtf8() does with any few bytes what a strict decoder does", () => {
  const strict = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });
  // Parts of characters of each length, and bytes that are in none, in all orders.
  const parts = [
    0x41,
    0x80,
    0xbf,
    0xc2,
    0xe0,
    0xa0,
    0xed,
    0xef,
    0xbb,
    0xbd,
    0xf0,
    0x9f,
    0xf4,
    0xff,
  ];
  let refused = 0;
  for (let i = 0; i < parts.length ** 4; i++) {
    const digit = (n: number) => parts[Math.floor(i / parts.length ** n) % parts.length];
    const bytes = new Uint8Array([digit(0), digit(1), digit(2), digit(3)]);
    let text: string | null = null;
    try {
      text = strict.decode(bytes);
    } catch {
      refused++;
    }
    if (text === null) assertThrows(() => decodeUtf8(bytes), TypeError);
    else assertEquals(decodeUtf8(bytes), text);
  }
  assertEquals(refused > 0 && refused < parts.length ** 4, true);
});

Deno.test("decodeAnyUtf8() replaces what is not UTF-8, as TextDecoder does", () => {
  const decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  const broken = [[0xff], [0x61, 0xc3], [0xc3, 0x61], [0xed, 0xa0, 0x80], [0xf0, 0x9f, 0x98, 0x61]];
  for (const text of TEXTS) {
    const bytes = new TextEncoder().encode(`<${text}>`);
    assertEquals(decodeAnyUtf8(bytes, 1, bytes.length - 1), text.toWellFormed());
    for (const wrong of broken) {
      const all = new Uint8Array([...wrong, ...bytes, ...wrong]);
      assertEquals(decodeAnyUtf8(all, 0, all.length), decoder.decode(all));
    }
  }
});
