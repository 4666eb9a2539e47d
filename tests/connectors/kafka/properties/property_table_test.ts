import { assertEquals } from "@std/assert";
import {
  CONNECTION,
  INPUT,
  OUTPUT,
  type Properties,
} from "../../../../src/connectors/kafka/properties/property_table.ts";
import { REFUSED } from "../../../../src/connectors/kafka/properties/refused_properties.ts";
import { tablesOfProperties } from "../../../support/kafka/property_rows.ts";

const TABLES: readonly Properties[] = [CONNECTION, INPUT, OUTPUT];

Deno.test("each name of a property exists once", () => {
  const names = [
    ...TABLES.flatMap((table) =>
      Object.entries(table).flatMap(([name, { aliases = [] }]) => [name, ...aliases])
    ),
    ...REFUSED.flatMap(({ names }) => names),
  ];
  assertEquals(names.filter((name, i) => names.indexOf(name) !== i), []);
  assertEquals(names.length, 193); // all of librdkafka 2.16
});

Deno.test("every default is a value that the property accepts", () => {
  for (
    const [name, { values, default: text }] of TABLES.flatMap((table) => Object.entries(table))
  ) {
    if (text !== undefined) assertEquals(values.read(text) !== undefined, true, name);
  }
});

Deno.test("every property that could hold a secret is marked as one", () => {
  for (const [name, { secret }] of TABLES.flatMap((table) => Object.entries(table))) {
    const could = /password$|\.pem$|\.location$|_cb$/.test(name);
    assertEquals(secret ?? false, could, name);
  }
});

Deno.test("docs/kafka_properties.md has every property of the data, and no other", async () => {
  const url = new URL("../../../../docs/kafka_properties.md", import.meta.url);
  assertEquals(tablesIn(await Deno.readTextFile(url)), tablesOfProperties());
});

/** The cells of each table of a document, by the heading above it. */
function tablesIn(markdown: string): Record<string, string[][]> {
  const tables: Record<string, string[][]> = {};
  let heading = "";
  for (const line of markdown.split("\n")) {
    if (line.startsWith("#")) heading = line.replace(/^#+ /, "");
    if (!line.startsWith("|")) continue;
    const cells = line.split("|").slice(1, -1).map((cell) => cell.trim());
    (tables[heading] ??= []).push(cells);
  }
  for (const rows of Object.values(tables)) rows.splice(0, 2); // column names and dashes
  return tables;
}
