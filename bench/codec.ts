/**
 * The codec between workers, in batches of 1,000 items, compared with JSON, `node:v8` and, on
 * request, msgpackr without its native part. The others keep less, without an error. All three make
 * plain objects of class instances. JSON and msgpackr lose -0 and holes in arrays. msgpackr loses
 * lone surrogates and functions.
 *
 * ```sh
 * deno run -A --no-lock bench/codec.ts --msgpackr   # fetches it, and leaves deno.lock as it is
 * ```
 */
import { deserialize, serialize } from "node:v8";
import { BatchEncoder, decodeBatch } from "../src/core/value_codec.ts";
import { compare } from "./support.ts";

const ITEMS = 1000;
const BATCHES = 500;

interface Codec {
  readonly name: string;
  encode(items: readonly unknown[]): Uint8Array;
  decode(bytes: Uint8Array): unknown[];
}

const encoder = new BatchEncoder();
const text = { encoder: new TextEncoder(), decoder: new TextDecoder() };

const codecs: Codec[] = [
  {
    name: "millrace",
    encode: (items) => {
      for (let i = 0; i < items.length; i++) encoder.write(items[i]);
      return encoder.take();
    },
    decode: decodeBatch,
  },
  {
    name: "JSON",
    encode: (items) => text.encoder.encode(JSON.stringify(items)),
    decode: (bytes) => JSON.parse(text.decoder.decode(bytes)),
  },
  { name: "node:v8", encode: serialize, decode: deserialize },
];

if (Deno.args.includes("--msgpackr")) {
  Deno.env.set("MSGPACKR_NATIVE_ACCELERATION_DISABLED", "true"); // read when the module loads
  const specifier = "npm:msgpackr@1.11.5"; // a variable, so that a type check need not fetch it
  const { Packr } = await import(specifier);
  const packr = new Packr({ useRecords: true, moreTypes: true });
  codecs.push({
    name: "msgpackr",
    encode: (items) => packr.pack(items),
    decode: (bytes) => packr.unpack(bytes),
  });
}

const key = (i: number) => `key-${String(i * 7919 % 1_000_000).padStart(6, "0")}`;
const items = (make: (i: number) => unknown) => Array.from({ length: ITEMS }, (_, i) => make(i));

const kinds: readonly [title: string, items: unknown[], json: boolean][] = [
  ["[string, number] pairs", items((i) => [key(i), i % 100]), true],
  [
    "objects with 5 fields",
    items((i) => ({ id: key(i), count: i, price: i / 7, paid: i % 3 === 0, unit: "pcs" })),
    true,
  ],
  [
    "[key, order] with lines",
    items((i) => [key(i), {
      id: i,
      user: { name: `user ${i % 50}`, city: "Zürich" },
      lines: [{ sku: key(i * 3), amount: 1 }, { sku: key(i * 5), amount: i }],
    }]),
    true,
  ],
  [
    "[key, 100 bytes]",
    items((i) => [key(i), new Uint8Array(100).fill(i)]),
    false,
  ],
  ["texts of 200 characters", items((i) => key(i).repeat(20)), true],
];

const only = Deno.args.find((arg) => !arg.startsWith("--"));
for (const [title, batch, json] of kinds) {
  if (only !== undefined && !title.includes(only)) continue;
  const able = codecs.filter(({ name }) => json || name !== "JSON");
  const run = (name: string, work: () => number) => ({
    name,
    run: () => {
      for (let i = 1; i < BATCHES; i++) work();
      return work() > 0;
    },
  });
  const options = { what: "items", count: ITEMS * BATCHES };
  await compare(
    `encode ${title}`,
    options,
    able.map(({ name, encode }) => run(name, () => encode(batch).length)),
  );
  await compare(
    `decode ${title}`,
    options,
    able.map(({ name, encode, decode }) => {
      const bytes = encode(batch);
      return run(name, () => decode(bytes).length);
    }),
  );
}
