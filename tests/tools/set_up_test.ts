import { assertEquals } from "@std/assert";
import { type Host, setUp } from "../../tools/set_up.ts";
import type { Program } from "../../tools/set_up_plan.ts";

const BOTH: readonly Program[] = ["java", "mvn"];
const JAVA = 'openjdk version "17.0.15" 2025-04-15';
const MAVEN = "Apache Maven 3.8.7";

/** A machine in memory: what its commands print, and what they change. */
class FakeHost implements Host {
  readonly acts: string[] = [];
  readonly told: string[] = [];

  constructor(
    readonly isRoot: boolean,
    /** What each command prints that is there, by its line. */
    readonly prints: Record<string, string>,
    /** What is there after a command; a command that is not in it fails. */
    readonly effects: Record<string, Record<string, string>> = {},
  ) {}

  ask(command: readonly string[]): Promise<string | undefined> {
    return Promise.resolve(this.prints[command.join(" ")]);
  }

  act(command: readonly string[]): Promise<boolean> {
    const line = command.join(" ");
    this.acts.push(line);
    Object.assign(this.prints, this.effects[line]);
    return Promise.resolve(Object.hasOwn(this.effects, line));
  }

  tell(text: string): void {
    this.told.push(text);
  }
}

const SEARCH = "apt-cache search --names-only ^openjdk-[0-9]+-jre-headless$";
const INSTALL = "apt-get install -y --no-install-recommends";
const APT = { "apt-get --version": "apt 2.6.1 (amd64)" };
const FOUND = { [SEARCH]: "openjdk-21-jre-headless - OpenJDK Java runtime\n" };

Deno.test("setUp() changes nothing and prints nothing if nothing is missing", async () => {
  const host = new FakeHost(true, { "java -version": JAVA, "mvn --version": MAVEN, ...APT });
  assertEquals(await setUp(BOTH, host), undefined);
  assertEquals([host.acts, host.told], [[], []]);
});

Deno.test("setUp() installs as root, from lists that it has fetched before", async () => {
  const host = new FakeHost(true, { ...APT }, {
    "apt-get update": FOUND,
    [`${INSTALL} openjdk-21-jre-headless maven`]: { "java -version": JAVA, "mvn --version": MAVEN },
  });
  assertEquals(await setUp(BOTH, host), undefined);
  assertEquals(host.acts, ["apt-get update", `${INSTALL} openjdk-21-jre-headless maven`]);
  assertEquals(host.told, [
    "installing Java 17 or later and Maven 3.6.3 or later with apt-get; this can take minutes …",
  ]);
});

Deno.test("setUp() installs only what is missing or too old", async () => {
  const old = { "java -version": 'openjdk version "11.0.27"', "mvn --version": MAVEN };
  const host = new FakeHost(true, { ...old, "apk --version": "apk-tools 2.14" }, {
    "apk add openjdk17-jdk": { "java -version": JAVA },
  });
  assertEquals(await setUp(BOTH, host), undefined);
  assertEquals(host.acts, ["apk add openjdk17-jdk"]);
});

Deno.test("setUp() installs nothing for users other than root, and returns what to type", async () => {
  const host = new FakeHost(false, { ...APT, ...FOUND });
  assertEquals(await setUp(BOTH, host), {
    what: "Java 17 or later and Maven 3.6.3 or later",
    cure: `sudo apt-get update && sudo ${INSTALL} openjdk-21-jre-headless maven`,
  });
  assertEquals(host.acts, []);
});

Deno.test("setUp() takes the system's package manager before brew, and dnf before yum", async () => {
  const others = { "brew --version": "Homebrew 4", "yum --version": "4", "dnf --version": "4" };
  const lack = await setUp(["mvn"], new FakeHost(false, others));
  assertEquals(lack?.cure, "sudo dnf install -y maven");
});

Deno.test("setUp() says what is missing if no package manager is known", async () => {
  const host = new FakeHost(true, {});
  assertEquals(await setUp(["java"], host), {
    what: "Java 17 or later",
    cure: "no package manager was found: install Java 17 or later by hand, on PATH",
  });
  assertEquals(host.acts, []);
});

Deno.test("setUp() returns what is still missing after an installation", async () => {
  const line = `${INSTALL} default-jre-headless maven`;
  const failed = new FakeHost(true, { ...APT });
  const cure = `apt-get update && ${line}`;
  assertEquals(await setUp(BOTH, failed), {
    what: "Java 17 or later and Maven 3.6.3 or later",
    cure,
  });
  assertEquals(failed.acts, ["apt-get update", line]); // old lists may do

  const tooOld = new FakeHost(true, { ...APT }, {
    "apt-get update": {},
    [line]: { "java -version": 'openjdk version "11.0.27"', "mvn --version": MAVEN },
  });
  assertEquals((await setUp(BOTH, tooOld))?.what, "Java 17 or later");
  assertEquals(tooOld.told.at(-1), "apt-get did not install Java 17 or later");
});
