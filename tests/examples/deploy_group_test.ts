/** The files that start several machines of an app, as far as that needs no Docker. */
import { assert, assertEquals } from "@std/assert";
import { parse } from "yaml";
import { parseCommand, type RunCommand } from "../../src/cli/arguments.ts";

const FOLDER = new URL("../../examples/deploy/", import.meta.url);
const read = (name: string) => Deno.readTextFileSync(new URL(name, FOLDER));

interface Service {
  readonly command: string;
  readonly volumes: readonly string[];
  readonly stop_grace_period: string;
  readonly environment: Readonly<Record<string, unknown>>;
}

const compose = parse(read("compose.group.yaml"), { merge: true }) as {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
};
const nodes = Object.entries(compose.services).filter(([name]) => name.startsWith("node-"))
  .map(([, service]) => service);
const { spec } = parse(read("kubernetes.group.yaml"));
const pod = spec.template.spec;

function commandOf(args: readonly string[]): RunCommand {
  const env = (name: string) => name === "MILLRACE_API_TOKEN" ? "secret" : undefined;
  const command = parseCommand(["flow.ts", ...args], env, { onTerminal: false });
  if (command.kind !== "run") throw new Error(`it is a command ${command.kind}`);
  return command;
}

Deno.test("three machines of compose run the same command, each with a state folder of its own", () => {
  assertEquals(nodes.length, 3);
  assertEquals(new Set(nodes.map(({ command }) => command)).size, 1);
  const volumes = nodes.flatMap((node) => node.volumes);
  assertEquals(new Set(volumes).size, 3);
  for (const volume of volumes) assert(volume.split(":")[0] in compose.volumes, volume);
  const { group, flowArgs, stopMs } = commandOf(nodes[0].command.split(/\s+/));
  assertEquals(flowArgs, ["kafka:9092", "lines", "counts"]);
  assertEquals(group?.app, "wordcount");
  assertEquals(group?.stateDir, volumes[0].split(":")[1]);
  assert(stopMs! < parseInt(nodes[0].stop_grace_period) * 1_000);
});

Deno.test("pods run a command of a group, with their state on their disk, and may stop", () => {
  const [container] = pod.containers;
  const { group, flowArgs, stopMs, api } = commandOf(container.args);
  assertEquals(flowArgs, ["kafka:9092", "lines", "counts"]);
  assertEquals(group?.stateDir, container.volumeMounts[0].mountPath);
  assertEquals(container.volumeMounts[0].name, spec.volumeClaimTemplates[0].metadata.name);
  assertEquals(api?.port, container.ports[0].containerPort);
  assertEquals([group?.leaves, group?.waits], [false, false]); // a restarted pod comes back
  assert(stopMs! < pod.terminationGracePeriodSeconds * 1_000);
  assert(spec.replicas > 1);
});

Deno.test("compose shows the group that its machines are in", () => {
  const command = parseCommand(compose.services.group.command.split(/\s+/), () => undefined, {
    onTerminal: false,
  });
  assertEquals(command.kind, "group-tool");
  assertEquals(
    "app" in command && command.app,
    commandOf(nodes[0].command.split(/\s+/)).group?.app,
  );
});
