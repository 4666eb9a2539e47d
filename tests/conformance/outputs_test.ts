/** Our outputs under the suite of outputs. Kafka's is in `tests/e2e/kafka_conformance_test.ts`. */
import {
  FileOutputConfig,
  ManualEpochOutputConfig,
  ManualOutputConfig,
  TestingOutputConfig,
} from "../../mod.ts";
import { LineWriter } from "../../src/connectors/std/std_output.ts";
import { tempFolder } from "../support/files/temp_folder.ts";
import { type OutputSubject, testOutput } from "./output.ts";

const REPEATS = "what was written after the snapshot cannot be taken back, so it comes twice";

const repeats = {
  "a run continues after the last committed epoch: nothing comes twice": REPEATS,
  "a run continues with another number of workers: nothing comes twice": REPEATS,
};

const ALL_WRITTEN = {
  "an item that cannot be written is an error, and close follows": "it writes each item",
};

/** A number as an item, and what is visible in a list. */
function inList(visible: number[]): Omit<OutputSubject<number>, "config"> {
  return {
    itemOf: (number) => number,
    visible: () => Promise.resolve([...visible]),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

/** Adds numbers to a list, some of them later; no number is below zero. */
function adds(visible: number[]): (number: number) => void | Promise<void> {
  return (number) => {
    if (number < 0) throw new Error("it does not count below zero");
    if (number % 3 > 0) return void visible.push(number);
    return new Promise((resolve) =>
      setTimeout(() => {
        visible.push(number);
        resolve();
      }, 0)
    );
  };
}

const refused = { item: -1, message: "it does not count below zero" };

testOutput("a manual output", () => {
  const visible: number[] = [];
  const config = () => new ManualOutputConfig<number>(() => adds(visible));
  return { ...inList(visible), config, refused };
}, repeats);

testOutput("a manual output with epochs", () => {
  const visible: number[] = [];
  const config = () => {
    const add = adds(visible);
    return new ManualEpochOutputConfig<number>(() => (_, number) => add(number));
  };
  return { ...inList(visible), config, refused };
}, repeats);

testOutput("a testing output", () => {
  const visible: number[] = [];
  return { ...inList(visible), config: () => new TestingOutputConfig(visible) };
}, { ...repeats, ...ALL_WRITTEN });

testOutput("a standard output", () => {
  const written: number[] = []; // bytes
  const writeSome = (bytes: Uint8Array) => {
    const part = bytes.subarray(0, 4096); // of a pipe: such a piece is written whole
    written.push(...part);
    return Promise.resolve(part.length);
  };
  return {
    ...inList([]),
    config: () => ({ open: (at) => Promise.resolve(new LineWriter(at, writeSome)) }),
    visible: () => Promise.resolve(numbersIn(new TextDecoder().decode(new Uint8Array(written)))),
  };
}, { ...repeats, ...ALL_WRITTEN });

testOutput("a file output", async () => {
  const folder = await tempFolder();
  return {
    config: () => new FileOutputConfig({ path: folder.at("out.txt") }),
    itemOf: (number: number) => number,
    visible: async () => {
      const numbers: number[] = [];
      for await (const { name } of Deno.readDir(folder.at("."))) {
        numbers.push(...numbersIn(await Deno.readTextFile(folder.at(name))));
      }
      return numbers;
    },
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
}, ALL_WRITTEN);

/** The numbers in lines of text. */
function numbersIn(text: string): number[] {
  return text.split("\n").slice(0, -1).map(Number);
}
