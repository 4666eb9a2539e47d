import { assertEquals } from "@std/assert";
import { runCli } from "../support/cli.ts";

Deno.test("examples/wordcount.ts prints the words that occur more than once", async () => {
  const { code, stdout, stderr } = await runCli(["examples/wordcount.ts"]);
  const words = stdout.trim().split("\n").sort();
  assertEquals(words, ["and: 2", "be: 2", "of: 2", "or: 2", "the: 3", "to: 4"]);
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
});

const WINDOW_EXAMPLES: Record<string, string[]> = {
  "examples/anomaly.ts": [
    "12:12:30 fridge: 9.7 °C (mean 4.0, deviation 0.50)",
    "12:16:40 boiler: 86.3 °C (mean 80.0, deviation 0.50)",
    "12:16:50 boiler: 85.9 °C (mean 80.0, deviation 0.50)",
    "12:25:00 fridge: 9.4 °C (mean 4.0, deviation 0.50)",
  ],
  "examples/sessions.ts": [
    "ada 09:00-09:12 pages: 3, minutes: 12.5",
    "ada 09:13: /shoes/43 came too late",
    "ada 11:00-11:00 pages: 2, minutes: 0.8",
    "bob 09:05-09:21 pages: 3, minutes: 16.0",
    "bob 09:51-09:51 pages: 1, minutes: 0.0",
    "eve 09:30-09:30 pages: 1, minutes: 0.0",
  ],
  "examples/join_orders.ts": [
    "order 16: 8 paid, for what?",
    "order 17: apples, 4.5 paid",
    "order 18: pears, not paid",
    "order 19: plums, 3 paid",
    "order 20: 6 paid, for what?",
    "order 20: figs, not paid",
  ],
};

for (const [example, lines] of Object.entries(WINDOW_EXAMPLES)) {
  for (const workers of ["1", "2"]) {
    Deno.test(`${example} prints the same with ${workers} worker(s)`, async () => {
      const { code, stdout, stderr } = await runCli([example, "-w", workers]);
      assertEquals(stdout.trim().split("\n").sort(), lines);
      assertEquals({ code, stderr }, { code: 0, stderr: "" });
    });
  }
}

Deno.test("examples/manual_polling.ts prints what has changed at the endpoint", async () => {
  const answers = [{ hall: 21, yard: 4 }, { hall: 21, yard: 5 }, { hall: 20, yard: 5 }];
  let asked = 0;
  await using server = Deno.serve(
    { hostname: "127.0.0.1", port: 0, onListen: () => {} },
    () => Response.json(answers[asked++]),
  );
  const url = `http://127.0.0.1:${server.addr.port}/readings`;
  const args = ["examples/manual_polling.ts", "--", url, "1", "3"];
  const { code, stdout, stderr } = await runCli(args);
  assertEquals(stdout, "hall: 21\nyard: 4\nyard: 4 -> 5\nhall: 21 -> 20\n");
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
});
