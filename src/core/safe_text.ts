/**
 * Text that others have written (names, keys, messages), for terminals and logs.
 *
 * An escape sequence in a name could move the cursor. A line end could begin a line that looks like
 * one of ours. A mark of text direction could show characters in another order than they have. So
 * all text for a terminal or a log passes through here, at the moment it is printed. Errors and
 * fields keep the original.
 *
 * @module
 */

/** Characters that do more to a terminal than show themselves, and halves of characters. */
const UNSAFE = /[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu;

/** The same, except tabs and line ends. */
const UNSAFE_IN_LINES = /(?![\t\n])[\p{Cc}\p{Cs}\p{Zl}\p{Zp}\p{Bidi_Control}]/gu;

const SHORT: Readonly<Record<string, string>> = { "\n": "\\n", "\r": "\\r", "\t": "\\t" };

/**
 * Returns text on one line. Unsafe characters are written as in JSON, such as `\n` and `\u001b`.
 */
export function oneLine(text: string): string {
  return text.replace(UNSAFE, escaped);
}

/**
 * Returns text that may have several lines. All lines but the first begin with `indent`, so that
 * none looks like a line of its own.
 */
export function safeLines(text: string, indent = ""): string {
  return text.replaceAll("\r\n", "\n").replace(UNSAFE_IN_LINES, escaped)
    .replaceAll("\n", `\n${indent}`);
}

function escaped(character: string): string {
  return SHORT[character] ?? `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`;
}
