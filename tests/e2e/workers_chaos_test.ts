import { assert, assertEquals } from "@std/assert";
import { flowFile, startCli } from "../support/cli.ts";
import { Random } from "../support/values/random.ts";

const RUNS = 50;
const SEED = Number(Deno.env.get("CHAOS_SEED") ?? Math.floor(Math.random() * 1_000_000));

/** Every run ends within this, killed or not. */
const LONGEST_MS = 15_000;

const EXPECTED = Array.from({ length: 7 }, (_, k) => `["k${k}",${Math.ceil((3_000 - k) / 7)}]`);

Deno.test(`50 runs with 3 workers, a process killed in half of them: CHAOS_SEED=${SEED}`, async () => {
  const random = new Random(SEED);
  let fired = 0;
  let wholeMs = 0; // how long the run before took, which nobody killed
  for (let run = 0; run < RUNS; run++) {
    const isKilled = run % 2 === 1;
    // Half of a run is its start. On a busy machine, all of it takes longer.
    const afterMs = Math.round(wholeMs * random.below(1_000) / 1_000);
    const begun = performance.now();
    await using cli = startCli([`${flowFile("workers.ts")}:short`, "-w3"], {
      deadlineMs: LONGEST_MS,
    });
    let killed = 0;
    if (isKilled) {
      await pause(afterMs);
      killed = await cli.killOne((pids) => random.pick(pids)) ?? 0;
    }
    // This fails if a process, a socket or a folder is left.
    const { code, stdout, stderr } = await cli.finished();
    if (!isKilled) wholeMs = performance.now() - begun;
    const told = `run ${run}, killed ${killed} after ${afterMs} of ${wholeMs} ms: ${stderr}`;
    if (killed === 0 || code === 0) {
      assertEquals([code, stdout.trim().split("\n").sort()], [0, EXPECTED], told);
    } else if (killed === cli.pid) assertEquals([code, stderr], [137, ""], told);
    else {
      assertEquals(code, 1, told);
      assert(/^error: worker \d ended by SIGKILL/m.test(stderr), told);
    }
    if (killed !== 0 && code !== 0) fired++;
  }
  assert(fired >= RUNS / 4, `only ${fired} kills came while the run was on`);
});

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
