import { assertEquals } from "@std/assert";
import { ControlLink } from "../../../src/runtime/process/control_link.ts";
import { connectTo } from "../../../src/runtime/process/socket_folder.ts";
import type { ToCoordinator, ToWorker } from "../../../src/runtime/process/protocol.ts";

interface Pair extends AsyncDisposable {
  readonly coordinator: ControlLink<ToCoordinator, ToWorker>;
  readonly worker: ControlLink<ToWorker, ToCoordinator>;
}

/** Both ends of a connection, closed after the test. */
async function connected(): Promise<Pair> {
  const folder = await Deno.makeTempDir();
  const unix = `${folder}/control`;
  using listener = Deno.listen({ transport: "unix", path: unix });
  const [accepted, connection] = await Promise.all([listener.accept(), connectTo({ unix })]);
  const coordinator = new ControlLink<ToCoordinator, ToWorker>(accepted);
  const worker = new ControlLink<ToWorker, ToCoordinator>(connection);
  return {
    coordinator,
    worker,
    async [Symbol.asyncDispose]() {
      coordinator.close();
      worker.close();
      await Deno.remove(folder, { recursive: true });
    },
  };
}

Deno.test("ControlLink hands messages over in order, both ways", async () => {
  await using pair = await connected();
  const { coordinator, worker } = pair;
  for (let epoch = 0; epoch < 100; epoch++) {
    coordinator.send({ kind: "closeEpoch", epoch });
    worker.send({ kind: "epochClosed", epoch, positions: [] });
  }
  for (let epoch = 0; epoch < 100; epoch++) {
    assertEquals(await worker.receive(), { kind: "closeEpoch", epoch });
    assertEquals(await coordinator.receive(), { kind: "epochClosed", epoch, positions: [] });
  }
});

Deno.test("ControlLink hands over a message larger than any buffer between", async () => {
  await using pair = await connected();
  const { coordinator, worker } = pair;
  const message = "größe".repeat(1_000_000);
  worker.send({ kind: "log", level: "info", message, fields: {} });
  const received = await coordinator.receive() as { message: string };
  assertEquals(received.message === message, true);
});

Deno.test("ControlLink ends its messages when the other end closes, after what it sent last", async () => {
  await using pair = await connected();
  const { coordinator, worker } = pair;
  worker.send({ kind: "opened", positions: [] });
  worker.send({ kind: "ended", stopped: false, epoch: 1, positions: [] });
  await worker.flushed();
  worker.close();
  assertEquals(await Array.fromAsync(coordinator.messages()), [
    { kind: "opened", positions: [] },
    { kind: "ended", stopped: false, epoch: 1, positions: [] },
  ]);
  assertEquals(await coordinator.receive(), undefined);
  await coordinator.drained();
});

Deno.test("ControlLink is not drained before its last message has been received", async () => {
  await using pair = await connected();
  const { coordinator, worker } = pair;
  let isDrained = false;
  void coordinator.drained().then(() => isDrained = true);
  worker.send({ kind: "opened", positions: [] });
  await worker.flushed();
  worker.close();
  await coordinator.receive();
  assertEquals(isDrained, false);
  await coordinator.receive();
  await coordinator.drained();
});

Deno.test("ControlLink that is closed lets go whoever waits for a message", async () => {
  await using pair = await connected();
  const waiting = pair.coordinator.receive();
  pair.coordinator.close();
  assertEquals(await waiting, undefined);
  await pair.coordinator.drained();
  pair.coordinator.close(); // and may be closed again
});

Deno.test("ControlLink drops what is sent when the other end has gone", async () => {
  await using pair = await connected();
  const { coordinator, worker } = pair;
  worker.close();
  for (let i = 0; i < 10; i++) coordinator.send({ kind: "stop" });
  await coordinator.flushed();
  assertEquals(await coordinator.receive(), undefined);
});

Deno.test("connectTo() connects to a port where there is no socket's path", async () => {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  const [accepted, connection] = await Promise.all([
    listener.accept(),
    connectTo({ port: listener.addr.port }),
  ]);
  accepted.close();
  assertEquals(await connection.read(new Uint8Array(1)), null);
  connection.close();
});
