/** Flows that try to keep their run from ending. */
import { spawn } from "node:child_process";
import { Dataflow, ManualInputConfig, TestingOutputConfig } from "../../../mod.ts";

/** A flow that calls a function while it reads. */
function during(act: () => void): Dataflow<number> {
  const input = new ManualInputConfig<number, number>(async function* () {
    yield [0, 0];
    act();
    for (let i = 1;; i++) {
      await new Promise((resolve) => setTimeout(resolve, 10));
      yield [i, i];
    }
  });
  return new Dataflow("hostile").input("in", input).capture(new TestingOutputConfig<number>([]));
}

/**
 * Exits, and leaves a process that holds the worker's sockets open, with half a message in them.
 * Prints the pid of that process.
 */
export function holds(): Dataflow<number> {
  return during(() => {
    const sockets = [...Deno.readDirSync("/proc/self/fd")].map(({ name }) => Number(name))
      .filter((fd) => linkOf(fd).startsWith("socket:"));
    const halves = sockets.map((_, i) => `printf '\\0\\0\\1\\0x' >&${i + 3};`).join(" ");
    const child = spawn("sh", ["-c", `${halves} exec sleep 60`], {
      stdio: ["ignore", "ignore", "ignore", ...sockets],
      detached: true,
      env: { PATH: Deno.env.get("PATH") },
    });
    console.log(`left ${child.pid}`);
    // The sockets block for both processes now, so only this code may run until the end. A read in
    // this process would wait for ever. The shell has written once it has become `sleep`.
    const program = () => Deno.readTextFileSync(`/proc/${child.pid}/cmdline`).split("\0")[0];
    while (program() !== "sleep") Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 5);
    Deno.exit(0);
  });
}

function linkOf(fd: number): string {
  try {
    return Deno.readLinkSync(`/proc/self/fd/${fd}`);
  } catch {
    return ""; // the one that was being read
  }
}

/** Closes the worker's connection to its coordinator, and stays. */
export async function hangsUp(): Promise<Dataflow<number>> {
  using listener = Deno.listen({ hostname: "127.0.0.1", port: 0 });
  using conn = await Deno.connect({ port: listener.addr.port });
  let conns = Object.getPrototypeOf(conn);
  while (!Object.hasOwn(conns, "read")) conns = Object.getPrototypeOf(conns);
  const { read } = conns;
  let isArmed = false;
  conns.read = async function (this: Deno.Conn, buffer: Uint8Array) {
    const bytes = await read.call(this, buffer);
    if (isArmed) this.close();
    return bytes;
  };
  return during(() => {
    isArmed = true;
    Deno.exit = (() => {}) as typeof Deno.exit;
    setInterval(() => {}, 1_000); // else Deno would see that nothing is left to do
  });
}
