import { assertEquals, assertThrows } from "@std/assert";
import { Listening, type Server } from "../../src/ops/listening.ts";
import { recordingLog } from "../support/recording_log.ts";

Deno.test("a port whose server cannot go on is listened at again, until it is closed", async () => {
  const { log, warnings } = recordingLog();
  const ports: number[] = [];
  const attempts: PromiseWithResolvers<void>[] = [];
  const pauses: PromiseWithResolvers<void>[] = [];
  const paused = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const again = Promise.withResolvers<void>();
  const serve = (port: number, signal: AbortSignal): Server => {
    ports.push(port);
    if (ports.length === 2) throw new Deno.errors.AddrInUse("taken");
    const { promise: finished, resolve, reject } = Promise.withResolvers<void>();
    signal.addEventListener("abort", () => resolve());
    attempts.push({ promise: finished, resolve, reject });
    if (ports.length === 3) again.resolve();
    return { addr: { port: 8_080 }, finished };
  };
  const pause = () => {
    const { promise, resolve, reject } = Promise.withResolvers<void>();
    pauses.push({ promise, resolve, reject });
    paused[pauses.length - 1].resolve();
    return promise;
  };
  const listening = new Listening(serve, { port: 0, log, pause });
  assertEquals(listening.port, 8_080);
  attempts[0].reject(new Error("too many open files"));
  await paused[0].promise;
  pauses[0].resolve(); // the port is not free yet
  await paused[1].promise;
  pauses[1].resolve();
  await again.promise;
  assertEquals(ports, [0, 8_080, 8_080]);
  assertEquals(warnings.length, 1);
  await listening[Symbol.asyncDispose]();
  assertEquals(ports.length, 3);
});

Deno.test("a port that cannot be listened at in the first place is an error", () => {
  const { log } = recordingLog();
  const serve = () => {
    throw new Error("taken");
  };
  assertThrows(() => new Listening(serve, { port: 0, log }), Error, "taken");
});
