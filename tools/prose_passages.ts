/**
 * Finds the prose in scripts and Markdown: comments, error texts, test titles, paragraphs.
 *
 * TypeScript's own parser tells comments from strings. A search with a regular expression takes
 * `"http://…"` for a comment, and stumbles over templates.
 */

import ts from "typescript";

/** A piece of prose that is read as one: a paragraph, an item of a list, a cell, an error text. */
export interface Passage {
  /** The line of its file that it begins on, counted from 1. */
  line: number;
  /** As it is written, with its line breaks; code in backquotes has become the one word `code`. */
  text: string;
  /** Whether it is made of sentences; headings, titles and cells often are not. */
  isSentences: boolean;
}

/** A comment as it stands in its file. */
interface Comment {
  /** Counted from 1. */
  line: number;
  text: string;
  /** Whether there is code before it on its line. */
  isTrailing: boolean;
}

/** What a script has for people to read. */
export interface ScriptProse {
  passages: Passage[];
  /** Lines that have a comment on them and are wider than allowed, with their width. */
  wide: { line: number; width: number }[];
}

/** Calls whose first argument is the title of a test. */
const TITLED = new Set(["test", "step", "it", "describe"]);

/** The prose of a script. In tests, of strings only the titles count: the others are test data. */
export function scriptProse(
  path: string,
  text: string,
  options: { isTest: boolean; maxWidth: number },
): ScriptProse {
  const source = ts.createSourceFile(path, text, ts.ScriptTarget.Latest, false);
  const lineOf = (offset: number) => source.getLineAndCharacterOfPosition(offset).line + 1;
  const literals: ts.Node[] = [];
  const passages: Passage[] = [];

  function visit(node: ts.Node, isInText: boolean): void {
    if (isLiteral(node)) literals.push(node);
    let isText = isInText;
    if (!isInText && (isTextLike(node) || isSum(node))) {
      isText = true;
      const words = joinedText(node);
      if (/\w \w+ /.test(words) && (!options.isTest || isTitle(node))) {
        passages.push({ line: lineOf(node.getStart(source)), text: words, isSentences: false });
      }
    }
    // What stands in the holes of a template is code again.
    if (ts.isTemplateSpan(node)) {
      setParent(node.expression, node);
      visit(node.expression, false);
      literals.push(node.literal);
      return;
    }
    ts.forEachChild(node, (child) => {
      setParent(child, node);
      visit(child, isText && (isSum(node) || ts.isTemplateExpression(node)));
    });
  }
  visit(source, false);

  const comments = findComments(text, literals, source, lineOf);
  for (const { line, text } of joinLines(comments)) passages.push(...markdownPassages(text, line));

  const lines = text.split("\n");
  const wide = [];
  for (const number of new Set(comments.flatMap(linesOfComment))) {
    const width = [...lines[number - 1]].length;
    if (width > options.maxWidth && canWrap(lines[number - 1])) wide.push({ line: number, width });
  }
  return { passages: passages.sort((a, b) => a.line - b.line), wide };
}

/** Parents of the nodes under way, which the parser leaves out when it is not asked for them. */
const parents = new WeakMap<ts.Node, ts.Node>();
function setParent(child: ts.Node, parent: ts.Node): void {
  parents.set(child, parent);
}

function isLiteral(node: ts.Node): boolean {
  return ts.isStringLiteralLike(node) || ts.isRegularExpressionLiteral(node) ||
    node.kind === ts.SyntaxKind.TemplateHead;
}

function isTextLike(node: ts.Node): boolean {
  return ts.isStringLiteralLike(node) || ts.isTemplateExpression(node);
}

function isSum(node: ts.Node): node is ts.BinaryExpression {
  return ts.isBinaryExpression(node) && node.operatorToken.kind === ts.SyntaxKind.PlusToken &&
    (isSum(node.left) || isTextLike(node.left) || isTextLike(node.right));
}

/** A text in one piece, however it is put together; each value in it has become `X`. */
function joinedText(node: ts.Node): string {
  if (ts.isStringLiteralLike(node)) return node.text;
  if (ts.isTemplateExpression(node)) {
    return node.head.text + node.templateSpans.map((span) => `X${span.literal.text}`).join("");
  }
  return isSum(node) ? joinedText(node.left) + joinedText(node.right) : "X";
}

/** Whether a text is the first argument of a test, or its `name` among options. */
function isTitle(node: ts.Node): boolean {
  let argument = node;
  const option = parents.get(node);
  if (option !== undefined && ts.isPropertyAssignment(option)) {
    if (!ts.isIdentifier(option.name) || option.name.text !== "name") return false;
    argument = parents.get(option)!;
  }
  const call = parents.get(argument);
  if (call === undefined || !ts.isCallExpression(call) || call.arguments[0] !== argument) {
    return false;
  }
  const { expression } = call;
  const name = ts.isPropertyAccessExpression(expression) ? expression.name : expression;
  return ts.isIdentifier(name) && TITLED.has(name.text);
}

