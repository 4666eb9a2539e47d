import {
  assertEquals,
  assertMatch,
  assertNotEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import type { LogLevel } from "../../src/core/log.ts";
import {
  type Command,
  envName,
  helpText,
  mistypedVariables,
  OPTIONS,
  parseCommand,
  type RunCommand,
} from "../../src/cli/arguments.ts";
import { GROUP_OPTIONS } from "../../src/cli/group_arguments.ts";
import { UsageError } from "../../src/core/errors.ts";

function parse(args: readonly string[], env: Readonly<Record<string, string>> = {}): Command {
  return parseCommand(args, (name) => env[name], { onTerminal: true });
}

/** A run of `flow.ts` without options. */
const PLAIN = {
  kind: "run",
  flow: "flow.ts",
  flowArgs: [],
  workers: 1,
  check: false,
  watch: false,
  epochMs: undefined,
  recovery: null,
  restarts: 0,
  workerFlags: undefined,
  logLevel: "warn",
  earlyLogLevel: "info",
  logFormat: "text",
} as const;

/** A level that was asked for counts before the run too. */
function levels(level: LogLevel) {
  return { logLevel: level, earlyLogLevel: level };
}

Deno.test("parseCommand() accepts a flow alone, with one worker and a quiet log", () => {
  assertEquals(parse(["flow.ts"]), PLAIN);
});

Deno.test("parseCommand() accepts options before and after the flow, in every spelling", () => {
  const expected = { ...PLAIN, epochMs: 1_500, ...levels("debug"), logFormat: "json" };
  const spellings = [
    [
      "-w",
      "1",
      "--epoch-interval",
      "1.5s",
      "--log-level",
      "debug",
      "--log-format",
      "json",
      "flow.ts",
    ],
    ["flow.ts", "-w1", "--epoch-interval=1500ms", "--log-level=debug", "--log-format=json"],
    [
      "--workers=1",
      "flow.ts",
      "--log-format",
      "json",
      "--epoch-interval=1.5s",
      "--log-level=debug",
    ],
  ];
  for (const args of spellings) assertEquals(parse(args) as unknown, expected);
});

Deno.test("parseCommand() accepts workers, restarts and the workers' flags", () => {
  assertEquals(parse(["flow.ts", "-w", "4", "--restart=3"]), {
    ...PLAIN,
    workers: 4,
    restarts: 3,
  });
  const flagsOf = (text: string) =>
    (parse(["flow.ts", `--worker-flags=${text}`]) as { workerFlags?: readonly string[] })
      .workerFlags;
  assertEquals(flagsOf("--allow-net=a:1,b:2  -E"), ["--allow-net=a:1,b:2", "-E"]);
  assertEquals(flagsOf(`--allow-read="my files",'x y' "--allow-env"`), [
    "--allow-read=my files,x y",
    "--allow-env",
  ]);
});

Deno.test("parseCommand() accepts the workers' flags as an argument of their own too", () => {
  const parsed = parse(["flow.ts", "--worker-flags", "--allow-net -E", "-w2", "--", "-x"]);
  assertEquals(parsed, {
    ...PLAIN,
    workers: 2,
    workerFlags: ["--allow-net", "-E"],
    flowArgs: ["-x"],
  });
  const flowArgs = ["--worker-flags", "--allow-net"];
  assertEquals(parse(["flow.ts", "--", ...flowArgs]), { ...PLAIN, flowArgs });
  assertThrows(() => parse(["flow.ts", "--worker-flags"]), UsageError, "needs a value");
});

Deno.test("parseCommand() accepts where state is kept, and whether it is dropped", () => {
  const recoveryOf = (...args: string[]) =>
    (parse(["flow.ts", ...args]) as { recovery?: unknown }).recovery;
  assertEquals(recoveryOf("--recovery", "state.db"), {
    path: "state.db",
    fromScratch: false,
    yes: false,
  });
  assertEquals(recoveryOf("--recovery=state.db", "--from-scratch", "--yes"), {
    path: "state.db",
    fromScratch: true,
    yes: true,
  });
  const message = "--from-scratch needs --recovery PATH: drop the state where?";
  assertThrows(() => parse(["flow.ts", "--from-scratch"]), UsageError, message);
});

/** A value of each option, other than its default. */
const VALUES: Readonly<Record<string, string>> = {
  "workers": "3",
  "epoch-interval": "3s",
  "recovery": "other.db",
  "from-scratch": "true",
  "yes": "true",
  "rename-step": "a=b",
  "drop-step": "c",
  "stop-timeout": "3s",
  "restart": "3",
  "api": "8080",
  "check": "true",
  "watch": "true",
  "worker-flags": "--allow-net",
  "log-level": "error",
  "log-format": "json",
};

Deno.test("every option works as an environment variable as it does on the command line", () => {
  const names = new Set(OPTIONS.map(({ name }) => name));
  const ofGroups = new Set(GROUP_OPTIONS.map(({ name }) => name));
  assertEquals(names.difference(ofGroups), new Set(Object.keys(VALUES)));
  const base = { MILLRACE_RECOVERY: "s.db" }; // which some options need
  const without = parse(["flow.ts"], base);
  for (const { name, value: hasValue } of OPTIONS) {
    if (GROUP_OPTIONS.some((option) => option.name === name)) continue; // group_arguments_test.ts
    const value = VALUES[name];
    const given = parse(["flow.ts", hasValue === null ? `--${name}` : `--${name}=${value}`], base);
    assertNotEquals(given, without, name);
    assertEquals(parse(["flow.ts"], { ...base, [envName(name)]: value }), given, name);
  }
});

Deno.test("an option without a value is on or off, and anything else is an error", () => {
  const isDropped = (args: string[], env: Record<string, string> = {}) =>
    (parse(["flow.ts", "--recovery=s.db", ...args], env) as RunCommand).recovery!.fromScratch;
  for (const on of ["1", "true"]) {
    assertEquals(isDropped([`--from-scratch=${on}`]), true);
    assertEquals(isDropped([], { MILLRACE_FROM_SCRATCH: on }), true);
  }
  for (const off of ["0", "false"]) {
    assertEquals(isDropped([`--from-scratch=${off}`], { MILLRACE_FROM_SCRATCH: "1" }), false);
    assertEquals(isDropped([], { MILLRACE_FROM_SCRATCH: off }), false);
    assertEquals(isDropped(["--from-scratch"], { MILLRACE_FROM_SCRATCH: off }), true);
  }
  assertEquals(isDropped(["--", "--from-scratch"]), false); // it is the flow's
  assertEquals(isDropped(["--worker-flags", "--from-scratch"]), false); // it is Deno's
  for (const wrong of ["yes", "", "TRUE", "2"]) {
    const message = `must be 1 or true, or 0 or false; got "${wrong}"`;
    const option = () => isDropped([`--yes=${wrong}`]);
    assertThrows(option, UsageError, `--yes ${message}`);
    const variable = () => isDropped([], { MILLRACE_YES: wrong });
    assertThrows(variable, UsageError, `MILLRACE_YES ${message}`);
  }
  const nowhere = () => parse(["flow.ts"], { MILLRACE_FROM_SCRATCH: "1" });
  assertThrows(nowhere, UsageError, "MILLRACE_FROM_SCRATCH needs --recovery PATH");
});

Deno.test("mistypedVariables() finds variables that were meant to be options, and no others", () => {
  const names = [
    "MILLRACE_WORKER",
    "MILLRACE_LOGLEVEL",
    "MILLRACE_YES",
    "MILLRACE_PORT",
    "WORKERS",
  ];
  assertEquals(mistypedVariables([...names, "MILLRACE_SERVICE_HOST"]), [
    { variable: "MILLRACE_WORKER", meant: "MILLRACE_WORKERS" },
    { variable: "MILLRACE_LOGLEVEL", meant: "MILLRACE_LOG_LEVEL" },
  ]);
});

Deno.test("parseCommand() logs milestones if no terminal shows a status", () => {
  const levelsOf = (args: string[], onTerminal: boolean) => {
    const command = parseCommand(["flow.ts", ...args], () => undefined, { onTerminal });
    const { earlyLogLevel, logLevel } = command as RunCommand;
    return [earlyLogLevel, logLevel];
  };
  assertEquals(levelsOf([], true), ["info", "warn"]); // its status is shown during the run only
  assertEquals(levelsOf([], false), ["info", "info"]);
  assertEquals(levelsOf(["--log-level=warn"], false), ["warn", "warn"]);
  assertEquals(levelsOf(["--watch"], true), ["info", "info"]);
  assertEquals(levelsOf(["--watch", "--log-level=warn"], true), ["warn", "warn"]);
});

Deno.test("parseCommand() leaves arguments after -- alone", () => {
  const flowArgs = ["-w", "2", "--help", "--", "", "flow2.ts"];
  assertEquals(parse(["flow.ts", "--", ...flowArgs]), { ...PLAIN, flowArgs });
});

Deno.test("parseCommand() keeps a flow's name as it is, also when it looks like a number", () => {
  assertEquals(parse(["007"]), { ...PLAIN, flow: "007" });
  assertEquals(parse(["flow.ts:name"]), { ...PLAIN, flow: "flow.ts:name" });
});

Deno.test("parseCommand() reads an option that is absent from the environment", () => {
  const env = {
    MILLRACE_WORKERS: "1",
    MILLRACE_EPOCH_INTERVAL: "2m",
    MILLRACE_LOG_LEVEL: "error",
    MILLRACE_LOG_FORMAT: "json",
  };
  const given = { ...PLAIN, epochMs: 120_000, ...levels("error"), logFormat: "json" };
  assertEquals(parse(["flow.ts"], env) as unknown, given);
  assertEquals(
    parse(["flow.ts", "--log-level=info"], env) as unknown,
    { ...given, ...levels("info") },
  );
});

Deno.test("parseCommand() prefers help to everything, then the version", () => {
  assertEquals(parse(["--help"]), { kind: "help" });
  assertEquals(parse(["-h", "flow.ts", "-w", "7"]), { kind: "help" });
  assertEquals(parse(["--version", "-h"]), { kind: "help" });
  assertEquals(parse(["-V"]), { kind: "version" });
});

Deno.test("parseCommand() names the option or variable that a bad value came from", () => {
  const cases: [args: string[], env: Record<string, string>, message: string][] = [
    [["-w", "1.5"], {}, `--workers must be a whole number from 1 to 1024; got "1.5"`],
    [["-w", "1e3"], {}, `--workers must be a whole number from 1 to 1024; got "1e3"`],
    [
      [],
      { MILLRACE_WORKERS: "0" },
      `MILLRACE_WORKERS must be a whole number from 1 to 1024; got "0"`,
    ],
    [["-w", "1025"], {}, `--workers must be a whole number from 1 to 1024; got "1025"`],
    [["--restart=-1"], {}, `--restart must be a whole number from 0 to 1000000; got "-1"`],
    [
      ["--worker-flags=--allow-net b"],
      {},
      `--worker-flags must be flags of deno run, such as "--allow-net --allow-env"; got b`,
    ],
    [
      [],
      { MILLRACE_EPOCH_INTERVAL: "soon" },
      `MILLRACE_EPOCH_INTERVAL must look like 500ms, 10s, 5m or 1h; got "soon"`,
    ],
    [
      ["--epoch-interval=-1s"],
      {},
      `--epoch-interval must look like 500ms, 10s, 5m or 1h; got "-1s"`,
    ],
    [["--log-level=INFO"], {}, `--log-level must be debug or info or warn or error; got "INFO"`],
    [[], { MILLRACE_LOG_FORMAT: "" }, `MILLRACE_LOG_FORMAT must be text or json; got ""`],
    [
      [],
      { MILLRACE_RECOVERY: "" },
      `MILLRACE_RECOVERY must be a path or kafka://HOST:PORT/PREFIX; got ""`,
    ],
  ];
  for (const [args, env, message] of cases) {
    const error = assertThrows(() => parse(["flow.ts", ...args], env), UsageError) as UsageError;
    assertEquals(error.message, message);
  }
});

Deno.test("parseCommand() refuses every empty variable, and names it", () => {
  for (const { name } of OPTIONS) {
    const variable = envName(name);
    const given = () => parse(["flow.ts"], { MILLRACE_RECOVERY: "s.db", [variable]: "" });
    assertStringIncludes(assertThrows(given, UsageError).message, variable);
  }
});

Deno.test("parseCommand() refuses permission sets as the workers' flags, quoted too", () => {
  for (const set of ["-P", "-P=kafka", "--permission-set", "'--permission-set=my set'"]) {
    const plain = set.replaceAll("'", "");
    for (
      const [from, given] of [
        ["--worker-flags", () => parse(["flow.ts", `--worker-flags=--quiet ${set}`])],
        ["MILLRACE_WORKER_FLAGS", () => parse(["flow.ts"], { MILLRACE_WORKER_FLAGS: set })],
      ] as const
    ) {
      const { message } = assertThrows(given, UsageError);
      assertStringIncludes(message, `${from} cannot take ${plain}: `);
      assertStringIncludes(message, 'give the permissions as flags, such as "--allow-net=');
    }
  }
});

Deno.test("parseCommand() refuses an option without a value, wherever it stands", () => {
  const message = "option -w (--workers) needs a value: --workers N";
  for (const args of [["-w"], ["flow.ts", "--workers"], ["flow.ts", "-w", "--log-level=info"]]) {
    assertThrows(() => parse(args), UsageError, message);
  }
});

Deno.test("parseCommand() refuses an unknown option, with a hint if one is near", () => {
  assertThrows(() => parse(["flow.ts", "--log"]), UsageError, "did you mean --log-level?");
  assertThrows(() => parse(["flow.ts", "--wrokers=2"]), UsageError, "did you mean --workers?");
  assertThrows(() => parse(["flow.ts", "--recover=x"]), UsageError, "did you mean --recovery?");
  assertThrows(() => parse(["flow.ts", "--no-workers"]), UsageError, "unknown option --no-workers");
  assertThrows(() => parse(["flow.ts", "-q"]), UsageError, "unknown option -q (see --help)");
});

Deno.test("parseCommand() requires one flow", () => {
  assertThrows(() => parse([]), UsageError, "which flow?");
  assertThrows(() => parse(["--", "flow.ts"]), UsageError, "which flow?");
  assertThrows(() => parse(["a.ts", "b", "c"]), UsageError, "got a.ts and b c (");
});

Deno.test("helpText() explains every option that parseCommand() accepts", () => {
  const options = [
    "--workers N",
    "--epoch-interval TIME",
    "--recovery PATH",
    "--from-scratch",
    "--yes",
    "state PATH [STEP [KEY]]",
    "--restart N",
    "--worker-flags FLAGS",
    "--log-level LEVEL",
    "--log-format FORMAT",
  ];
  for (const option of [...options, "--help", "--version"]) {
    assertStringIncludes(helpText(), option);
  }
  for (const line of helpText().split("\n")) assertEquals(line.length <= 100, true, line);
});

const STORED = { path: "s.db", fromScratch: false, yes: false };

Deno.test("parseCommand() accepts any number of renamed and dropped steps", () => {
  const changed = (args: string[], env = {}) => {
    const { recovery } = parse(["flow.ts", "--recovery=s.db", ...args], env) as RunCommand;
    return { ...recovery?.stepChanges };
  };
  assertEquals(parse(["flow.ts", "--recovery=s.db"]), { ...PLAIN, recovery: STORED });
  assertEquals(changed(["--rename-step", "a=b", "--drop-step=c", "--rename-step=b=a"]), {
    renameSteps: { a: "b", b: "a" },
    dropSteps: ["c"],
  });
  const env = { MILLRACE_RENAME_STEP: "a=b,c d=e", MILLRACE_DROP_STEP: "f,g" };
  assertEquals(changed([], env), { renameSteps: { a: "b", "c d": "e" }, dropSteps: ["f", "g"] });
  assertEquals(changed(["--drop-step=h"], env).dropSteps, ["h"]);
});

Deno.test("parseCommand() refuses malformed changes of steps", () => {
  const cases: [args: string[], message: string][] = [
    [["--rename-step=a"], '--rename-step must be OLD=NEW; got "a"'],
    [["--rename-step=a=b=c"], '--rename-step must be OLD=NEW; got "a=b=c"'],
    [["--rename-step=a=b", "--rename-step=a=c"], 'step "a" is renamed twice'],
    [["--rename-step=a=c", "--rename-step=b=c"], 'steps "a" and "b" cannot both be renamed to "c"'],
    [["--rename-step=a=a"], 'step "a" is renamed to its own name'],
    [["--rename-step=a=b", "--drop-step=a"], 'step "a" is both renamed and dropped'],
    [["--drop-step"], "option --drop-step needs a value"],
  ];
  for (const [args, message] of cases) {
    const given = () => parse(["flow.ts", "--recovery=s.db", ...args]);
    assertStringIncludes(assertThrows(given, UsageError).message, message);
  }
  const without = () => parse(["flow.ts", "--drop-step=a"]);
  assertThrows(without, UsageError, "--drop-step needs --recovery PATH");
});

Deno.test("parseCommand() accepts a stop timeout in any unit", () => {
  assertEquals(parse(["flow.ts", "--stop-timeout=1.5s"]), { ...PLAIN, stopMs: 1_500 });
  assertEquals(parse(["flow.ts"], { MILLRACE_STOP_TIMEOUT: "2m" }), { ...PLAIN, stopMs: 120_000 });
  assertEquals(parse(["flow.ts", "--stop-timeout", "1ms"]), { ...PLAIN, stopMs: 1 });
  assertThrows(
    () => parse(["flow.ts", "--stop-timeout=9"]),
    UsageError,
    "--stop-timeout must look",
  );
  const cure = "must be more than zero; got 0 ms: for a stop that ends soon give a short time";
  for (const zero of ["0s", "0ms", "0.0h"]) {
    const given = () => parse(["flow.ts", "--stop-timeout", zero]);
    assertThrows(given, UsageError, `--stop-timeout ${cure}`);
    const inherited = () => parse(["flow.ts"], { MILLRACE_STOP_TIMEOUT: zero });
    assertThrows(inherited, UsageError, `MILLRACE_STOP_TIMEOUT ${cure}`);
  }
});

Deno.test("--api is a port, with an address or this machine's own", () => {
  const apiOf = (value: string, env = {}) => {
    const command = parse(["flow.ts", "--api", value], env);
    return command.kind === "run" ? command.api : undefined;
  };
  assertEquals(apiOf("8080"), { host: "127.0.0.1", port: 8080 });
  assertEquals(apiOf("localhost:0"), { host: "localhost", port: 0 });
  assertEquals(apiOf("[::1]:8080"), { host: "::1", port: 8080 });
  const token = { MILLRACE_API_TOKEN: "s3cret" };
  assertEquals(apiOf("0.0.0.0:8080", token), { host: "0.0.0.0", port: 8080, token: "s3cret" });
  assertEquals(apiOf("8080", token), { host: "127.0.0.1", port: 8080, token: "s3cret" });
  assertEquals(parse(["flow.ts"], { MILLRACE_API: "8080" }), {
    ...PLAIN,
    api: { host: "127.0.0.1", port: 8080 },
  });
  for (const value of ["many", "70000", ":8080", "a:b:1", "::1:8080", "8080/x"]) {
    assertThrows(() => apiOf(value), UsageError, "--api must be a port");
  }
  assertThrows(() => apiOf("[::]:80"), UsageError, "set MILLRACE_API_TOKEN");
  for (const MILLRACE_API_TOKEN of ["s3cret\n", " ab", "žluť"]) {
    const { message } = assertThrows(() => apiOf("8080", { MILLRACE_API_TOKEN }), UsageError);
    assertMatch(message, /^MILLRACE_API_TOKEN is sent in a header/);
  }
});

Deno.test("graph accepts a flow, its arguments, and options of its own", () => {
  assertEquals(parse(["graph", "flow.ts:name", "--format=svg", "--stages", "-w3", "--", "x"]), {
    kind: "graph",
    flow: "flow.ts:name",
    flowArgs: ["x"],
    workers: 3,
    workerFlags: undefined,
    format: "svg",
    stages: true,
  });
  assertThrows(() => parse(["graph"]), UsageError, "graph needs one flow");
});

Deno.test("backup accepts a store and a file, and no options", () => {
  assertEquals(parse(["backup", "a.db", "b.db"]), { kind: "backup", path: "a.db", to: "b.db" });
  for (const args of [["backup"], ["backup", "a.db"], ["backup", "a.db", "b.db", "c.db"]]) {
    assertThrows(() => parse(args), UsageError, "backup needs the path of a recovery store");
  }
  assertThrows(() => parse(["backup", "a", "b", "-w2"]), UsageError, "backup accepts no option");
});

Deno.test("helpText() of a command that runs no flow has that command only", () => {
  for (const name of ["state", "backup", "graph"] as const) {
    assertEquals(parse([name, "--help"]), { kind: "help", of: name });
    const text = helpText(name);
    assertEquals(text.split("\n")[0].startsWith(`Usage: deno run -A cli.ts ${name} `), true, text);
    for (const other of ["state", "backup", "graph"]) {
      assertEquals(text.includes(`cli.ts ${other} `), other === name, other);
    }
    assertEquals(text.includes("--epoch-interval"), false);
    assertStringIncludes(helpText(), text.slice("Usage: ".length));
  }
});
