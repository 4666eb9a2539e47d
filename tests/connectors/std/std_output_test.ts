import { assert, assertEquals, assertRejects } from "@std/assert";
import { LineWriter } from "../../../src/connectors/std/std_output.ts";
import type { Place } from "../../../src/graph/contracts.ts";

const project = new URL("../../..", import.meta.url);

/** Starts a process that runs `body`, with the names of the module imported. */
async function spawn(body: string): Promise<Deno.ChildProcess> {
  const script = `
    import { Dataflow, ManualInputConfig, run, StdOutputConfig, TestingInputConfig } from "millrace";
    ${body}`;
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", "--no-check", "--quiet", "--ext=ts", "-"],
    cwd: project,
    stdin: "piped",
    stdout: "piped",
    stderr: "piped",
  }).spawn();
  const stdin = child.stdin.getWriter();
  await stdin.write(new TextEncoder().encode(script));
  await stdin.close();
  return child;
}

Deno.test("StdOutputConfig prints each item on a line of its own", async () => {
  const { code, stdout, stderr } = await (await spawn(`
    const items = ["plain", "", "grüße", { to: "world" }, 12n, undefined, new Map([["a", 1]])];
    await run(new Dataflow("std").input("in", new TestingInputConfig(items))
      .capture(new StdOutputConfig()));
  `)).output();
  const text = new TextDecoder();
  assertEquals(text.decode(stderr), "");
  assertEquals(code, 0);
  assertEquals(
    text.decode(stdout),
    `plain\n\ngrüße\n{"to":"world"}\n12\nundefined\n[["a",1]]\n`,
  );
});

Deno.test("StdOutputConfig prints every line when there are many and the reader is slow", async () => {
  const child = await spawn(`
    const items = Array.from({ length: 200_000 }, (_, i) => "line " + i);
    await run(new Dataflow("std").input("in", new TestingInputConfig(items))
      .capture(new StdOutputConfig()));
  `);
  let text = "";
  for await (const chunk of child.stdout.pipeThrough(new TextDecoderStream())) text += chunk;
  const { code } = await child.status;
  await child.stderr.cancel();
  assertEquals(code, 0);
  const lines = text.split("\n");
  assertEquals(lines.length, 200_001);
  assertEquals([lines[0], lines[199_999], lines[200_000]], ["line 0", "line 199999", ""]);
});

Deno.test("StdOutputConfig ends an endless run quietly when the reader has gone", async () => {
  const child = await spawn(`
    const endless = new ManualInputConfig(function* () {
      for (let n = 0;; n++) yield [null, "line " + n];
    });
    await run(new Dataflow("std").input("in", endless).capture(new StdOutputConfig()));
  `);
  const reader = child.stdout.getReader();
  const { value } = await reader.read();
  assert(new TextDecoder().decode(value).startsWith("line 0\n"));
  await reader.cancel(); // what head -1 does
  let errors = "";
  for await (const chunk of child.stderr.pipeThrough(new TextDecoderStream())) errors += chunk;
  assertEquals([(await child.status).code, errors], [0, ""]);
});

/** Returns what several processes print whose standard output is one pipe. */
async function printedTogether(workers: number, script: string): Promise<string[]> {
  const { code, stdout, stderr } = await new Deno.Command("sh", {
    args: ["-c", 'for i in $(seq 0 $1); do "$0" eval --ext=ts "$2" $i & done; wait']
      .concat(Deno.execPath(), String(workers - 1), script),
    cwd: project,
  }).output();
  const text = new TextDecoder();
  assertEquals([code, text.decode(stderr)], [0, ""]);
  return text.decode(stdout).split("\n");
}

Deno.test("StdOutputConfig of several workers prints every line whole", async () => {
  const workers = 3;
  const lines = 20_000;
  const printed = await printedTogether(
    workers,
    `
    import { StdOutputConfig } from "millrace";
    import { Random } from "./tests/support/values/random.ts";
    import { testPlace } from "./tests/support/runtime/test_place.ts";
    const workerIndex = Number(Deno.args[0]);
    const at = testPlace({ workerIndex, workerCount: ${workers} });
    const writer = await new StdOutputConfig().open(at, new Map());
    const random = new Random(workerIndex);
    for (let n = 0; n < ${lines};) {
      const batch = [];
      for (let size = random.below(100); size > 0 && n < ${lines}; size--, n++) {
        // A few lines are long; otherwise most would be whole by chance.
        const length = random.below(random.pick([20, 200, 4000]));
        batch.push([workerIndex, n, length, "x".repeat(length)].join(" "));
      }
      await writer.write(batch, 0);
    }`,
  );
  assertEquals(printed.pop(), "");
  const next = Array(workers).fill(0);
  for (const line of printed) {
    const [worker, n, length, xs] = line.split(" ");
    assertEquals(line.replace(/x*$/, ""), `${worker} ${next[Number(worker)]++} ${length} `);
    assertEquals([n, xs], [String(next[Number(worker)] - 1), "x".repeat(Number(length))]);
  }
  assertEquals(next, Array(workers).fill(lines));
});

