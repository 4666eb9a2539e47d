/**
 * A broker with one empty topic of many partitions, `many`, that answers only what a reader asks. A
 * real one needs a file for each partition. It prints its port. Its argument is the number of
 * partitions.
 */
import { Buffer } from "node:buffer";
import { createServer } from "node:net";
import { WireReader, WireWriter } from "../src/connectors/kafka/wire/wire.ts";

const TOPIC = "many";
const HOST = "127.0.0.1";
const SESSION = 7;
const BROKER = 1;

/** The requests that it accepts, by their numbers in the protocol: oldest and newest version. */
const VERSIONS: readonly (readonly [api: number, oldest: number, newest: number])[] = [
  [1, 4, 11], // Fetch
  [2, 1, 5], // ListOffsets
  [3, 0, 8], // Metadata
  [18, 0, 2], // ApiVersions
];

const all = Array.from({ length: Number(Deno.args[0]) }, (_, partition) => partition);
let port = 0;

const server = createServer((socket) => {
  let rest: Buffer = Buffer.alloc(0);
  socket.on("error", () => socket.destroy());
  socket.on("data", async (bytes: Buffer) => {
    rest = Buffer.concat([rest, bytes]);
    while (rest.length >= 4 && rest.length >= 4 + rest.readInt32BE(0)) {
      const size = rest.readInt32BE(0);
      const request = rest.subarray(4, 4 + size);
      rest = rest.subarray(4 + size);
      const { body, waitMs } = answerTo(request);
      if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs));
      const head = Buffer.alloc(8);
      head.writeInt32BE(4 + body.length, 0);
      head.writeInt32BE(request.readInt32BE(4), 4); // the correlation id
      socket.write(Buffer.concat([head, body]));
    }
  });
});
server.listen(0, HOST, () => {
  port = (server.address() as { port: number }).port;
  console.log(port);
});

/** Returns what to answer, and after how long. */
function answerTo(request: Buffer): { body: Buffer; waitMs: number } {
  const from = new WireReader(request, false);
  const [api, version] = [from.int16(), from.int16()];
  from.int32(); // the correlation id
  from.string(); // the client's id
  const out = new WireWriter(false, 1 << 20);
  let waitMs = 0;
  if (api === 18) apiVersions(out, version);
  else if (api === 3) metadata(out, version);
  else if (api === 2) listOffsets(from, out, version);
  else waitMs = fetched(from, out, version);
  return { body: out.written, waitMs };
}

function apiVersions(out: WireWriter, version: number): void {
  out.int16(0);
  out.array(VERSIONS, (range) => range.forEach((each) => out.int16(each)));
  if (version >= 1) out.int32(0);
}

function metadata(out: WireWriter, version: number): void {
  if (version >= 3) out.int32(0);
  out.array([BROKER], (id) => {
    out.int32(id);
    out.string(HOST);
    out.int32(port);
    if (version >= 1) out.string(null); // its rack
  });
  if (version >= 2) out.string("cluster");
  if (version >= 1) out.int32(BROKER); // the controller
  out.array([TOPIC], (topic) => {
    out.int16(0);
    out.string(topic);
    if (version >= 1) out.boolean(false);
    out.array(all, (partition) => {
      out.int16(0);
      out.int32(partition);
      out.int32(BROKER);
      if (version >= 7) out.int32(0);
      for (let list = 0; list < 2; list++) out.array([BROKER], (id) => out.int32(id));
      if (version >= 5) out.array([], () => {});
    });
    if (version >= 8) out.int32(0);
  });
  if (version >= 8) out.int32(0);
}

function listOffsets(from: WireReader, out: WireWriter, version: number): void {
  from.int32(); // no replica
  if (version >= 2) from.boolean(); // isolation
  const asked = from.array(() => {
    from.string();
    return from.array(() => {
      const partition = from.int32();
      if (version >= 4) from.int32();
      from.int64();
      return partition;
    });
  }).flat();
  if (version >= 2) out.int32(0);
  out.array([TOPIC], (topic) => {
    out.string(topic);
    out.array(asked, (partition) => {
      out.int32(partition);
      out.int16(0);
      out.int64(-1n);
      out.int64(0n);
      if (version >= 4) out.int32(0);
    });
  });
}

/** Returns how long the answer takes: there is never anything new. */
function fetched(from: WireReader, out: WireWriter, version: number): number {
  from.int32(); // no replica
  const waitMs = from.int32();
  from.int32(); // the least bytes
  from.int32(); // the most
  from.boolean(); // isolation
  if (version >= 7) from.int32(); // the session
  const epoch = version >= 7 ? from.int32() : -1;
  const asked = epoch > 0 ? [] : from.array(() => {
    from.string();
    return from.array(() => {
      const partition = from.int32();
      if (version >= 9) from.int32();
      from.int64();
      if (version >= 5) from.int64();
      from.int32();
      return partition;
    });
  }).flat();
  out.int32(0);
  if (version >= 7) {
    out.int16(0);
    out.int32(epoch >= 0 ? SESSION : 0);
  }
  out.array(asked.length > 0 ? [TOPIC] : [], (topic) => {
    out.string(topic);
    out.array(asked, (partition) => {
      out.int32(partition);
      out.int16(0);
      out.int64(0n);
      out.int64(0n);
      if (version >= 5) out.int64(0n);
      out.array([], () => {}); // aborted transactions
      if (version >= 11) out.int32(-1);
      out.int32(0); // no bytes
    });
  });
  return epoch === 0 ? 0 : waitMs;
}
