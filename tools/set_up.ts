/**
 * Installs what the broker of the tests needs, or says how: Java, and Maven to fetch Kafka.
 *
 * `set_up_plan.ts` decides; here are the effects.
 */
import { jarFolder } from "../tests/support/kafka/broker/jars.ts";
import {
  advice,
  type Command,
  installCommands,
  isMet,
  type Manager,
  MANAGER_NAMES,
  mayInstall,
  type Program,
  refreshCommands,
  titles,
  versionCommand,
} from "./set_up_plan.ts";

/** What is still missing, and why. */
export interface Lack {
  /** As in `Java 17 or later and Maven 3.6.3 or later`. */
  readonly what: string;
  /** What to type, or do. */
  readonly cure: string;
}

/** The machine that is set up. */
export interface Host {
  readonly isRoot: boolean;
  /** What a command prints, or `undefined` if there is no such command. */
  ask(command: Command): Promise<string | undefined>;
  /** Runs a command that changes the machine, and returns whether it succeeded. */
  act(command: Command): Promise<boolean>;
  /** Tells the user what happens. */
  tell(text: string): void;
}

/** What a broker of the tests needs. Maven only fetches Kafka, so it is needed once. */
export function brokerPrograms(): readonly Program[] {
  return isFolder(jarFolder()) ? ["java"] : ["java", "mvn"];
}

/** Installs the programs that are missing, if it may. Returns what is still missing. */
export async function setUp(
  needed: readonly Program[],
  host: Host = thisMachine(),
): Promise<Lack | undefined> {
  const missing = await missingOf(needed, host);
  if (missing.length === 0) return undefined;
  const manager = await managerOf(host);
  if (manager === undefined || !mayInstall(manager, host.isRoot)) {
    return await lackOf(missing, manager, host);
  }
  host.tell(`installing ${titles(missing)} with ${manager}; this can take minutes …`);
  for (const command of refreshCommands(manager)) await host.act(command); // old lists may do
  const javaPackages = await javaPackagesOf(manager, host);
  for (const command of installCommands(missing, manager, javaPackages)) {
    if (!await host.act(command)) break;
  }
  const stillMissing = await missingOf(missing, host);
  if (stillMissing.length === 0) return undefined;
  host.tell(`${manager} did not install ${titles(stillMissing)}`);
  return await lackOf(stillMissing, manager, host);
}

async function lackOf(
  missing: readonly Program[],
  manager: Manager | undefined,
  host: Host,
): Promise<Lack> {
  const javaPackages = await javaPackagesOf(manager, host);
  const cure = advice(missing, { manager, isRoot: host.isRoot, javaPackages });
  return { what: titles(missing), cure };
}

async function missingOf(needed: readonly Program[], host: Host): Promise<readonly Program[]> {
  const outputs = await Promise.all(needed.map((program) => host.ask(versionCommand(program))));
  return needed.filter((program, at) => !isMet(program, outputs[at]));
}

async function managerOf(host: Host): Promise<Manager | undefined> {
  for (const manager of MANAGER_NAMES) {
    if (await host.ask([manager, "--version"]) !== undefined) return manager;
  }
  return undefined;
}

/** The Java packages of apt-get. Other managers have one name for all their systems. */
async function javaPackagesOf(manager: Manager | undefined, host: Host): Promise<string[]> {
  if (manager !== "apt-get") return [];
  const search = ["apt-cache", "search", "--names-only", "^openjdk-[0-9]+-jre-headless$"];
  return (await host.ask(search) ?? "").split("\n").map((line) => line.split(" ")[0]);
}

/** The machine that we run on. */
function thisMachine(): Host {
  return {
    isRoot: Deno.uid() === 0,
    ask: async ([name, ...args]) => {
      try {
        const { stdout, stderr } = await new Deno.Command(name, { args, stdin: "null" }).output();
        return [stdout, stderr].map((bytes) => new TextDecoder().decode(bytes)).join("\n");
      } catch (error) {
        // Denied: a folder of PATH cannot be read, and the others do not have it.
        const { NotFound, PermissionDenied } = Deno.errors;
        if (error instanceof NotFound || error instanceof PermissionDenied) return undefined;
        throw error;
      }
    },
    act: async ([name, ...args]) => {
      const { success } = await new Deno.Command(name, {
        args,
        env: { DEBIAN_FRONTEND: "noninteractive" },
        stdin: "null",
        stdout: "null", // a line for each package; errors go to stderr
        stderr: "inherit",
      }).spawn().status;
      return success;
    },
    tell: (text) => console.error(text),
  };
}

function isFolder(path: string): boolean {
  try {
    return Deno.statSync(path).isDirectory;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return false;
    throw error;
  }
}
