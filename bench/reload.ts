/**
 * From the moment when a flow's file is saved to the first item of the new code, with 100,000 keys
 * and `--watch`. It fails if an item is lost or doubled in state, or anything is left.
 *
 * `... reload.ts [RELOADS [WORKERS]]`
 */
import { median } from "./support.ts";

const RELOADS = Number(Deno.args[0] ?? 50);
const WORKERS = Deno.args[1] === undefined ? [1, 2] : [Number(Deno.args[1])];
const KEYS = 100_000;

const cli = new URL("../cli.ts", import.meta.url).href;
const source = await Deno.readTextFile(new URL("./flows/reloaded.ts", import.meta.url));
const imports = { millrace: new URL("../mod.ts", import.meta.url).href };

/** Returns how long each reload took, in milliseconds. */
async function reload(workers: number, withStore: boolean): Promise<number[]> {
  const folder = await Deno.makeTempDir();
  const temporary = await Deno.makeTempDir();
  const flow = `${folder}/flow.ts`;
  const save = async (mark: string) => {
    await Deno.writeTextFile(`${folder}/new.ts`, source.replace(`"v0"`, `"${mark}"`));
    await Deno.rename(`${folder}/new.ts`, flow);
  };
  await Deno.writeTextFile(`${folder}/deno.json`, JSON.stringify({ imports }));
  await save("v0");
  const store = withStore ? [`--recovery=${folder}/state.db`] : [];
  const child = new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", cli, flow, "--watch", `-w${workers}`, ...store, "--", String(KEYS)],
    env: { TMPDIR: temporary, MILLRACE_LOG_LEVEL: "warn" },
    stdout: "piped",
  }).spawn();
  const lines = linesOf(child.stdout);
  const seen: { n: number; count: number }[] = [];
  /** Reads up to the first item of some code. */
  const until = async (mark: string) => {
    for (;;) {
      const { value } = await lines.next();
      if (value === undefined) throw new Error(`the command ended before ${mark}`);
      const [of, n, count] = value.split(" ");
      seen.push({ n: Number(n), count: Number(count) });
      if (of === mark) return;
    }
  };
  const times: number[] = [];
  await until("v0");
  let files = 0;
  for (let i = 1; i <= RELOADS; i++) {
    const saved = performance.now();
    await save(`v${i}`);
    await until(`v${i}`);
    times.push(performance.now() - saved);
    if (i === 1) files = openFiles(child.pid);
  }
  const grown = openFiles(child.pid) - files;
  const processes = childrenOf(child.pid).length;
  child.kill("SIGINT");
  const { code } = await child.status;
  for (let next = await lines.next(); !next.done; next = await lines.next()) {
    const [, n, count] = next.value.split(" ");
    seen.push({ n: Number(n), count: Number(count) });
  }
  seen.sort((a, b) => a.n - b.n);
  const wrong = seen.find(({ n, count }, i) =>
    n !== KEYS + i || count !== Math.floor(n / KEYS) + 1
  );
  const left = [...Deno.readDirSync(temporary)].map(({ name }) => name);
  if (code !== 0 || wrong !== undefined || left.length > 0 || processes !== workers) {
    throw new Error(`wrong: ${JSON.stringify({ code, wrong, left, processes })}`);
  }
  console.log(`    ${seen.length} items, each counted once; open files grew by ${grown}`);
  await Deno.remove(folder, { recursive: true });
  await Deno.remove(temporary);
  return times;
}

async function* linesOf(stream: ReadableStream<Uint8Array>): AsyncGenerator<string, undefined> {
  let rest = "";
  for await (const text of stream.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    yield* lines;
  }
}

/** Files and sockets that a process has open. */
function openFiles(pid: number): number {
  return [...Deno.readDirSync(`/proc/${pid}/fd`)].length;
}

function childrenOf(pid: number): string[] {
  const pids = [...Deno.readDirSync("/proc")].filter(({ name }) => /^\d+$/.test(name));
  return pids.map(({ name }) => name).filter((name) => parentOf(name) === pid);
}

function parentOf(pid: string): number | null {
  try {
    const status = Deno.readTextFileSync(`/proc/${pid}/status`);
    return Number(/^PPid:\s*(\d+)/m.exec(status)![1]);
  } catch (error) {
    if (error instanceof Deno.errors.NotFound) return null; // it has gone meanwhile
    throw error;
  }
}

console.log(`\nfrom saving a flow with ${KEYS} keys to its next item (${RELOADS} reloads)`);
for (const workers of WORKERS) {
  for (const withStore of [false, true]) {
    const times = await reload(workers, withStore);
    const range = `${Math.min(...times).toFixed(0)} to ${Math.max(...times).toFixed(0)}`;
    console.log(
      `  ${workers} worker${workers === 1 ? "" : "s"}, ${withStore ? "SQLite" : "memory"}: ` +
        `${median(times).toFixed(0)} ms (${range})`,
    );
  }
}
