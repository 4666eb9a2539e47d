import { assertEquals } from "@std/assert";
import { reportError, reportUsage } from "../../src/cli/report.ts";
import { TaskLogError } from "../../src/connectors/kafka_tasks/task_log_error.ts";
import { GroupRefusedError, GroupShutdownError } from "../../src/group/membership.ts";
import { fromFailure, toFailure } from "../../src/runtime/process/failure.ts";
import { FlowDefinitionError, StepError, UsageError } from "../../src/core/errors.ts";

const ENGINE = new URL("../../src/runtime/worker.ts", import.meta.url).href;

/** Returns an error with these frames as its stack. */
function errorWith<E extends Error>(error: E, ...frames: string[]): E {
  error.stack = [`${error.name}: ${error.message}`, ...frames.map((f) => `    at ${f}`)].join("\n");
  return error;
}

function report(thrown: unknown, cwd = "/home/me", workers = 1): string[] {
  return reportError(thrown, { workers, cwd }).split("\n");
}

Deno.test("reportError() shows a failed step with the error, the user's frames and the item", () => {
  const cause = errorWith(
    new TypeError("no amount"),
    "sum (file:///home/me/flow.ts:3:4)",
    "file:///srv/lib.ts:9:1",
    `Worker.run (${ENGINE}:1:2)`,
  );
  const failure = { stepId: "per-minute", worker: 1, item: "{ id: 7 }" };
  assertEquals(report(new StepError(failure, cause)), [
    `error: step "per-minute" failed`,
    "  TypeError: no amount",
    "    at sum (flow.ts:3:4)",
    "    at /srv/lib.ts:9:1",
    "  item: { id: 7 }",
  ]);
});

Deno.test("reportError() names the worker if there are several", () => {
  const error = new StepError({ stepId: "sum", worker: 1 }, errorWith(new Error("no")));
  assertEquals(report(error, "/", 3), [
    `error: step "sum" failed on worker 1 of 3`,
    "  Error: no",
  ]);
});

Deno.test("reportError() names the task of a group, and nothing if several share a step", () => {
  const cause = errorWith(new Error("no"));
  const headlineOf = (task: string | null) =>
    report(new StepError({ stepId: "sum", worker: 7, task }, cause), "/", 3)[0];
  assertEquals(headlineOf("keyed_7"), `error: step "sum" failed in task keyed_7`);
  assertEquals(headlineOf(null), `error: step "sum" failed`);
});

Deno.test("reportError() shows the cause of an error, and the cause of that", () => {
  const innermost = errorWith(new RangeError("port 0"), "file:///home/me/net.ts:1:1");
  const inner = errorWith(new Error("no route", { cause: innermost }), "file:///home/me/db.ts:2:2");
  const cause = errorWith(new Error("not saved", { cause: inner }), "file:///home/me/flow.ts:3:3");
  assertEquals(report(new StepError({ stepId: "save", worker: 0, item: "1" }, cause)), [
    `error: step "save" failed`,
    "  Error: not saved",
    "    at flow.ts:3:3",
    "  caused by Error: no route",
    "    at db.ts:2:2",
    "  caused by RangeError: port 0",
    "    at net.ts:1:1",
    "  item: 1",
  ]);
});

Deno.test("reportError() names the class of an error only if that adds something", () => {
  assertEquals(report(errorWith(new Error("gone"))), ["error: gone"]);
  assertEquals(report(errorWith(new FlowDefinitionError("no input"))), ["error: no input"]);
  for (
    const refused of [
      new TaskLogError("wrong layout"),
      new GroupRefusedError("wrong layout"),
      new GroupShutdownError("wrong layout"),
    ]
  ) {
    const told = fromFailure(toFailure(refused), 0); // as it comes from another process
    assertEquals(report(errorWith(told)), ["error: wrong layout"]);
  }
  assertEquals(report(errorWith(new TypeError("no pair"))), ["error: TypeError: no pair"]);
  assertEquals(report(errorWith(new Error(""))), ["error: Error: "]);
});

Deno.test("reportError() shows a cause that is not an Error", () => {
  const error = errorWith(new Error("not saved", { cause: { code: 7 } }));
  assertEquals(report(error), ["error: not saved", "  caused by thrown: { code: 7 }"]);
});

Deno.test("reportError() shows a thrown value that is not an error", () => {
  assertEquals(report("text"), [`error: thrown: "text"`]);
  assertEquals(report(undefined), ["error: thrown: undefined"]);
  assertEquals(report(new StepError({ stepId: "s", worker: 0 }, 7)), [
    `error: step "s" failed`,
    "  thrown: 7",
  ]);
});

Deno.test("reportError() indents a message of several lines, and mistakes none of it for frames", () => {
  const error = errorWith(
    new Error("bad query:\n  select *\n    at line 2"),
    "file:///home/me/flow.ts:1:1",
  );
  assertEquals(report(error), [
    "error: bad query:",
    "    select *",
    "      at line 2",
    "    at flow.ts:1:1",
  ]);
});

