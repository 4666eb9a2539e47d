import { assert, assertEquals, assertLess, assertMatch, assertStringIncludes } from "@std/assert";
import { SAME_REQUEST_MS } from "../../src/cli/stop_signals.ts";
import { exists } from "../../src/core/system_error.ts";
import { type CliProcess, type CliResult, flowFile, folderOf, startCli } from "../support/cli.ts";
import { eventually } from "../support/eventually.ts";

const endless = (name: string) => `${flowFile("endless.ts")}:${name}`;

/** The pid that the worker prints. */
async function workerOf(cli: CliProcess): Promise<number> {
  return Number((await cli.stdout.line(/^pid (\d+)$/))[1]);
}

/**
 * Checks that the flow `counts` or `takes` was stopped gracefully, and wrote all that it had read.
 */
function assertGraceful({ code, stdout, stderr }: CliResult): void {
  const [pid, ...written] = stdout.trimEnd().split("\n");
  assert(/^pid \d+$/.test(pid));
  const gap = written.findIndex((line, i) => line !== String(i + 1));
  assertEquals(gap, -1);
  assertEquals({ code, stderr }, { code: 0, stderr: `closed after ${written.length}\n` });
}

for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"] as const) {
  Deno.test(`${signal} stops gracefully: what was read is written, and inputs are closed`, async () => {
    await using cli = startCli([endless("counts")]);
    await cli.stdout.line(/^1$/);
    cli.kill(signal);
    assertGraceful(await cli.finished());
  });

  Deno.test(`${signal} stops gracefully when the workers get it too`, async () => {
    await using cli = startCli([endless("counts")]);
    const worker = await workerOf(cli);
    await cli.stdout.line(/^1$/);
    Deno.kill(worker, signal); // first, so that a worker that it kills is noticed
    cli.kill(signal);
    assertGraceful(await cli.finished());
  });
}

Deno.test("SIGTERM loses nothing of what an async generator has taken from a queue", async () => {
  for (const store of [false, true]) {
    await using folder = await folderOf({});
    const recovery = store ? [`--recovery=${folder.path}/state.db`] : [];
    await using cli = startCli([endless("takes"), ...recovery]);
    await cli.stdout.line(/^3000$/);
    cli.kill("SIGTERM");
    assertGraceful(await cli.finished());
  }
});

Deno.test("SIGTERM to a single worker stops the run gracefully", async () => {
  await using cli = startCli([endless("counts")]);
  const worker = await workerOf(cli);
  await cli.stdout.line(/^1$/);
  Deno.kill(worker, "SIGTERM");
  assertGraceful(await cli.finished());
});

Deno.test("SIGINT stops a flow whose input waits for ever", async () => {
  await using cli = startCli([endless("idles")]);
  await workerOf(cli);
  cli.kill("SIGINT");
  const { code, stderr } = await cli.finished();
  assertEquals({ code, stderr }, { code: 0, stderr: "" });
});

/** Sends a signal, and another once that counts as a second request. The run then ends at once. */
async function stopTwice(cli: CliProcess, signal: Deno.Signal): Promise<void> {
  cli.kill(signal);
  await cli.stderr.line(/ stopping$/);
  await new Promise((resolve) => setTimeout(resolve, SAME_REQUEST_MS));
  cli.kill(signal);
  const { code, stderr } = await cli.finished();
  assertEquals(code, 1);
  assertMatch(stderr, /\n\S+ error the run was stopped at once\n$/);
}

for (const [first, second] of [["SIGINT", "SIGINT"], ["SIGHUP", "SIGHUP"], ["SIGTERM", "SIGHUP"]]) {
  Deno.test(`${first} with ${second} right after it stops gracefully, as one does`, async () => {
    await using cli = startCli([endless("lingers"), "--log-level=info"]);
    await cli.stdout.line(/^begun$/);
    cli.kill(first as Deno.Signal);
    await cli.stderr.line(/ stopping$/);
    cli.kill(second as Deno.Signal);
    const { code, stdout } = await cli.finished();
    assertEquals({ code, stdout }, { code: 0, stdout: "begun\ndone\n" });
  });
}

