import { assertEquals } from "@std/assert";
import { MemoryNetwork } from "../../../src/runtime/run/memory_network.ts";
import { idle } from "../../support/eventually.ts";
import { HeldPost } from "../../support/runtime/held_post.ts";

const frame = (...bytes: number[]) => new Uint8Array(bytes);

/** Notes what a worker gets, by who sent it. */
function taking(network: MemoryNetwork, worker: number): string[] {
  const got: string[] = [];
  network.transport(worker).receive((from, bytes) => got.push(`${from}: ${bytes}`));
  return got;
}

Deno.test("MemoryNetwork delivers frames in order, in a later turn of the event loop", async () => {
  const network = new MemoryNetwork();
  const got = taking(network, 1);
  const sender = network.transport(0);
  sender.send(1, frame(1));
  await idle();
  assertEquals(got, []); // it has not been flushed
  sender.send(1, frame(2));
  sender.flush();
  assertEquals(got, []);
  await idle();
  assertEquals(got, ["0: 1", "0: 2"]);
});

Deno.test("MemoryNetwork delivers each frame when its schedule says so, by its route", () => {
  const post = new HeldPost();
  const network = new MemoryNetwork({ schedule: post.post });
  const got = [taking(network, 0), taking(network, 1)];
  for (const [from, to] of [[0, 1], [1, 0]]) {
    network.transport(from).send(to, frame(from));
    network.transport(from).send(to, frame(7));
    network.transport(from).flush();
  }
  post.deliver(/^worker 1 to worker 0$/);
  assertEquals(got, [["1: 1"], []]);
  while (post.deliver());
  assertEquals(got, [["1: 1", "1: 7"], ["0: 0", "0: 7"]]);
});

Deno.test("MemoryNetwork keeps frames for a worker that does not take any yet", () => {
  const network = new MemoryNetwork({ schedule: (_route, arrive) => arrive() });
  network.transport(0).send(1, frame(3));
  network.transport(0).flush();
  assertEquals(taking(network, 1), ["0: 3"]);
});

Deno.test("MemoryNetwork drops what comes to or from a worker that has closed", async () => {
  const network = new MemoryNetwork();
  const got = [taking(network, 0), taking(network, 1)];
  for (const [from, to] of [[0, 1], [1, 0]]) {
    network.transport(from).send(to, frame(from));
    network.transport(from).flush();
  }
  network.transport(1).close();
  await idle();
  assertEquals(got, [[], []]);
});

Deno.test("MemoryNetwork shows every frame when it is sent", () => {
  const seen: unknown[] = [];
  const network = new MemoryNetwork({ onFrame: (sent) => seen.push(sent) });
  network.transport(2).send(0, frame(5));
  assertEquals(seen, [{ from: 2, to: 0, bytes: frame(5) }]);
});
