import { assertEquals, assertStringIncludes } from "@std/assert";
import { connectionSettings } from "../../../src/connectors/kafka/properties/connection_settings.ts";
import { givenToRecovery } from "../../../src/connectors/kafka/properties/given_properties.ts";
import {
  damageOf,
  type PartitionMarks,
} from "../../../src/connectors/kafka_recovery/read_state.ts";

const PLACE = {
  brokers: ["a:1"] as const,
  settings: connectionSettings(givenToRecovery({})),
  stateTopic: "p-state",
  metaTopic: "p-meta",
  id: "p-recovery",
  name: "kafka://a:1/p",
};

const damage = (marks: readonly PartitionMarks[], written: readonly (number | null)[]) =>
  damageOf(marks, { id: "mine", written }, PLACE);

Deno.test("state is complete if each partition belongs to the store and is at its last epoch", () => {
  const marks = [{ store: "mine", epoch: 3 }, { store: "mine", epoch: null }];
  assertEquals(damage(marks, [3, null]), null);
});

Deno.test("a partition that does not name its store has lost its first record", () => {
  const marks = [{ store: "mine", epoch: 3 }, { store: null, epoch: 4 }];
  const said = damage(marks, [3, 4])!;
  assertStringIncludes(said, `"p-state", partition 1, has lost its first record`);
});

Deno.test("a partition of another store is refused", () => {
  const marks = [{ store: "other", epoch: 3 }];
  assertStringIncludes(
    damage(marks, [3])!,
    `"p-state", partition 0, and "p-meta" are of different`,
  );
});

for (
  const [epoch, written, said] of [
    [3, 5, "ends with epoch 3, and with epoch 5"], // its newest records are gone
    [null, 5, "ends with no epoch, and with epoch 5"],
    [5, 3, "ends with epoch 5, and with epoch 3"], // those of the other topic are
    [0, null, "ends with epoch 0, and with no epoch"],
  ] as const
) {
  Deno.test(`state at epoch ${epoch} does not match positions at epoch ${written}`, () => {
    assertStringIncludes(damage([{ store: "mine", epoch }], [written])!, said);
  });
}
