/**
 * Four stateless steps, fused, compared with the same loop written by hand over the same batches.
 */
import { Dataflow, run, TestingInputConfig } from "millrace";
import { batchOutput, compare } from "./support.ts";

const BATCH = 1024;

const integers = Array.from({ length: 20_000_000 }, (_, i) => i);

await compare("map, map, filter, map over integers", {
  what: "items",
  count: integers.length,
}, [
  {
    name: "hand-written loop",
    run: () => {
      let items = 0;
      for (let at = 0; at < integers.length; at += BATCH) {
        const batch = integers.slice(at, at + BATCH);
        const out: number[] = [];
        for (let i = 0; i < batch.length; i++) {
          const x = batch[i] * 3 + 1;
          if ((x & 1) === 0) out.push(x >> 1);
        }
        items += out.length;
      }
      return items;
    },
  },
  {
    name: "hand-written, out array allocated",
    run: () => {
      let items = 0;
      for (let at = 0; at < integers.length; at += BATCH) {
        const batch = integers.slice(at, at + BATCH);
        const out: number[] = new Array(batch.length);
        let kept = 0;
        for (let i = 0; i < batch.length; i++) {
          const x = batch[i] * 3 + 1;
          if ((x & 1) === 0) out[kept++] = x >> 1;
        }
        out.length = kept;
        items += out.length;
      }
      return items;
    },
  },
  {
    name: "millrace",
    run: async () => {
      let items = 0;
      const flow = new Dataflow("integers")
        .input("in", new TestingInputConfig(integers, { batchSize: BATCH }))
        .map((x) => x * 3)
        .map((x) => x + 1)
        .filter((x) => (x & 1) === 0)
        .map((x) => x >> 1)
        .capture(batchOutput((batch) => items += batch.length));
      await run(flow);
      return items;
    },
  },
]);

const lines = Array.from({ length: 1_000_000 }, (_, i) => `  line ${i} of the Text, ${i % 7}  `);

await compare("trim, lower case, filter, replace over strings", {
  what: "items",
  count: lines.length,
}, [
  {
    name: "hand-written loop",
    run: () => {
      let characters = 0;
      for (let at = 0; at < lines.length; at += BATCH) {
        const batch = lines.slice(at, at + BATCH);
        const out: string[] = [];
        for (let i = 0; i < batch.length; i++) {
          const line = batch[i].trim().toLowerCase();
          if (!line.endsWith("3")) out.push(line.replace("text", "book"));
        }
        for (const line of out) characters += line.length;
      }
      return characters;
    },
  },
  {
    name: "millrace",
    run: async () => {
      let characters = 0;
      const flow = new Dataflow("strings")
        .input("in", new TestingInputConfig(lines, { batchSize: BATCH }))
        .map((line) => line.trim())
        .map((line) => line.toLowerCase())
        .filter((line) => !line.endsWith("3"))
        .map((line) => line.replace("text", "book"))
        .capture(batchOutput((batch) => {
          for (const line of batch) characters += line.length;
        }));
      await run(flow);
      return characters;
    },
  },
]);
