import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { helpText, parseCommand, type RunCommand } from "../../src/cli/arguments.ts";
import { GROUP_OPTIONS } from "../../src/cli/group_arguments.ts";
import { UsageError } from "../../src/core/errors.ts";

function groupOf(args: readonly string[], env: Readonly<Record<string, string>> = {}) {
  const command = parseCommand(["flow.ts", ...args], (name) => env[name], { onTerminal: true });
  return (command as RunCommand).group;
}

const PLAIN = {
  app: "orders",
  shards: 64,
  commitIntervalMs: 1_000,
  guarantee: "exactly-once",
  protocol: "auto",
  leaves: false,
  waits: false,
  dropSteps: [],
  stateDir: null,
  standbys: null,
  stallMs: 300_000,
  sessionMs: null,
} as const;

Deno.test("a group needs its name only", () => {
  assertEquals(groupOf(["--group", "orders"]), PLAIN);
  assertEquals(groupOf([], { MILLRACE_GROUP: "orders" }), PLAIN);
  assertEquals(groupOf([]), undefined);
});

Deno.test("every option of a group works as an environment variable too", () => {
  const values: Readonly<Record<string, readonly [string, object]>> = {
    "group": ["other", { app: "other" }],
    "shards": ["16", { shards: 16 }],
    "commit-interval": ["100ms", { commitIntervalMs: 100 }],
    "standbys": ["0", { standbys: 0 }],
    "guarantee": ["at-least-once", { guarantee: "at-least-once" }],
    "protocol": ["classic", { protocol: "classic" }],
    "leave": ["true", { leaves: true }],
    "wait": ["true", { waits: true }],
    "state-dir": ["/tmp/s", { stateDir: "/tmp/s" }],
    "session-timeout": ["45s", { sessionMs: 45_000 }],
    "stall-timeout": ["30s", { stallMs: 30_000 }],
  };
  assertEquals(GROUP_OPTIONS.map(({ name }) => name), Object.keys(values));
  for (const [name, [value, changes]] of Object.entries(values)) {
    const base = { MILLRACE_GROUP: "orders" };
    const variable = `MILLRACE_${name.toUpperCase().replaceAll("-", "_")}`;
    const expected = { ...PLAIN, ...changes };
    assertEquals(groupOf([`--${name}=${value}`], base), expected, name);
    assertEquals(groupOf([], { ...base, [variable]: value }), expected, name);
  }
});

Deno.test("the help names the options without a variable", () => {
  const help = helpText();
  assertStringIncludes(help, "copies of states elsewhere, 0 to 2");
  assertStringIncludes(help, "Each option but --help and --version can be given as an environment");
});

Deno.test("a session is that of a classic group, or of one that is not known yet", () => {
  const args = ["--group=orders", "--session-timeout=1m"];
  assertEquals(groupOf([...args, "--protocol=classic"])?.sessionMs, 60_000);
  assertThrows(
    () => groupOf([...args, "--protocol=streams"]),
    UsageError,
    "--session-timeout is an option of classic groups",
  );
});

Deno.test("a worker is given two commit intervals at the least to get further", () => {
  const group = ["--group=orders", "--commit-interval=10m"];
  assertEquals(groupOf(group)?.stallMs, 1_200_000);
  assertEquals(groupOf([...group, "--stall-timeout=20m"])?.stallMs, 1_200_000);
  assertThrows(
    () => groupOf([...group, "--stall-timeout=19m"]),
    UsageError,
    "--stall-timeout must be 2 times the commit interval or more, here 1200000 ms",
  );
});

Deno.test("copies of states need a folder, whatever the protocol", () => {
  const args = ["--group=orders", "--standbys=2", "--state-dir=/tmp/s"];
  assertEquals(groupOf(args), { ...PLAIN, standbys: 2, stateDir: "/tmp/s" });
  for (const protocol of ["streams", "classic"]) {
    assertEquals(groupOf([...args, `--protocol=${protocol}`])?.standbys, 2);
  }
});

Deno.test("options of a group need its name", () => {
  for (const option of ["--shards=3", "--leave", "--state-dir=/tmp/s", "--standbys=0"]) {
    const name = option.split("=")[0];
    assertThrows(
      () => groupOf([option]),
      UsageError,
      `${name} is an option of a group: add --group APP`,
    );
  }
  assertThrows(
    () => groupOf([], { MILLRACE_SHARDS: "3" }),
    UsageError,
    "MILLRACE_SHARDS is an option",
  );
  assertEquals(groupOf([], { MILLRACE_LEAVE: "0" }), undefined);
});

Deno.test("what does not go with a group is refused, with what to do instead", () => {
  const refused: Readonly<Record<string, string>> = {
    "--recovery=s.db": "--recovery does not go with --group: state is kept in the group's topics",
    "--yes": "--yes does not go with --group",
    "--epoch-interval=3s": "--epoch-interval does not go with --group: use --commit-interval",
    "--watch": "--watch does not go with --group: develop the flow on one machine",
    "--standbys=1": "--standbys needs --state-dir DIR",
    "--standbys=x": '--standbys must be a whole number from 0 to 2; got "x"',
    "--session-timeout=10ms": "--session-timeout must be 1 s or more",
    "--shards=0": "--shards must be a whole number from 1 to 1024",
    "--guarantee=once": "--guarantee must be exactly-once or at-least-once",
    "--protocol=kafka": "--protocol must be auto or streams or classic",
    "--stall-timeout=1s": "--stall-timeout must be 10 s or more",
    "--commit-interval=soon": "--commit-interval",
    "--commit-interval=0s":
      "--commit-interval must be 10 ms or more, as each commit is a transaction; got 0 ms",
    "--commit-interval=9ms": "--commit-interval must be 10 ms or more",
    "--group=a/b": '--group must be a name of up to 100 letters, digits, ".", "_" and "-"',
  };
  for (const [option, message] of Object.entries(refused)) {
    assertThrows(() => groupOf(["--group=orders", option]), UsageError, message);
  }
  for (const steps of ["--rename-step=a=b", "--drop-step=a"]) {
    const args = ["--group=orders", "--recovery=s.db", steps];
    assertThrows(() => groupOf(args), UsageError, "--recovery does not go with --group");
  }
  const variables = { MILLRACE_GROUP: "orders", MILLRACE_RECOVERY: "s.db" };
  const message = "MILLRACE_RECOVERY does not go with MILLRACE_GROUP";
  assertThrows(() => groupOf([], variables), UsageError, message);
});
