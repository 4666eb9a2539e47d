import { assertEquals } from "@std/assert";
import { createLog } from "../../../../src/core/log.ts";
import { GroupPositions } from "../../../../src/connectors/kafka/read/group_positions.ts";

const POSITIONS = [{ topic: "orders", partition: 0, offset: 5n }];

Deno.test("GroupPositions logs once that positions cannot be committed, and once that they are again", async () => {
  const lines: string[] = [];
  const log = createLog((level, message, fields) =>
    level !== "debug" && lines.push(`${level}: ${message} ${Object.values(fields).join(" ")}`)
  );
  let away = false;
  const committed: unknown[] = [];
  const group = new GroupPositions("lag", (name, positions) => {
    if (away) return Promise.reject(new Error("Closed connection"));
    committed.push([name, positions]);
    return Promise.resolve();
  }, log);
  const epochs = async (count: number) => {
    for (let i = 0; i < count; i++) await group.commit(POSITIONS);
  };
  await epochs(3);
  assertEquals(lines, []);
  away = true;
  await epochs(50);
  const failing = "warn: positions cannot be committed to the group lag Closed connection";
  assertEquals(lines, [failing]);
  away = false;
  await epochs(50);
  const again = "warn: positions are committed to the group again lag";
  assertEquals(lines, [failing, again]);
  assertEquals(committed, Array.from({ length: 53 }, () => ["lag", POSITIONS]));
  away = true;
  await epochs(2);
  assertEquals(lines, [failing, again, failing]);
});
