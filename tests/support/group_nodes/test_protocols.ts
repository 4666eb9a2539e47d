/** Tests of groups of nodes, in the protocols of groups. */
import { groupKafka } from "../kafka/group_kafka.ts";
import { Random } from "../values/random.ts";
import { PROTOCOLS, type SceneOptions } from "./scene.ts";

/** What all choices are made by: `GROUP_SEED=n` repeats a run. */
const SEED = Number(Deno.env.get("GROUP_SEED") ?? Math.floor(Math.random() * 1_000_000));

/** One scene of a test. */
export type Play = (options: SceneOptions, random: Random) => Promise<unknown>;

/** A test in one protocol, which the seed chooses: the next test has the other one. */
export function testInTurn(name: string, play: Play): void {
  const protocol = PROTOCOLS[(SEED + turn++) % PROTOCOLS.length];
  testIn(protocol, name, play, SEED);
}

let turn = 0;

function testIn(protocol: typeof PROTOCOLS[number], name: string, play: Play, seed: number): void {
  const told = `GROUP_SEED=${seed}`;
  Deno.test(`${protocol} group: ${name}: ${told}`, async () => {
    await play({ brokers: await groupKafka(), protocol, told }, new Random(seed));
  });
}
