/** Flows that print their arguments. */
import process from "node:process";
import { Dataflow, ManualInputConfig, StdOutputConfig, TestingInputConfig } from "millrace";

function printing(lines: readonly string[]): Dataflow<string> {
  return new Dataflow("printing")
    .input("lines", new TestingInputConfig(lines))
    .capture(new StdOutputConfig());
}

export function called(args: readonly string[]): Dataflow<string> {
  return printing(args.map((arg) => `called with ${arg}`));
}

export async function awaited(args: readonly string[]): Promise<Dataflow<string>> {
  return called(await Promise.resolve(args));
}

/** Leaves a timer running, and prints the engine's variables in the environment. */
export function environment(): Dataflow<string> {
  setInterval(() => {}, 60_000);
  const names = Object.keys(Deno.env.toObject()).sort();
  return printing(names.filter((name) => name.startsWith("MILLRACE_")));
}

export default printing(Deno.args);

/** Sets an exit code while it runs, as Deno's or as Node's, on the worker that has the items. */
export function withExitCode([by, code]: readonly string[]): Dataflow<string> {
  return new Dataflow("with-exit-code")
    .input("lines", new TestingInputConfig([code]))
    .inspect((code) => {
      if (by === "process") process.exitCode = Number(code);
      else Deno.exitCode = Number(code);
    })
    .capture(new StdOutputConfig());
}

/** One worker sets an exit code before anything is read. Then one fails. */
export function failingWithExitCode(
  [code, setBy, failing]: readonly string[],
): Dataflow<string> {
  const input = new ManualInputConfig<string>((worker) => {
    if (worker === Number(setBy)) Deno.exitCode = Number(code);
    return (async function* () {
      if (worker === Number(failing)) throw new Error("it cannot go on");
      await new Promise(() => {});
      yield [null, ""] as [null, string];
    })();
  });
  return new Dataflow("failing").input("in", input).capture(new StdOutputConfig());
}