Deno.test({
  name: "a terminal that is closed stops the run gracefully, with the status line on it",
  ignore: Deno.build.os !== "linux" || !await exists("/usr/bin/script"),
  fn: async () => {
    await using folder = await folderOf({ out: "" });
    const [out, closed] = [`${folder.path}/out`, `${folder.path}/closed`];
    const command = `${Deno.execPath()} run -A cli.ts ${endless("writes")} -- ${out} ${closed}`;
    const terminal = new Deno.Command("/usr/bin/script", {
      args: ["--quiet", "--flush", "--command", command, "/dev/null"],
      cwd: `${import.meta.dirname}/../..`,
      stdin: "null",
      stdout: "null",
      stderr: "null",
    }).spawn();
    await eventually(() => Deno.statSync(out).size > 0, "something has been written");
    terminal.kill("SIGKILL");
    await terminal.status;
    await eventually(() => lengthOf(closed) > 0, "the input has been closed");
    const written = (await Deno.readTextFile(out)).trimEnd().split("\n").length;
    assertEquals(written, Number(await Deno.readTextFile(closed)));
  },
});

/** The size of a file; 0 if there is none. */
function lengthOf(path: string): number {
  try {
    return Deno.statSync(path).size;
  } catch {
    return 0; // not there yet
  }
}

for (const flow of ["hangs", "spins"].map(endless)) {
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    Deno.test(`a second ${signal} ends at once a flow that is stuck: ${flow}`, async () => {
      await using cli = startCli([flow, "--log-level=info"]);
      await workerOf(cli);
      await stopTwice(cli, signal);
    });
  }
}

for (
  const { name, left } of [
    { name: "hangs", left: 'step \\"capture-1\\"' },
    { name: "spins", left: "it does not answer" },
  ]
) {
  Deno.test(`--stop-timeout ends a flow that is stuck, with a store or without: ${name}`, async () => {
    await using folder = await folderOf({});
    const recovery = `--recovery=${folder.path}/state.db`;
    await using kept = startCli([endless(name), "-w2", "--stop-timeout=1s", recovery]);
    await using lost = startCli([endless(name), "-w2", "--stop-timeout=1s"]);
    await Promise.all([kept, lost].map((cli) => workerOf(cli)));
    kept.kill("SIGTERM");
    lost.kill("SIGTERM");
    const [withStore, without] = await Promise.all([kept.finished(), lost.finished()]);
    assertEquals(withStore.code, 0);
    assertMatch(withStore.stderr, /^\S+ warn {2}the stop took too long/m);
    assertStringIncludes(withStore.stderr, left);
    assertEquals(without.code, 1);
    assertMatch(without.stderr, /^error: the stop took too long \(--stop-timeout, 1 s\): /m);
  });
}

for (const flow of [endless("loads"), flowFile("never_loads.ts")]) {
  Deno.test(`a signal ends soon a flow that is still being loaded: ${flow}`, async () => {
    await using cli = startCli([flow, "-w2"]);
    await workerOf(cli);
    const stopped = performance.now();
    cli.kill("SIGTERM");
    const { code, stderr } = await cli.finished();
    assertEquals([code, /error/.test(stderr)], [0, false]);
    assertLess(performance.now() - stopped, 8_000);
  });
}

Deno.test("a killed worker fails the run, which says so", async () => {
  await using cli = startCli([endless("idles")]);
  const pid = await workerOf(cli);
  const killed = performance.now();
  Deno.kill(pid, "SIGKILL");
  const { code, stderr } = await cli.finished();
  assertLess(performance.now() - killed, 8_000);
  assertEquals(
    { code, stderr },
    { code: 1, stderr: "error: worker 0 ended by SIGKILL while it ran (out of memory?)\n" },
  );
});

for (const flow of [endless("idles"), endless("counts"), endless("hangs"), endless("loads")]) {
  Deno.test(`workers end by themselves when the command line is killed: ${flow}`, async () => {
    await using cli = startCli([flow]);
    await workerOf(cli);
    const killed = performance.now();
    cli.kill("SIGKILL");
    const { code, stderr } = await cli.finished(); // this waits for the worker, too
    assertEquals({ code, stderr }, { code: 137, stderr: "" });
    assertLess(performance.now() - killed, 5_000);
  });
}

Deno.test("a run whose reader has gone ends quietly, as in `| head -1`", async () => {
  await using cli = startCli([endless("counts")]);
  await cli.stdout.line(/^1$/);
  await cli.stdout.close();
  const { code, stderr } = await cli.finished();
  assertEquals(code, 0);
  assert(/^closed after \d+\n$/.test(stderr), stderr);
});
