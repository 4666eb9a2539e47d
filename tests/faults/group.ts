/**
 * Large groups in memory, by chance and for longer: `deno task test:crowds`. Every round
 * has seeds of its own, which it prints; `SEED=n deno task test:crowds` repeats one.
 *
 * A schedule has a dozen events, each of which may strike a tenth of all machines, and up to a
 * thousand members.
 */
import { testCrowd } from "../support/kafka/group/crowds.ts";

const given = Deno.env.get("SEED");
const seed = given === undefined ? crypto.getRandomValues(new Uint32Array(1))[0] : Number(given);
const times = given === undefined ? 1 : 0; // a repeated schedule is one

testCrowd({ machines: 5, workers: 2, events: 12, measured: 8 }, 1 + 999 * times, seed);
testCrowd({ machines: 25, workers: 4, events: 12, measured: 8 }, 1 + 99 * times, seed);
testCrowd({ machines: 100, workers: 3, events: 12, measured: 8 }, 1 + 19 * times, seed);
testCrowd({ machines: 250, workers: 4, events: 12, measured: 8 }, 1 + 4 * times, seed);
