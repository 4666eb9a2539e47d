import {
  CONNECTION,
  INPUT,
  OUTPUT,
  type Properties,
} from "../../../src/connectors/kafka/properties/property_table.ts";
import { REFUSED } from "../../../src/connectors/kafka/properties/refused_properties.ts";

/** Each table of docs/kafka_properties.md, by its heading, as the data requires it. */
export function tablesOfProperties(): Record<string, string[][]> {
  return {
    "For both": rowsOf(CONNECTION),
    "For inputs": rowsOf(INPUT),
    "For outputs": rowsOf(OUTPUT),
    "Refused": REFUSED.map(({ names, why, instead = "" }) => [
      names.map(code).join(", "),
      sentence(why),
      sentence(instead),
    ]),
  };
}

function rowsOf(properties: Properties): string[][] {
  return Object.entries(properties).map(([name, property]) => [
    [name, ...property.aliases ?? []].map(code).join(", "),
    property.sets,
    property.values.takes,
    property.default === undefined ? "" : code(property.default),
  ]);
}

function code(text: string): string {
  return `\`${text}\``;
}

/** Names of properties and options stand between backticks in documents. */
function sentence(text: string): string {
  return text.replaceAll(/"([\w.]+)"/g, "`$1`");
}
