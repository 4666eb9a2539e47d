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
import { testInLanes } from "./test_lanes.ts";

const ROOT = new URL("../", import.meta.url);
const OPTIONS = ["-A", "--doc"] as const;

if (import.meta.main) Deno.exit(await main(Deno.args));

async function main(args: readonly string[]): Promise<number> {
  const browserTests = await selectBrowserTests(ROOT, args);
  const lack = browserTests.length === 0 ? undefined : await setUp(["chromium"]);
  const code = await brokerAndOtherTests(args, browserTests);
  if (lack === undefined) return code;
  console.error(`
NOT RUN, as they need ${lack.what}:
${browserTests.map((file) => `  ${file}`).join("\n")}
To install it:
  ${lack.cure}`);
  return code === 0 ? 1 : code;
}

async function brokerAndOtherTests(
  args: readonly string[],
  browserTests: readonly string[],
): Promise<number> {
  const areElsewhere = Boolean(Deno.env.get("KAFKA_BROKERS"));
  if (areElsewhere && args.length > 0) return await denoTest(args);
  const { brokerTests, otherArgs } = await selectBrokerTests(ROOT, args);
  if (brokerTests.length === 0) return await denoTest(args);
  // Programs that make certificates and brokers.
  const lack = areElsewhere ? undefined : await setUp([...brokerPrograms(), "openssl"]);
  if (lack === undefined) {
    // All tests take long. A file that an option names would be written by both processes.
    return args.length === 0 && otherArgs !== undefined
      ? await bothKinds(brokerTests, browserTests, otherArgs)
      : await denoTest(args);
  }

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

/**
 * Runs the tests that need a broker or a browser beside the others: either take about half of the
 * time. Without arguments, `otherArgs` only leave out the tests that need a broker.
 */
async function bothKinds(
  brokerTests: readonly string[],
  browserTests: readonly string[],
  otherArgs: readonly string[],
): Promise<number> {
  const encoder = new TextEncoder();
  const needy = [...new Set([...brokerTests, ...browserTests])];
  const others = [...otherArgs, ...browserTests.map((file) => `--ignore=${file}`)];
  return await testInLanes([needy, others].map((args) => [...OPTIONS, ...args]), {
    cwd: ROOT,
    show: (text) => writeAllSync(encoder.encode(text)),
    onStart: passSignals,
  });
}

/** Runs `deno test`. It gets the terminal and the signals, and its exit code becomes ours. */
async function denoTest(args: readonly string[]): Promise<number> {
  const test = new Deno.Command(Deno.execPath(), {
    args: ["test", ...OPTIONS, ...args],
    cwd: ROOT,
  }).spawn();
  passSignals(test);
  return (await test.status).code;
}

function passSignals(test: Deno.ChildProcess): void {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
    Deno.addSignalListener(signal, () => kill(test, signal));
  }
}

/** Passes a signal on, unless the process has ended: of two, one may be over. */
function kill(test: Deno.ChildProcess, signal: Deno.Signal): void {
  try {
    test.kill(signal);
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
  }
}

function writeAllSync(bytes: Uint8Array): void {
  for (let at = 0; at < bytes.length;) at += Deno.stdout.writeSync(bytes.subarray(at));
}