/** All comments, in their order: what lies between the literals holds no quotes to be misread. */
function findComments(
  text: string,
  literals: readonly ts.Node[],
  source: ts.SourceFile,
  lineOf: (offset: number) => number,
): Comment[] {
  const spans = literals.map((node) => [node.getStart(source), node.end]).sort((a, b) =>
    a[0] - b[0]
  );
  const comments: Comment[] = [];
  const scanner = ts.createScanner(ts.ScriptTarget.Latest, false);
  let from = 0;
  for (const [start, end] of [...spans, [text.length, text.length]]) {
    scanner.setText(text, from, start - from);
    for (let kind = scanner.scan(); kind !== ts.SyntaxKind.EndOfFileToken; kind = scanner.scan()) {
      if (
        kind === ts.SyntaxKind.SingleLineCommentTrivia ||
        kind === ts.SyntaxKind.MultiLineCommentTrivia
      ) {
        const offset = scanner.getTokenStart();
        const before = text.slice(text.lastIndexOf("\n", offset - 1) + 1, offset);
        comments.push({
          line: lineOf(offset),
          text: scanner.getTokenText(),
          isTrailing: before.trim() !== "",
        });
      }
    }
    from = end;
  }
  return comments;
}

function linesOfComment({ line, text }: Comment): number[] {
  return text.split("\n").map((_, index) => line + index);
}

/** Whether a line has a place to break it: an address or a path that is too long has none. */
function canWrap(line: string): boolean {
  return !/\S{60,}/.test(line) && !/deno-lint-ignore/.test(line);
}

/** `//` comments on lines of their own that follow one another are one text, without the signs. */
function joinLines(comments: readonly Comment[]): { line: number; text: string }[] {
  const joined: { line: number; text: string }[] = [];
  let last = -1;
  for (const { line, text, isTrailing } of comments) {
    if (text.startsWith("/*")) {
      const inner = text.replace(/^\/\*+/, "").replace(/\*+\/$/, "");
      joined.push({
        line,
        text: inner.split("\n").map((each) => each.replace(/^\s*\*/, "")).join("\n"),
      });
      last = -1;
    } else {
      const inner = text.slice("//".length);
      if (line === last + 1 && !isTrailing) joined[joined.length - 1].text += `\n${inner}`;
      else joined.push({ line, text: inner });
      last = isTrailing ? -1 : line;
    }
  }
  return joined;
}

/** The paragraphs, headings, items and cells of a Markdown text, which begins on `firstLine`. */
export function markdownPassages(markdown: string, firstLine = 1): Passage[] {
  const passages: Passage[] = [];
  let open: Passage | undefined;
  let fence: string | undefined;
  // HTML comments and addresses do not count as prose. Line breaks stay, for the line numbers.
  const text = markdown
    .replace(/<!--[\s\S]*?-->/g, (comment) => comment.replace(/[^\n]/g, ""))
    .replace(/\]\([^)\s]*\)/g, "]");
  for (const [index, full] of text.split("\n").entries()) {
    const line = firstLine + index;
    const trimmed = full.trim();
    const mark = /^(```+|~~~+)/.exec(trimmed)?.[1];
    if (fence !== undefined || mark !== undefined) {
      if (fence === undefined) fence = mark;
      else if (mark !== undefined && mark.startsWith(fence)) fence = undefined;
      open = undefined;
      continue;
    }
    if (/^\|/.test(trimmed)) {
      for (const cell of trimmed.split("|")) {
        if (/\w/.test(cell)) passages.push({ line, text: cell.trim(), isSentences: true });
      }
      open = undefined;
    } else if (trimmed === "" || /^(import|export|const) /.test(trimmed)) {
      open = undefined;
    } else if (/^#+ /.test(trimmed)) {
      passages.push({ line, text: trimmed, isSentences: false });
      open = undefined;
    } else {
      if (open === undefined || /^([-*+]|\d+\.|@\w+) /.test(trimmed)) {
        open = { line, text: "", isSentences: true };
        passages.push(open);
      } else {
        open.text += "\n";
      }
      open.text += trimmed;
    }
  }
  for (const passage of passages) {
    passage.text = passage.text.replace(
      /(`+)[^`](?:[\s\S]*?[^`])??\1(?!`)|\{@link[a-z]*\s[^}]*\}/g,
      (code) => "code" + code.replace(/[^\n]/g, ""),
    );
  }
  return passages;
}
