/**
 * The command line of `group`, as data.
 *
 * @module
 */
import { didYouMean } from "../core/closest_name.ts";
import { UsageError } from "../core/errors.ts";
import { type Option, optionText, parseOptions, refuseFlowArgs } from "./options.ts";
import { propertiesOf, PROPERTY_OPTION } from "./rewind_arguments.ts";

/** What to do with the groups of an app. */
export interface GroupToolCommand {
  readonly kind: "group-tool";
  readonly app: string;
  readonly action: "show" | "reset" | "delete";
  /** Brokers of the cluster; empty if a flow says where it is. */
  readonly brokers: readonly string[];
  /** The flow whose brokers and security are used; `null` if they are given. */
  readonly flow: string | null;
  /** The flow's arguments. */
  readonly flowArgs: readonly string[];
  /** Kafka properties for the connection. */
  readonly properties: Readonly<Record<string, string>>;
  /** Whether as JSON; else as text. */
  readonly json: boolean;
  /** Do not ask first. */
  readonly yes: boolean;
}

const AT = [
  { name: "brokers", value: "LIST", about: "brokers of the cluster, as HOST:PORT,HOST:PORT" },
  { name: "flow", value: "FLOW", about: "the app's flow, for its brokers and security instead" },
  PROPERTY_OPTION,
] as const satisfies readonly Option[];

const YES: Option = { name: "yes", value: null, about: "do not ask" };

/** The options of each action. */
const OPTIONS: Readonly<Record<GroupToolCommand["action"], readonly Option[]>> = {
  show: [...AT, { name: "json", value: null, about: "one document of JSON" }],
  reset: [...AT, YES],
  delete: [...AT, YES],
};

const ACTIONS = ["reset", "delete"] as const;

/** What `--help` says of it. */
export const GROUP_HELP = `       deno run -A cli.ts group APP --brokers LIST [--json]
       deno run -A cli.ts group APP --flow FLOW [--json] [-- flow arguments]

shows the machines that share the work of an app: members, tasks, and what waits for them.

       deno run -A cli.ts group APP reset --brokers LIST [--yes]
       deno run -A cli.ts group APP delete --brokers LIST [--yes]

have an app begin again, or remove its groups and topics, once no machine runs it. Their options:
${[...OPTIONS.show, YES].map(optionText).join("\n")}
`;

/** A command, or what was asked for instead. */
export type ParsedGroupTool = GroupToolCommand | "help" | "version";

/**
 * Reads the arguments after `group`.
 *
 * @throws {UsageError} If they are wrong; the message says how to correct them.
 */
export function parseGroupTool(args: readonly string[]): ParsedGroupTool {
  const action = ACTIONS.find((name) => args.includes(name, 1)) ?? "show";
  const command = action === "show" ? "group" : `group APP ${action}`;
  const parsed = parseOptions(args, OPTIONS[action], command);
  if (parsed.help) return "help";
  if (parsed.version) return "version";
  const flow = parsed.flow as string | undefined;
  if (flow === undefined) refuseFlowArgs("group", parsed);
  const [app = "", given, ...more] = parsed._.map(String);
  if (app === "" || more.length > 0) {
    throw new UsageError("group needs the name of an app, and accepts reset or delete after it");
  }
  if (given !== undefined && given !== action) {
    throw new UsageError(
      `group ${app} has no action "${given}": it has reset and delete${didYouMean(given, ACTIONS)}`,
    );
  }
  const brokers = parsed.brokers as string | undefined;
  const property = parsed.property as readonly string[];
  if (brokers === undefined && flow === undefined) {
    throw new UsageError(
      `group ${app} needs its cluster: --brokers HOST:PORT,HOST:PORT, or --flow flow.ts`,
    );
  }
  if (flow !== undefined && (brokers !== undefined || property.length > 0)) {
    const other = brokers === undefined ? "--property" : "--brokers";
    throw new UsageError(`--flow says where the cluster is, so ${other} does not go with it`);
  }
  return {
    kind: "group-tool",
    app,
    action: given === undefined ? "show" : action,
    brokers: brokers?.split(",") ?? [],
    flow: flow ?? null,
    flowArgs: parsed["--"],
    properties: propertiesOf(property),
    json: parsed.json === true,
    yes: parsed.yes === true,
  };
}
