import { assertEquals } from "@std/assert";
import {
  advice,
  installCommands,
  isMet,
  type Manager,
  MANAGER_NAMES,
  mayInstall,
  type Program,
  titles,
} from "../../tools/set_up_plan.ts";

const BOTH: readonly Program[] = ["java", "mvn"];

Deno.test("isMet() accepts Java from 17 on, of every vendor and in every form of a version", () => {
  const outputs: Record<string, boolean> = {
    'openjdk version "17.0.15" 2025-04-15\nOpenJDK Runtime Environment': true,
    'java version "21" 2023-09-19 LTS': true,
    'openjdk version "26-ea" 2026-03-17': true,
    'Picked up JAVA_TOOL_OPTIONS: -Xmx1g\nopenjdk version "17" 2021-09-14': true,
    'openjdk version "11.0.27" 2025-04-15': false,
    'java version "1.8.0_392"': false,
    "The operation couldn’t be completed. Unable to locate a Java Runtime.": false,
    "": false,
  };
  for (const [output, expected] of Object.entries(outputs)) {
    assertEquals(isMet("java", output), expected, output);
  }
});

Deno.test("isMet() accepts Maven from 3.6.3 on, in colour too", () => {
  const outputs: Record<string, boolean> = {
    "Apache Maven 3.6.3": true,
    "\x1b[1mApache Maven 3.8.7\x1b[m\nMaven home: /usr/share/maven": true,
    "Apache Maven 4.0.0-rc-4 (bed0f8174bf728978f86fac533aa38a9511f3872)": true,
    "Apache Maven 3.10.0": true,
    "Apache Maven 3.6.2": false,
    "Apache Maven 3.5.4": false,
    "Apache Maven 2.9.9": false,
    "Error: JAVA_HOME is not defined correctly.": false,
  };
  for (const [output, expected] of Object.entries(outputs)) {
    assertEquals(isMet("mvn", output), expected, output);
  }
});

Deno.test("isMet() accepts OpenSSL and LibreSSL, and nothing that is not there", () => {
  assertEquals(isMet("openssl", "OpenSSL 3.0.17 1 Jul 2025"), true);
  assertEquals(isMet("openssl", "LibreSSL 3.3.6"), true);
  for (const program of ["java", "mvn", "openssl"] as const) {
    assertEquals(isMet(program, undefined), false);
  }
});

Deno.test("isMet() accepts any Chromium", () => {
  assertEquals(isMet("chromium", "Chromium 156.0.1.2 built on Debian"), true);
  assertEquals(isMet("chromium", "Command not found, but can be installed"), false);
});

Deno.test("mayInstall() holds for root alone, and never for brew, which refuses root", () => {
  const allowed = (isRoot: boolean) => MANAGER_NAMES.filter((each) => mayInstall(each, isRoot));
  assertEquals(allowed(true), ["apt-get", "dnf", "yum", "apk", "zypper", "pacman"]);
  assertEquals(allowed(false), []);
});

Deno.test("advice() is one line to type, for each package manager", () => {
  const lines: Record<Manager, string> = {
    "apt-get":
      "sudo apt-get update && sudo apt-get install -y --no-install-recommends default-jre-headless maven",
    dnf: "sudo dnf install -y java-21-openjdk-headless maven",
    yum: "sudo yum install -y java-21-openjdk-headless maven",
    apk: "sudo apk add openjdk17-jdk maven",
    zypper: "sudo zypper --non-interactive install java-21-openjdk-headless maven",
    pacman: "sudo pacman -Syu --needed --noconfirm jdk21-openjdk maven",
    brew: "brew install --cask temurin@21 && brew install maven",
  };
  for (const manager of MANAGER_NAMES) {
    const machine = { manager, isRoot: false, javaPackages: [] };
    assertEquals(advice(BOTH, machine), lines[manager]);
    assertEquals(
      advice(BOTH, { ...machine, isRoot: true }),
      lines[manager].replaceAll("sudo ", ""),
    );
  }
});

Deno.test("advice() without a package manager names what to install", () => {
  assertEquals(
    advice(BOTH, { manager: undefined, isRoot: true, javaPackages: [] }),
    "no package manager was found: install Java 17 or later and Maven 3.6.3 or later by hand, on PATH",
  );
});

Deno.test("installCommands() installs only what is missing", () => {
  const apk = ["apk", "add"];
  assertEquals(installCommands(["mvn"], "apk", []), [[...apk, "maven"]]);
  assertEquals(installCommands(["java"], "apk", []), [[...apk, "openjdk17-jdk"]]);
  assertEquals(installCommands(["openssl", "mvn"], "apk", []), [[...apk, "openssl", "maven"]]);
  assertEquals(installCommands(["java"], "brew", []), [[
    "brew",
    "install",
    "--cask",
    "temurin@21",
  ]]);
});

Deno.test("installCommands() takes the oldest Java that will do, of those that apt-get has", () => {
  const java = (...packages: string[]) => installCommands(["java"], "apt-get", packages)[0].at(-1);
  const jre = (version: number) => `openjdk-${version}-jre-headless`;
  assertEquals(java(jre(8), jre(11), jre(21), jre(17)), jre(17)); // Ubuntu 22.04: its default is 11
  assertEquals(java(jre(25), jre(21), ""), jre(21)); // Debian 13
  assertEquals(java(jre(8), jre(11)), "default-jre-headless");
  assertEquals(java(), "default-jre-headless");
});

Deno.test("titles() lists what is missing", () => {
  assertEquals(titles(["java"]), "Java 17 or later");
  assertEquals(
    titles(["java", "mvn", "openssl"]),
    "Java 17 or later, Maven 3.6.3 or later, and openssl",
  );
});
