/** Large groups in memory: a short form of `tests/faults/group.ts`. `SEED=n` repeats a schedule. */
import { testCrowd } from "../../../support/kafka/group/crowds.ts";

const seed = Number(Deno.env.get("SEED") ?? 1);

testCrowd({ machines: 20, workers: 3, events: 12, measured: 4 }, 3, seed);
testCrowd({ machines: 100, workers: 3, events: 12, measured: 4 }, 1, seed);
