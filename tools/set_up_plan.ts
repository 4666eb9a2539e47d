/**
 * Decides what to install if a program is missing that the tests need: for their broker, or to look
 * at the dashboard.
 *
 * It only decides: `set_up.ts` asks the machine and acts.
 */

/** A program that has to be on `PATH`. */
export type Program = "java" | "mvn" | "openssl" | "chromium";

/** A package manager. Each one is also the name of its command. */
export type Manager = "apt-get" | "dnf" | "yum" | "apk" | "zypper" | "pacman" | "brew";

/** A command and its arguments. */
export type Command = readonly string[];

/** What we know about the machine. */
export interface Machine {
  /** The package manager, if it has one that we know. */
  readonly manager: Manager | undefined;
  /** Whether we are root, as in most containers. */
  readonly isRoot: boolean;
  /** The Java packages of apt-get. Empty for other managers, and before the lists are fetched. */
  readonly javaPackages: readonly string[];
}

interface Requirement {
  /** What is missing, in words. */
  readonly title: string;
  /** The command that prints the version. */
  readonly ask: Command;
  /** Whether this output is that of a version that is new enough. */
  readonly isMet: (output: string) => boolean;
}

/** The oldest Java that runs Kafka 4. */
const OLDEST_JAVA = 17;

const REQUIREMENTS: Readonly<Record<Program, Requirement>> = {
  java: {
    title: `Java ${OLDEST_JAVA} or later`,
    ask: ["java", "-version"],
    // Until Java 8, versions began with 1, as in "1.8.0_392".
    isMet: (output) => Number(/version "(?:1\.)?(\d+)/.exec(output)?.[1] ?? 0) >= OLDEST_JAVA,
  },
  mvn: {
    title: "Maven 3.6.3 or later", // older ones cannot run today's dependency plugin
    ask: ["mvn", "--version"],
    isMet: (output) => {
      const version = /Apache Maven (\d+)\.(\d+)\.(\d+)/.exec(output)?.slice(1).map(Number);
      if (version === undefined) return false;
      const [major, minor, patch] = version;
      return (major - 3 || minor - 6 || patch - 3) >= 0;
    },
  },
  openssl: {
    title: "openssl",
    ask: ["openssl", "version"],
    isMet: (output) => /^(Open|Libre)SSL/m.test(output),
  },
  chromium: {
    title: "Chromium",
    ask: ["chromium", "--version"],
    isMet: (output) => /^Chromium \d+/m.test(output),
  },
};

interface ManagerUse {
  /** Fetches the lists of packages, if installing does not do so. */
  readonly refresh?: Command;
  readonly install: Command;
  readonly java: string;
  /** Whether it needs root. */
  readonly needsRoot: boolean;
}

const MANAGERS: Readonly<Record<Manager, ManagerUse>> = {
  "apt-get": {
    refresh: ["apt-get", "update"],
    install: ["apt-get", "install", "-y", "--no-install-recommends"],
    java: "default-jre-headless",
    needsRoot: true,
  },
  dnf: { install: ["dnf", "install", "-y"], java: "java-21-openjdk-headless", needsRoot: true },
  yum: { install: ["yum", "install", "-y"], java: "java-21-openjdk-headless", needsRoot: true },
  // Maven depends on some JDK: a JRE besides could leave an older JDK as the default.
  apk: { install: ["apk", "add"], java: "openjdk17-jdk", needsRoot: true },
  zypper: {
    install: ["zypper", "--non-interactive", "install"],
    java: "java-21-openjdk-headless",
    needsRoot: true,
  },
  // Arch supports no installation without an upgrade of all.
  pacman: {
    install: ["pacman", "-Syu", "--needed", "--noconfirm"],
    java: "jdk21-openjdk",
    needsRoot: true,
  },
  // The formula openjdk stays off PATH; the cask is put where macOS looks for Java.
  brew: { install: ["brew", "install"], java: "temurin@21", needsRoot: false },
};

/** The package managers, in the order in which to look for them: a machine may have several. */
export const MANAGER_NAMES = Object.keys(MANAGERS) as readonly Manager[];

/** The command that prints the version of a program. */
export function versionCommand(program: Program): Command {
  return REQUIREMENTS[program].ask;
}

/**
 * Whether a program is there in a version that is new enough.
 *
 * @param output What the version command printed; `undefined` if there is no such program.
 */
export function isMet(program: Program, output: string | undefined): boolean {
  return output !== undefined && REQUIREMENTS[program].isMet(output);
}

/** What is missing, in words: `Java 17 or later and Maven 3.6.3 or later`. */
export function titles(missing: readonly Program[]): string {
  return new Intl.ListFormat("en").format(missing.map((program) => REQUIREMENTS[program].title));
}

/**
 * Whether we may install packages ourselves.
 *
 * Only root may, without sudo: a test command should not ask for rights to change a machine.
 */
export function mayInstall(manager: Manager, isRoot: boolean): boolean {
  return isRoot && MANAGERS[manager].needsRoot;
}

/** The commands that fetch the lists of packages: none or one. */
export function refreshCommands(manager: Manager): readonly Command[] {
  const { refresh } = MANAGERS[manager];
  return refresh === undefined ? [] : [refresh];
}

/** The commands that install the programs, once the lists of packages are there. */
export function installCommands(
  missing: readonly Program[],
  manager: Manager,
  javaPackages: readonly string[],
): readonly Command[] {
  const { install, java } = MANAGERS[manager];
  const others = missing.filter((program) => program !== "java")
    .map((program) => program === "mvn" ? "maven" : program);
  if (!missing.includes("java")) return [[...install, ...others]];
  if (manager !== "brew") return [[...install, debianJava(javaPackages) ?? java, ...others]];
  const cask = [...install, "--cask", java];
  return others.length === 0 ? [cask] : [cask, [...install, ...others]];
}

/** What to type to have the programs, as one line. */
export function advice(missing: readonly Program[], machine: Machine): string {
  const { manager, isRoot, javaPackages } = machine;
  if (manager === undefined) {
    return `no package manager was found: install ${titles(missing)} by hand, on PATH`;
  }
  const sudo = MANAGERS[manager].needsRoot && !isRoot ? "sudo " : "";
  return [...refreshCommands(manager), ...installCommands(missing, manager, javaPackages)]
    .map((command) => sudo + command.join(" "))
    .join(" && ");
}

/**
 * The oldest Java that will do, of the packages that apt-get has.
 *
 * Its default is too old on some systems that also have a newer one: Java 11 on Ubuntu 22.04.
 */
function debianJava(packages: readonly string[]): string | undefined {
  const versions = packages
    .map((name) => Number(/^openjdk-(\d+)-jre-headless$/.exec(name)?.[1] ?? 0))
    .filter((version) => version >= OLDEST_JAVA);
  return versions.length === 0 ? undefined : `openjdk-${Math.min(...versions)}-jre-headless`;
}
