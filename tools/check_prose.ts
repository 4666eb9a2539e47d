/**
 * Checks those rules of CONTRIBUTING.md for prose that a machine can check. Comments are as narrow
 * as code, sentences are short, and some idioms that have to be read twice are not used.
 *
 * `deno fmt` wraps code and Markdown, but no comments. The idioms are those that this code base was
 * full of once. Every pattern was tried on all of it: one with false alarms would only teach people
 * to work around it.
 */

import { listFiles } from "./deno_info.ts";
import { markdownPassages, type Passage, scriptProse } from "./prose_passages.ts";

/** Where prose is looked for. */
const FOLDERS = ["bench", "docs", "examples", "findings", "page", "src", "tests", "tools"];
const FILES = ["CHANGELOG.md", "CONTRIBUTING.md", "README.md", "cli.ts", "client.ts", "mod.ts"];

/** As wide as `deno fmt` makes code. */
const MAX_WIDTH = 100;
const MAX_WORDS = 25;

/** A way of saying something that has to be read twice, and what to say instead. */
interface Idiom {
  /** A space stands for a line break too. */
  pattern: RegExp;
  instead: string;
}

const IDIOMS: readonly Idiom[] = [
  // "There is no file" is plain, and so is "is no longer there".
  idiom(/(?<!\bthere (still )?)\b(is|are|was|were|be) no (?!longer|more|less)\w+/i, "is not a …"),
  idiom(/\b(is|are|was|were|be) none of\b/i, "is not one of"),
  idiom(/\bso (many|much|long)\b(?! as\b)/i, "this many items, for this time: with a noun"),
  idiom(/\bwho(m)?ever\b/i, "the caller, the user, the process: who it is"),
  idiom(/\b(come|comes|came|coming) of\b/i, "is caused by, results from"),
  idiom(/\banew\b/i, "again"),
  idiom(/\b(has|have|had|having|gets?|got) (its|their|his|a) turns?\b/i, "runs, is next"),
  idiom(/(^|[.:;] )Says\b/, "Returns, Prints; Whether … for a boolean"),
  idiom(/\bsays whether\b/i, "returns whether"),
  idiom(/^Gives (?!up)\w+/, "Returns"),
  idiom(/^Takes (?!over|the lock|place)\w+/, "Accepts, or what it does with it"),
  // Something may be left behind, a follower may be behind, a server stands behind a proxy.
  idiom(
    /(?<!\b(leaves?|leaving|left|stays?|falls?|fell|far|lags?)\b[^.;]*)(?<!\b(is|are|be|was|were) )\bbehind\b(?! (a|an|the) (proxy|firewall|flag|gateway|load))/i,
    "after in time or order, downstream in a flow",
  ),
  idiom(/\b(is|are|be|was|were) behind (it|them|this|these|the|those|all)\b/i, "is after, follows"),
];

function idiom(pattern: RegExp, instead: string): Idiom {
  return { pattern: new RegExp(pattern.source.replaceAll(" ", "\\s+"), pattern.flags), instead };
}

/** Something to mend in a file. */
export interface Problem {
  /** Counted from 1. */
  line: number;
  text: string;
}

/** What is wrong in a file, in the order of its lines. */
export function findProblems(path: string, text: string): Problem[] {
  const problems: Problem[] = [];
  let passages: Passage[];
  if (path.endsWith(".md")) {
    passages = markdownPassages(text);
  } else {
    const isTest = path.startsWith("tests/");
    const prose = scriptProse(path, text, { isTest, maxWidth: MAX_WIDTH });
    passages = prose.passages;
    for (const { line, width } of prose.wide) {
      problems.push({ line, text: `a comment is ${width} columns wide; wrap it at ${MAX_WIDTH}` });
    }
  }
  for (const passage of passages) problems.push(...longSentences(passage), ...idioms(passage));
  return problems.sort((a, b) => a.line - b.line);
}

/** Sentences end at a full stop, a question or exclamation mark, and where their passage ends. */
function longSentences({ line, text, isSentences }: Passage): Problem[] {
  if (!isSentences) return [];
  const problems: Problem[] = [];
  for (const sentence of text.matchAll(SENTENCE)) {
    const words = sentence[0].trim().split(/\s+/).filter((word) => /\w/.test(word));
    if (words.length <= MAX_WORDS) continue;
    const start = sentence.index + sentence[0].search(/\w/);
    problems.push({
      line: line + countLines(text.slice(0, start)),
      text: `a sentence has ${words.length} words: "${words.slice(0, 6).join(" ")} …"; ` +
        `use at most ${MAX_WORDS}`,
    });
  }
  return problems;
}

/** Ends at a mark before a capital letter or code, so neither at "e.g. this" nor at "1.5". */
const SENTENCE = /[^](?:(?![.!?]["')\]*_]*\s+["'(\[*_]*(?:[A-Z0-9]|code))[^])*/g;

function idioms({ line, text }: Passage): Problem[] {
  return IDIOMS.flatMap(({ pattern, instead }) => {
    const match = pattern.exec(text);
    if (match === null) return [];
    const found = match[0].replace(/^[.:;]/, "").replace(/\s+/g, " ").trim();
    return [{
      line: line + countLines(text.slice(0, match.index)),
      text: `"${found}" is hard to read; better: ${instead}`,
    }];
  });
}

function countLines(text: string): number {
  return text.split("\n").length - 1;
}

function covers(entry: string, file: string): boolean {
  return file === entry || file.startsWith(`${entry}/`);
}

if (import.meta.main) {
  const root = new URL("../", import.meta.url);
  const found = await Promise.all(
    FOLDERS.map((folder) => listFiles(root, folder, /\.([mc]?[jt]sx?|md)$/)),
  );
  // What is generated holds licences and scripts of others.
  const files = [...FILES, ...found.flat()].filter((file) => !file.endsWith(".gen.ts"));
  let failed = 0;
  const chosen = Deno.args.map((path) => path.replace(/^\.?\//, "").replace(/\/$/, ""));
  for (const file of files) {
    if (chosen.length > 0 && !chosen.some((path) => covers(path, file))) continue;
    for (const { line, text } of findProblems(file, await Deno.readTextFile(new URL(file, root)))) {
      console.error(`${file}:${line}: ${text}`);
      failed++;
    }
  }
  if (failed > 0) Deno.exit(1);
  console.log("prose: plain and wrapped");
}
