import { assertThrows } from "@std/assert";
import { spawnWorker } from "../../../src/runtime/process/spawn.ts";

Deno.test("a worker that cannot be started is an error that says with what, and why", () => {
  const { execPath } = Deno;
  Deno.execPath = () => "/nonexistent/deno"; // as after an update of Deno
  try {
    const bootstrap = { index: 3, address: {}, folder: null, key: "", coordinatorPid: Deno.pid };
    const options = {
      moduleUrl: "file:///flow.ts",
      flags: [],
      args: [],
      running: [],
      env: {},
      taps: {},
    };
    assertThrows(
      () => spawnWorker(bootstrap, options),
      Error,
      "worker 3 cannot be started with /nonexistent/deno: it is not there (Failed to spawn",
    );
  } finally {
    Deno.execPath = execPath;
  }
});