// The writer alone.

/** Returns a place that notes the stops that it is asked for. */
function place(workerCount = 1): { at: Place; stops: () => number } {
  let stops = 0;
  return { at: { workerCount, stop: () => stops++ } as unknown as Place, stops: () => stops };
}

Deno.test("LineWriter writes a batch in one call", async () => {
  const written: string[] = [];
  const writer = new LineWriter(place().at, (bytes) => {
    written.push(new TextDecoder().decode(bytes));
    return Promise.resolve(bytes.length);
  });
  await writer.write(["a", 1, { b: 2 }]);
  assertEquals(written, [`a\n1\n{"b":2}\n`]);
});

Deno.test("LineWriter of several workers writes whole lines of up to 4096 bytes at once", async () => {
  const line = (bytes: number) => "x".repeat(bytes - 1);
  const cases: [lines: string[], written: number[]][] = [
    [["a", "b"], [4]],
    [[line(4096)], [4096]],
    [[line(4096), line(4096)], [4096, 4096]],
    [[line(2048), line(2048), line(1)], [4096, 1]],
    [[line(2048), line(2049)], [2048, 2049]],
    [[line(10), line(4097), line(10)], [10, 4097, 10]],
    [[line(10_000), line(4000), line(90), line(9)], [10_000, 4090, 9]],
    [["ü".repeat(1500), "ü".repeat(1500)], [3001, 3001]],
    [[], []],
  ];
  for (const [lines, expected] of cases) {
    const written: string[] = [];
    const writer = new LineWriter(place(2).at, (bytes) => {
      written.push(new TextDecoder().decode(bytes));
      return Promise.resolve(bytes.length);
    });
    await writer.write(lines);
    assertEquals(written.map((text) => new TextEncoder().encode(text).length), expected);
    assertEquals(written.join(""), lines.map((text) => text + "\n").join(""));
  }
});

Deno.test("LineWriter writes the rest when a write accepts only a part of the bytes", async () => {
  let written = "";
  const writer = new LineWriter(place().at, (bytes) => {
    const part = bytes.subarray(0, 3);
    written += new TextDecoder().decode(part);
    return Promise.resolve(part.length);
  });
  await writer.write(["abcdef", "ghi"]);
  assertEquals(written, "abcdef\nghi\n");
});

const closedTerminal = Object.assign(new Error("Input/output error"), { code: "EIO" });

for (
  const { what, error, isTerminal } of [
    { what: "pipe", error: new Deno.errors.BrokenPipe("broken"), isTerminal: false },
    { what: "terminal", error: closedTerminal, isTerminal: true },
  ]
) {
  Deno.test(`LineWriter asks for a stop once when the ${what} is closed, and drops what still comes`, async () => {
    const { at, stops } = place();
    let writes = 0;
    const writer = new LineWriter(at, () => {
      writes++;
      return Promise.reject(error);
    }, isTerminal);
    await writer.write(["a"]);
    await writer.write(["b"]);
    assertEquals([writes, stops()], [1, 1]);
  });
}

Deno.test("LineWriter rejects an input/output error if no terminal was there: that is a bad disk", async () => {
  const { at, stops } = place();
  const writer = new LineWriter(at, () => Promise.reject(closedTerminal));
  await assertRejects(() => writer.write(["a"]), Error, "Input/output error");
  assertEquals(stops(), 0);
});

Deno.test("LineWriter rejects when writing fails for another reason", async () => {
  const { at, stops } = place();
  const writer = new LineWriter(at, () => Promise.reject(new Error("disk full")));
  await assertRejects(() => writer.write(["a"]), Error, "disk full");
  assertEquals(stops(), 0);
});
