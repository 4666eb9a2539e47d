import { assertEquals } from "@std/assert";
import { findProblems } from "../../tools/check_prose.ts";

/** `"3: what is wrong"` for each problem, the advice left out. */
function problems(path: string, ...lines: string[]): string[] {
  return findProblems(path, lines.join("\n"))
    .map(({ line, text }) => `${line}: ${text.replace(/; .*| is hard to read.*/, "")}`);
}

const LONG = "It has one two three four five six seven eight nine ten eleven twelve thirteen " +
  "fourteen fifteen sixteen seventeen eighteen nineteen twenty and then some more words.";

Deno.test("findProblems() finds comments that are wider than code, and no wide strings", () => {
  const wide = `${"word ".repeat(22)}end`;
  assertEquals(
    problems("src/a.ts", `// ${wide}`, `const a = "// ${wide}";`, "/**", ` * ${wide}`, " */"),
    ["1: a comment is 116 columns wide", "4: a comment is 116 columns wide"],
  );
});

Deno.test("findProblems() counts characters for the width, and lets an address stand", () => {
  assertEquals(problems("src/a.ts", `// ${"äö ".repeat(32)}`), []);
  assertEquals(problems("src/a.ts", `// See https://example.org/${"path/".repeat(20)}`), []);
});

Deno.test("findProblems() finds a long sentence in comments and Markdown, on its line", () => {
  assertEquals(
    problems(
      "src/a.ts",
      "/**",
      " * Short.",
      ` * ${LONG.replace(" thirteen", "\n * thirteen")}`,
      " */",
    ),
    [
      '3: a sentence has 27 words: "It has one two three four …"',
    ],
  );
  assertEquals(problems("docs/a.md", "# Title", "", "- Short.", `- ${LONG}`), [
    '4: a sentence has 27 words: "It has one two three four …"',
  ]);
});

Deno.test("findProblems() ends a sentence at a mark before a capital letter or code", () => {
  const half = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen";
  assertEquals(problems("docs/a.md", `It is ${half}. And ${half}! \`x\` is ${half}.`), []);
  assertEquals(problems("docs/a.md", `It is ${half} 1.5 e.g. and ${half}.`).length, 1);
});

Deno.test("findProblems() takes neither code nor examples for sentences", () => {
  const code = LONG.replaceAll(".", ";");
  assertEquals(problems("docs/a.md", "```ts", code, "```", `\`${code}\``), []);
  assertEquals(
    problems("src/a.ts", "/**", " * Does it.", " *", " * ```ts", ` * ${code}`, " * ```", " */"),
    [`5: a comment is ${code.length + 3} columns wide`],
  );
});

Deno.test("findProblems() finds idioms in comments, also over a line break", () => {
  assertEquals(problems("src/a.ts", "// It is no", "// flow.", "const a = 1; // done anew"), [
    '1: "is no flow"',
    '3: "anew"',
  ]);
  assertEquals(problems("src/a.ts", "/** Says whether it is done. */"), [
    '1: "Says"',
    '1: "Says whether"',
  ]);
});

Deno.test("findProblems() finds idioms in errors, however they are put together", () => {
  assertEquals(
    problems(
      "src/a.ts",
      "throw new Error(",
      '  `the ${"first"} step is` +',
      '    " no flow",',
      ");",
    ),
    ['2: "is no flow"'],
  );
});

Deno.test("findProblems() reads the titles of tests, but not their other strings", () => {
  const test = [
    'Deno.test("a step is no flow", () => equals("it is no flow"));',
    'Deno.test({ name: "it runs anew", fn: () => step("and anew it runs") });',
  ];
  assertEquals(problems("tests/a_test.ts", ...test), ['1: "is no flow"', '2: "anew"', '2: "anew"']);
});

Deno.test("findProblems() finds comments beside templates, patterns and strings with quotes", () => {
  assertEquals(
    problems(
      "tests/a.ts",
      "const a = `// anew ${b /* anew */} // so many`;",
      'const c = /"\\/\\/ anew/; // whoever',
      "const d = '\"'; // comes of it",
    ),
    ['1: "anew"', '2: "whoever"', '3: "comes of"'],
  );
});

Deno.test("findProblems() takes each comment after code for itself", () => {
  const half = "one two three four five six seven eight nine ten eleven twelve thirteen";
  assertEquals(problems("src/a.ts", `a(); // ${half}`, `b(); // ${half}`), []);
  assertEquals(problems("src/a.ts", `// ${half}`, `// ${half}`).length, 1);
});

Deno.test("findProblems() lets plain uses of the same words stand", () => {
  assertEquals(
    problems(
      "docs/a.md",
      "There is no file. It is no longer there. A server behind a proxy is left behind.",
      "A follower that is behind, or falls far behind, takes part so long as it runs.",
    ),
    [],
  );
});
