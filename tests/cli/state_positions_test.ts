import { assertEquals } from "@std/assert";
import {
  Dataflow,
  FileInputConfig,
  FileOutputConfig,
  ManualInputConfig,
  run,
  SqliteRecoveryConfig,
} from "../../mod.ts";
import { partitionText, positionText } from "../../src/cli/position_text.ts";
import { describeState } from "../../src/cli/state.ts";
import { storedPosition } from "../../src/connectors/kafka/read/position.ts";
import { readOf } from "../support/files/file_positions.ts";
import { tempFolder } from "../support/files/temp_folder.ts";

Deno.test("describeState() shows positions of files as bytes, and others as they are", async () => {
  await using folder = await tempFolder();
  const from = await folder.write("in.txt", "one\ntwo\n");
  const [to, store] = [folder.at("out.txt"), folder.at("state.db")];
  const pages = new ManualInputConfig(() => [[{ page: 2, from: 0 }, "page"]]);
  const copies = new Dataflow("copies");
  const flow = copies.input("lines", new FileInputConfig({ path: from }))
    .merge(copies.input("pages", pages))
    .capture("copy", new FileOutputConfig({ path: to }));
  await run(flow, { recovery: new SqliteRecoveryConfig(store) });
  const shown = await describeState({
    path: store,
    step: null,
    key: null,
    json: false,
    limit: 100,
  });
  const rows = shown.split("\n\n")[2].trimEnd().split("\n").map((line) => line.split(/ {2,}/));
  assertEquals(rows[0], ["step", "partition", "position"]);
  assertEquals(rows.slice(1).toSorted(), [
    ["copy", to, "byte 13"],
    ["lines", from, "byte 8"],
    ["pages", "0 of 1", "{ page: 2, from: 0 }"],
  ]);
});

Deno.test("a position of a part of a file shows the file, and where the part begins and ends", async () => {
  await using folder = await tempFolder();
  const path = await folder.write("in.txt", "one\ntwo\n");
  const [[partition, position]] = await readOf([[path, 4, 8]]);
  assertEquals([partitionText(partition, position), positionText(position)], [
    path,
    "bytes 4 to 8",
  ]);
  assertEquals(partitionText("a/@4", 4), "a/@4");
});

Deno.test("a position on Kafka shows the offset, whatever else is stored with it", () => {
  for (const topicId of [null, "d6e8a1f0"]) {
    assertEquals(positionText(storedPosition(7, topicId, null)), "offset 7");
  }
});
