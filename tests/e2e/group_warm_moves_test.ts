/** A task of a group that moves stands still for a moment only, with much state too. */
import { assert } from "@std/assert";
import { handOver } from "../faults/group_hand_over.ts";
import { PROTOCOLS } from "../support/group_nodes/scene.ts";
import { groupKafka } from "../support/kafka/group_kafka.ts";

/** How many keys there are. More of them make the difference plainer, and the test longer. */
const KEYS = Number(Deno.env.get("HAND_OVER_KEYS") ?? 40_000);

for (const protocol of PROTOCOLS) {
  Deno.test(`${protocol} group: tasks run on where they are until their states are copied`, async () => {
    const late: number[] = [];
    for (const hasDisk of [false, true]) {
      const options = { brokers: await groupKafka(), protocol, told: "" };
      const report = await handOver(options, { keys: KEYS, hasDisk });
      console.log(hasDisk ? "with a state folder" : "without one", JSON.stringify(report));
      late.push(report.readLate / report.records);
    }
    const [without, ahead] = late;
    assert(without > 0.9, `without a folder, ${without} of the states were read late`);
    assert(ahead < 0.5, `${ahead} of the states were read after the tasks had stopped`);
  });
}
