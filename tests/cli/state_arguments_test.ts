import { assertEquals, assertThrows } from "@std/assert";
import { helpText, parseCommand } from "../../src/cli/arguments.ts";
import { UsageError } from "../../src/core/errors.ts";

const parse = (...args: string[]) =>
  parseCommand(["state", ...args], () => undefined, { onTerminal: false });

const refused = (text: string, ...args: string[]) =>
  assertThrows(() => parse(...args), UsageError, text);

const SHOW = { kind: "state", path: "s.db", step: null, key: null, json: false, limit: 100 };

Deno.test("state accepts what to show of a store", () => {
  assertEquals(parse("s.db"), SHOW);
  assertEquals(parse("s.db", "count", "7"), { ...SHOW, step: "count", key: "7" });
  assertEquals(parse("s.db", "--json"), { ...SHOW, json: true });
  assertEquals(parse("--limit=5", "s.db", "a"), { ...SHOW, step: "a", limit: 5 });
  assertEquals(parse("./export"), { ...SHOW, path: "./export" });
  for (const args of [[], [""], ["a", "b", "c", "d"]]) {
    refused("state needs the path of a recovery store", ...args);
  }
  for (const option of ["--yes", "--workers=2", "--drop-step=a", "--dry-run"]) {
    refused(`state accepts no option ${option}`, "s.db", option);
  }
  for (const limit of ["0", "-1", "many", "1.5"]) {
    refused("--limit must be a whole number from 1 on", "s.db", `--limit=${limit}`);
  }
});

Deno.test("state accepts its tools", () => {
  const tool = (tool: object, dryRun = false) => ({
    kind: "state-tool",
    path: "s.db",
    dryRun,
    tool,
  });
  const rename = { name: "rename-step", from: "a", to: "b" };
  assertEquals(parse("rename-step", "s.db", "a", "b"), tool(rename));
  assertEquals(parse("rename-step", "--dry-run", "s.db", "a", "b"), tool(rename, true));
  assertEquals(parse("drop-step", "s.db", "a"), tool({ name: "drop-step", step: "a" }));
  assertEquals(parse("export", "s.db"), tool({ name: "export", step: null }));
  assertEquals(parse("export", "s.db", "--step", "a"), tool({ name: "export", step: "a" }));
  const importing = { name: "import", file: "f", replace: false };
  assertEquals(parse("import", "s.db", "f"), tool(importing));
  assertEquals(parse("import", "s.db", "f", "--replace"), tool({ ...importing, replace: true }));
  for (
    const [args, text] of [
      [["rename-step", "s.db", "a"], "needs the path of a recovery store, the name of a step"],
      [["rename-step", "s.db", "a", ""], "needs the path of a recovery store, the name of a step"],
      [["drop-step", "s.db"], "needs the path of a recovery store, and the name of a step"],
      [["export"], "needs the path of a recovery store"],
      [["export", "s.db", "a"], "needs the path of a recovery store"],
      [["import", "s.db"], "needs the path of a recovery store, and an exported file"],
      [["rewind", "s.db"], "needs the path of a recovery store, and STEP=TIME"],
      [["drop-step", "s.db", "a", "--replace"], "accepts no option --replace"],
      [["export", "s.db", "--steps=a"], "accepts no option --steps=a: did you mean --step?"],
      [["export", "s.db", "--step"], "option --step needs a value"],
    ] as const
  ) {
    refused(`state ${args[0]} ${text}`.replace(/^state export option/, "option"), ...args);
  }
});

Deno.test("state refuses a mistyped tool, and says how to give a store of that name", () => {
  for (
    const [typed, meant] of [
      ["rename-stp", "rename-step"],
      ["drop-stp", "drop-step"],
      ["drop", "drop-step"],
      ["exprot", "export"],
    ]
  ) {
    const text = `state has no tool "${typed}". Did you mean ${meant}? A store of that name is ` +
      `given as ./${typed}`;
    for (const rest of [[], ["s.db", "a", "b"]]) refused(text, typed, ...rest);
  }
  for (const path of ["./drop-stp", "drop.db", "kafka://drop", "store"]) {
    assertEquals(parse(path), { ...SHOW, path });
  }
});

Deno.test("state refuses arguments of a flow, and its options before it", () => {
  refused("state runs no flow, so nothing may come after --; got a b", "s.db", "--", "a", "b");
  refused("state export runs no flow", "export", "s.db", "--", "a");
  const command = (...args: string[]) => () =>
    parseCommand(args, () => undefined, { onTerminal: false });
  for (
    const [args, text] of [
      [["--json", "state", "s.db"], "--json: options of state come after it, as in state --json"],
      [["--stages", "graph", "f.ts"], "--stages: options of graph come after it"],
      [["--jsn", "f.ts", "--", "state"], "unknown option --jsn (see --help)"],
      [["backup", "s.db", "b.db", "--", "c"], "backup runs no flow, so nothing may come after"],
    ] as const
  ) assertThrows(command(...args), UsageError, text);
});

Deno.test("state rewind accepts a time with a zone, the start, or an offset", () => {
  const step = "orders";
  const rest = { partition: null, brokers: null, properties: {} };
  const tool = (...args: string[]) => {
    const command = parse("rewind", "s.db", ...args);
    return command.kind === "state-tool" ? command.tool : null;
  };
  for (
    const [text, time] of [
      ["2026-11-28", Date.UTC(2026, 10, 28)],
      ["2026-11-28T10:00Z", Date.UTC(2026, 10, 28, 10)],
      ["2026-11-28T10:00:01.5+02:00", Date.UTC(2026, 10, 28, 8, 0, 1, 500)],
      ["1795860000000", 1_795_860_000_000],
    ] as const
  ) {
    const to = { kind: "time", time };
    assertEquals(tool(`orders=${text}`), { name: "rewind", step, to, ...rest });
  }
  assertEquals(tool("a=b=start"), {
    name: "rewind",
    step: "a=b",
    to: { kind: "start" },
    ...rest,
  });
  assertEquals(
    tool("orders=offset:12", "--partition=t-0", "--brokers=a:1,b:2", "--property", "x=y=z"),
    {
      name: "rewind",
      step,
      to: { kind: "offset", offset: 12n },
      partition: "t-0",
      brokers: ["a:1", "b:2"],
      properties: { x: "y=z" },
    },
  );
  for (
    const wrong of [
      "orders",
      "=start",
      "orders=",
      "orders=now",
      "orders=2026-13-28",
      "orders=5",
      "orders=offset:-1",
    ]
  ) refused(`state rewind needs STEP=TIME, such as`, "rewind", "s.db", wrong);
  for (const time of ["2026-11-28T10:00", "2026-11-28T10:00:01.5"]) {
    const text =
      `the time of state rewind needs a zone, such as orders=${time}Z or orders=${time}+02:00`;
    refused(text, "rewind", "s.db", `orders=${time}`);
  }
  refused("--property must be NAME=VALUE", "rewind", "s.db", "a=start", "--property=x");
});

Deno.test("state shows the help, which has its tools", () => {
  assertEquals(parse("--help"), { kind: "help", of: "state" });
  assertEquals(parse("rewind", "-h"), { kind: "help", of: "state" });
  assertEquals(parse("-V"), { kind: "version" });
  for (const text of ["state PATH [STEP [KEY]]", "state rename-step PATH OLD NEW", "--dry-run"]) {
    assertEquals(helpText().includes(text), true, text);
  }
});
