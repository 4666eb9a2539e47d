/**
 * Text that others have written (names, keys, messages), for terminals and logs.
 *
 * An escape sequence in a name would move the cursor, a line end would begin a line that looks like
 * one of ours, and a mark of text direction would show characters in another order than they have.
 * All text that goes to a terminal or a log passes through here, where it is put out and not where
 * it is made: errors and fields keep what was there.
 *
 * @module
 */

/** What does more to a terminal than to show a character, and halves of characters. */
const UNSAFE = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu;

/** The same, without tabs and line ends. */
const UNSAFE_IN_LINES = /(?![\t\n])[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu;

const SHORT: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/** Text on one line: what is not safe is written as in JSON, such as `\n` and `\u001b`. */
export function oneLine(text: string): string {
  return text.replace(UNSAFE, escaped);
}

/**
 * Text that may have several lines. All but the first are indented, so that none looks like a line
 * of its own; `indent` is by what.
 */
export function safeLines(text: string, indent = ""): string {
  return text.replaceAll("\r\n", "\n").replace(UNSAFE_IN_LINES, escaped)
    .replaceAll("\n", `\n${indent}`);
}

function escaped(character: string): string {
  return SHORT[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
