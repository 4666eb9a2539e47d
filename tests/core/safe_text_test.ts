import { assertEquals } from "@std/assert";
import { oneLine, safeLines } from "../../src/core/safe_text.ts";

/** Characters that a terminal acts upon, and how they are shown. */
const UNSAFE: readonly [character: string, shown: string][] = [
  ["\0", "\\u0000"],
  ["\x07", "\\u0007"], // rings
  ["\b", "\\u0008"],
  ["\v", "\\u000b"],
  ["\f", "\\u000c"],
  ["\r", "\\r"],
  ["\x1b", "\\u001b"],
  ["\x7f", "\\u007f"],
  ["\x85", "\\u0085"], // a line end
  ["\x9b", "\\u009b"], // begins a sequence as `\x1b[` does
  ["\x9d", "\\u009d"],
  ["\u2028", "\\u2028"],
  ["\u2029", "\\u2029"],
  ["\u200e", "\\u200e"],
  ["\u202e", "\\u202e"], // from right to left
  ["\u2066", "\\u2066"],
  ["\ud83d", "\\ud83d"], // half a character
];

for (const [character, shown] of UNSAFE) {
  Deno.test(`oneLine() and safeLines() show ${shown} so`, () => {
    assertEquals(oneLine(`a${character}b${character}`), `a${shown}b${shown}`);
    assertEquals(safeLines(`a${character}b`), `a${shown}b`);
  });
}

Deno.test("oneLine() shows line ends and tabs, and leaves all that is text", () => {
  assertEquals(oneLine("a\nb\r\nc\td"), "a\\nb\\r\\nc\\td");
  for (const text of ["", "plain", "größer 日本語", "👩‍👩‍👧", "می‌خواهم", `"quoted" \\n`]) {
    assertEquals([oneLine(text), safeLines(text, "  ")], [text, text]);
  }
});

Deno.test("oneLine() leaves nothing unsafe, whatever characters there are", () => {
  for (let code = 0; code <= 0x10ffff; code++) {
    const character = String.fromCodePoint(code);
    const shown = oneLine(character);
    const isKept = shown === character;
    const isUnsafe = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}]/u.test(shown);
    if (isUnsafe || (!isKept && JSON.parse(`"${shown}"`) !== character)) {
      throw new Error(`U+${code.toString(16)} is shown as ${JSON.stringify(shown)}`);
    }
  }
});

Deno.test("safeLines() keeps lines and tabs, and indents all lines but the first", () => {
  assertEquals(safeLines("a\nb\r\n\tc\n"), "a\nb\n\tc\n");
  assertEquals(safeLines("a\nb\r\n\tc", "  "), "a\n  b\n  \tc");
  assertEquals(safeLines("a\rb", "  "), "a\\rb");
});