Deno.test("reportError() removes colours", () => {
  assertEquals(report(errorWith(new Error("\x1b[31mred\x1b[0m"))), ["error: red"]);
});

Deno.test("reportError() shows paths as the user would type them", () => {
  const error = errorWith(
    new Error("see file:///home/me/my%20flows/100%25.json"),
    "f (file:///home/me/my%20flows/a%231.ts:1:2)",
    "file:///home/meg/flow.ts:3:4",
    "file:///home/me/%E0%A4%A.ts:5:6",
    "https://example.com/flow.ts:7:8",
  );
  assertEquals(report(error), [
    "error: see my flows/100%.json",
    "    at f (my flows/a#1.ts:1:2)",
    "    at /home/meg/flow.ts:3:4",
    "    at file:///home/me/%E0%A4%A.ts:5:6",
    "    at https://example.com/flow.ts:7:8",
  ]);
  assertEquals(report(error, "/home/me/my flows")[1], "    at f (a#1.ts:1:2)");
  assertEquals(report(error, "/")[2], "    at home/meg/flow.ts:3:4");
});

Deno.test("reportError() shows no more than eight frames", () => {
  const frames = Array.from({ length: 20 }, (_, i) => `file:///home/me/flow.ts:${i}:1`);
  assertEquals(report(errorWith(new Error("deep"), ...frames)).length, 9);
});

Deno.test("reportError() shows the errors in an AggregateError, and their causes", () => {
  const route = errorWith(new Error("no route"), "file:///home/me/net.ts:1:1");
  const first = errorWith(new Error("not saved", { cause: route }), "file:///home/me/db.ts:2:2");
  const second = errorWith(new RangeError("port 0"));
  const all = new AggregateError([first, second, "text"], "no copy was saved");
  const cause = errorWith(all, "file:///home/me/flow.ts:3:3");
  assertEquals(report(new StepError({ stepId: "save", worker: 0, item: "1" }, cause)), [
    `error: step "save" failed`,
    "  AggregateError: no copy was saved",
    "    at flow.ts:3:3",
    "  error 1 of 3: Error: not saved",
    "      at db.ts:2:2",
    "    caused by Error: no route",
    "      at net.ts:1:1",
    "  error 2 of 3: RangeError: port 0",
    `  error 3 of 3: thrown: "text"`,
    "  item: 1",
  ]);
});

Deno.test("reportError() shows no more than five errors of one, and none that it has quoted", () => {
  const many = Array.from({ length: 7 }, (_, i) => errorWith(new Error(`e${i}`)));
  assertEquals(report(errorWith(new AggregateError(many, "all failed"))).slice(-2), [
    "  error 5 of 7: Error: e4",
    "  … and 2 more errors",
  ]);
  const nameless = new AggregateError([errorWith(new Error("::1")), errorWith(new Error("127"))]);
  assertEquals(report(errorWith(nameless)), ["error: AggregateError: Error: ::1; Error: 127"]);
});

Deno.test("reportError() ends with errors that contain themselves", () => {
  const error = errorWith(new AggregateError([], "round"));
  error.errors.push(error);
  error.cause = error;
  assertEquals(report(error), ["error: AggregateError: round"]);
});

Deno.test("reportError() shows names, items and places on one line each, and begins no line of its own", () => {
  const forged = "x\n2026-01-02T03:04:05.067Z error forged\r\x1b]0;title\x07\u009b2J";
  const shown = "x\\n2026-01-02T03:04:05.067Z error forged\\r";
  const cause = errorWith(new Error(`first\r\nsecond\rthird\x9b2J`));
  cause.stack = "";
  const error = new StepError({ stepId: forged, worker: 0, item: forged, origin: forged }, cause);
  const lines = report(error);
  assertEquals(lines.length, 5);
  assertEquals(lines[0].startsWith(`error: step "${shown}`), true, lines[0]);
  assertEquals(lines.slice(1, 3), ["  Error: first", "  second\\rthird"]);
  assertEquals([lines[3].startsWith(`  item: ${shown}`), lines[4].startsWith(`  from: ${shown}`)], [
    true,
    true,
  ]);
  assertEquals(/[\p{Cc}]/u.test(lines.join("")), false);
});

Deno.test("reportError() keeps line ends and escapes in a file's URL encoded", () => {
  const error = errorWith(new Error("no"), "f (file:///home/me/a%0A%1b[2J.ts:1:2)");
  assertEquals(report(error), ["error: no", "    at f (a\\n\\u001b[2J.ts:1:2)"]);
});

Deno.test("reportUsage() indents later lines, and shows control characters", () => {
  const error = new UsageError("no such flow: a\nerror: forged\r\x1b[2Jb");
  assertEquals(reportUsage(error), "error: no such flow: a\n  error: forged\\rb");
});
