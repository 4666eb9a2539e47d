import { assert, assertEquals } from "@std/assert";
import { parse } from "yaml";
import { parseCommand } from "../../src/cli/arguments.ts";
import { METRIC_DEFINITIONS } from "../../src/ops/metric_definitions.ts";
import { serveApi } from "../../src/ops/server.ts";
import { BUSY_RUN } from "../support/ops/busy_run.ts";
import { hasPromtool, promtool } from "../support/ops/promtool.ts";

const FOLDER = new URL("../../examples/deploy/", import.meta.url);
const read = (name: string) => Deno.readTextFileSync(new URL(name, FOLDER));

interface Rules {
  readonly groups: readonly {
    readonly rules: readonly { readonly alert: string; readonly expr: string }[];
  }[];
}

const alerts = (parse(read("alerts.yaml")) as Rules).groups.flatMap(({ rules }) => rules);
const panels = JSON.parse(read("grafana/millrace.json")).panels as readonly {
  readonly id: number;
  readonly targets: readonly { readonly expr: string }[];
}[];
/** As Grafana asks. */
const asked = panels.flatMap(({ targets }) =>
  targets.map(({ expr }) => expr.replaceAll("$flow", ".*"))
);

/** The metrics of an expression, each with the labels that it is chosen or grouped by. */
function metricsIn(expr: string): { name: string; labels: string[] }[] {
  const grouped = [...expr.matchAll(/(?:by|without) \(([^)]*)\)/g)].flatMap(([, names]) =>
    names.split(", ")
  );
  return [...expr.matchAll(/(millrace_\w+)(?:\{([^}]*)\})?/g)].map(([, name, chosen = ""]) => ({
    name,
    labels: [...grouped, ...[...chosen.matchAll(/(\w+)=/g)].map(([, label]) => label)],
  }));
}

Deno.test("alerts and the dashboard ask for metrics that there are, by labels that they have", () => {
  const all = [...alerts.map(({ expr }) => expr), ...asked];
  for (const { name, labels } of all.flatMap(metricsIn)) {
    const metric = METRIC_DEFINITIONS.find((each) => each.name === name);
    if (metric === undefined) throw new Error(`there is no metric ${name}`);
    const known = ["flow", ...metric.labels];
    assertEquals(labels.filter((label) => !known.includes(label)), [], name);
  }
});

Deno.test("the documents say what to do about each alert", () => {
  const operations = Deno.readTextFileSync(new URL("../../docs/operations.md", FOLDER));
  const missing = alerts.filter(({ alert }) => !operations.includes(`**${alert}**`));
  assertEquals(missing.map(({ alert }) => alert), []);
});

/** How compose and Kubernetes start the flow, and after how many seconds they kill it. */
function starts(): { args: string[]; killedAfter: number }[] {
  const { services: { flow } } = parse(read("compose.yaml"));
  const { spec: { template: { spec } } } = parse(read("kubernetes.yaml"));
  return [
    { args: flow.command.split(/\s+/), killedAfter: parseInt(flow.stop_grace_period) },
    { args: spec.containers[0].args, killedAfter: spec.terminationGracePeriodSeconds },
  ];
}

Deno.test("compose and Kubernetes start the flow with arguments that there are, and let it stop", () => {
  const env = (name: string) => name === "MILLRACE_API_TOKEN" ? "secret" : undefined;
  for (const { args, killedAfter } of starts()) {
    const command = parseCommand(["flow.ts", ...args], env, { onTerminal: false });
    if (command.kind !== "run") throw new Error(`it is a command ${command.kind}`);
    assertEquals(command.flowArgs, ["kafka:9092", "lines", "counts"]);
    assertEquals([command.api?.host, command.api?.port], ["0.0.0.0", 8080]);
    assert(command.stopMs! < killedAfter * 1_000);
  }
});

Deno.test("the probe of containers is as well as the port's answer", async () => {
  const probe = async (port: number, token: string) => {
    const { code, stdout } = await new Deno.Command(Deno.execPath(), {
      args: ["run", "-A", new URL("probe.ts", FOLDER).href, "readyz", `${port}`],
      env: { MILLRACE_API_TOKEN: token },
    }).output();
    return { code, said: new TextDecoder().decode(stdout) };
  };
  await using api = await serveApi({ port: 0, token: "secret" }, {
    view: () => ({ ...BUSY_RUN, group: null }), // a task of its group is not ready yet
    now: () => 5_000,
    ask: () => Promise.reject(new Error("nothing is asked")),
  });
  const port = Number(new URL(api.url).port);
  const ready = await probe(port, "secret");
  assertEquals([ready.code, JSON.parse(ready.said).ok], [0, true]);
  const refused = await probe(port, "another");
  assertEquals([refused.code, refused.said.includes("token")], [1, true]);
});

Deno.test({
  name:
    "promtool reads the alerts and the dashboard's questions, and the alerts come when they must",
  ignore: !hasPromtool,
  fn: async () => {
    const folder = new URL(".", import.meta.url).pathname;
    const tested = await promtool(["test", "rules", "alerts_test.yaml"], { cwd: folder });
    assertEquals(tested?.code, 0, tested?.said);
    const checked = await check(asked);
    assertEquals(checked?.code, 0, checked?.said);
    assertEquals((await check(["sum by ("]))?.code, 1); // it looks
  },
});

/** What promtool says of expressions. */
async function check(exprs: readonly string[]) {
  const rules = exprs.map((expr, n) => ({ record: `asked:${n}`, expr }));
  const file = await Deno.makeTempFile();
  try {
    await Deno.writeTextFile(file, JSON.stringify({ groups: [{ name: "asked", rules }] }));
    return await promtool(["check", "rules", file]);
  } finally {
    await Deno.remove(file);
  }
}
