/**
 * Installs what the tests need, then runs them: `deno task test [ARGUMENT of deno test]…`.
 *
 * If something is missing and may not be installed, the tests that do not need it run. Then it
 * fails, and names those that it left out.
 *
 * @module
 */
import { selectBrokerTests, selectBrowserTests } from "./broker_tests.ts";
import { brokerPrograms, setUp } from "./set_up.ts";

const ROOT = new URL("../", import.meta.url);

if (import.meta.main) Deno.exit(await main(Deno.args));

async function main(args: readonly string[]): Promise<number> {
  const browserTests = await selectBrowserTests(ROOT, args);
  const lack = browserTests.length === 0 ? undefined : await setUp(["chromium"]);
  const code = await brokerAndOtherTests(args);
  if (lack === undefined) return code;
  console.error(`
NOT RUN, as they need ${lack.what}:
${browserTests.map((file) => `  ${file}`).join("\n")}
To install it:
  ${lack.cure}`);
  return code === 0 ? 1 : code;
}

async function brokerAndOtherTests(args: readonly string[]): Promise<number> {
  if (Deno.env.get("KAFKA_BROKERS")) return await denoTest(args); // they are elsewhere
  const { brokerTests, otherArgs } = await selectBrokerTests(ROOT, args);
  if (brokerTests.length === 0) return await denoTest(args);
  const lack = await setUp([...brokerPrograms(), "openssl"]); // openssl makes certificates
  if (lack === undefined) return await denoTest(args);

  console.error(`missing: ${lack.what}. Tests that need no broker run first.`);
  const code = otherArgs === undefined ? 1 : await denoTest(otherArgs);
  console.error(`
NOT RUN, as they need a broker:
${brokerTests.map((file) => `  ${file}`).join("\n")}

A broker needs ${lack.what}:
  ${lack.cure}
To use brokers that run already, set KAFKA_BROKERS=host:port.`);
  return code === 0 ? 1 : code;
}

/** Runs `deno test`. It gets the terminal and the signals, and its exit code becomes ours. */
async function denoTest(args: readonly string[]): Promise<number> {
  const test = new Deno.Command(Deno.execPath(), {
    args: ["test", "-A", "--doc", ...args],
    cwd: ROOT,
  }).spawn();
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    Deno.addSignalListener(signal, () => test.kill(signal));
  }
  return (await test.status).code;
}
