/** Both transports under the suite of transports. */
import type { Transport } from "../../src/runtime/exchange/transport.ts";
import { SocketTransport } from "../../src/runtime/process/socket_transport.ts";
import { MemoryNetwork } from "../../src/runtime/run/memory_network.ts";
import { tempFolder } from "../support/files/temp_folder.ts";
import { testTransport } from "./transport.ts";

testTransport("a transport in memory", () => ({
  join: (workers) => {
    const network = new MemoryNetwork();
    return Promise.resolve(Array.from({ length: workers }, (_, i) => network.transport(i)));
  },
  [Symbol.asyncDispose]: () => Promise.resolve(),
}));

testTransport("a transport over sockets", async () => {
  const folder = await tempFolder();
  return {
    join: (workers) => joinBySockets(folder.at("socket"), workers),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
});

/** One connection between each two workers. */
async function joinBySockets(path: string, workers: number): Promise<Transport[]> {
  const conns = Array.from({ length: workers }, () => new Map<number, Deno.Conn>());
  const address = { transport: "unix", path } as const;
  using listener = Deno.listen(address);
  for (let left = 0; left < workers; left++) {
    for (let right = left + 1; right < workers; right++) {
      const [one, other] = await Promise.all([listener.accept(), Deno.connect(address)]);
      conns[left].set(right, one);
      conns[right].set(left, other);
    }
  }
  return conns.map((own) => new SocketTransport(own, () => {}));
}
