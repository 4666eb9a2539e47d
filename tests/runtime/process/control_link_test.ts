import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { ControlLink } from "../../../src/runtime/process/control_link.ts";
import { storing } from "../../../src/recovery/chunk_of_keys.ts";
import { connectTo } from "../../../src/runtime/process/socket_folder.ts";
import { idle } from "../../support/eventually.ts";
import type { ToCoordinator, ToWorker } from "../../../src/runtime/process/protocol.ts";

interface Pair extends AsyncDisposable {
  readonly coordinator: ControlLink<ToCoordinator, ToWorker>;
  readonly worker: ControlLink<ToWorker, ToCoordinator>;
}

/** Both ends of a connection, closed after the test. */
async function connected(longest?: number): Promise<Pair> {
  const folder = await Deno.makeTempDir();
  const unix = `${folder}/control`;
  using listener = Deno.listen({ transport: "unix", path: unix });
  const [accepted, connection] = await Promise.all([listener.accept(), connectTo({ unix })]);
  const coordinator = new ControlLink<ToCoordinator, ToWorker>(accepted, Infinity, longest);
  const worker = new ControlLink<ToWorker, ToCoordinator>(connection, Infinity, longest);
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

Deno.test("ControlLink is sending until the other end has taken enough", async () => {
  await using pair = await connected();
  const { coordinator, worker } = pair;
  assertEquals(worker.isSending, false);
  // More than a socket's buffer holds: the other end has to read.
  worker.send({ kind: "log", level: "info", message: "m".repeat(8 << 20), fields: {} });
  await idle();
  assertEquals(worker.isSending, true);
  await coordinator.receive();
  await worker.flushed();
  await idle();
  assertEquals(worker.isSending, false);
});

Deno.test("ControlLink refuses to send what is too large, and names step and key", async () => {
  await using pair = await connected(2 << 20);
  const { coordinator, worker } = pair;
  const [small, large] = [10, 3 << 20].map((length) => new Uint8Array(length));
  const limit = "and no more than 2 MiB can be sent between the coordinator and a worker:";
  const takes = "with its state takes 4 MiB";
  const long = "k".repeat(3 << 20);
  for (
    const [keys, which, cure] of [
      [[["ada", small], ["bob", large]], `"bob" ${takes}`, "have the step keep less in one key"],
      [[["ada", small], [long, small]], `… ${takes}`, "give items shorter keys"],
    ] as const
  ) {
    const stored = keys.map(([key, state], id) => ({ id, key, state }));
    const restoring = assertThrows(
      () => coordinator.send({ kind: "state", step: "count", keys: stored }),
      RangeError,
      `${limit} resume the flow in one process, with run(), and ${cure}`,
    );
    const chunk = storing("count", stored);
    const changing = assertThrows(
      () => worker.send({ kind: "stateChanged", epoch: 1, chunk }),
      RangeError,
      `${limit} ${cure}`,
    );
    for (const { message } of [restoring, changing]) {
      assertStringIncludes(message, 'step "count": the key "');
      assertStringIncludes(message, which);
    }
  }
  const numbered = { ...storing("count", [{ id: 1, key: "ada", state: large }]), keys: null };
  assertThrows(
    () => worker.send({ kind: "stateChanged", epoch: 1, chunk: numbered }),
    RangeError,
    `step "count": a key ${takes}, ${limit} have the step keep less in one key`,
  );
  const of = { step: "in", role: "input" as const };
  assertThrows(
    () =>
      worker.send({
        kind: "epochClosed",
        epoch: 1,
        positions: [{ ...of, partition: "a", state: large }, {
          ...of,
          partition: "b",
          state: small,
        }],
      }),
    RangeError,
    `that of partition "a" of step "in" is the largest, takes 4 MiB, ${limit} have the input yield`,
  );
  const message = "x".repeat(3 << 20);
  assertThrows(
    () => worker.send({ kind: "log", level: "info", message, fields: {} }),
    RangeError,
    `the message "log" takes 4 MiB, ${limit}`,
  );
  worker.send({ kind: "pong" });
  assertEquals(await coordinator.receive(), { kind: "pong" });
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

Deno.test("ControlLink that is closed resolves a pending receive", async () => {
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
