/** Starts a process that holds the worker's outputs open and outlives it. Prints its pid. */
import { Dataflow, StdOutputConfig, TestingInputConfig } from "millrace";

const child = new Deno.Command(Deno.execPath(), {
  args: ["eval", "setTimeout(() => {}, 20_000)"],
  stdin: "null",
}).spawn();
child.unref();

export default new Dataflow("leaves-child")
  .input("in", new TestingInputConfig([child.pid]))
  .capture(new StdOutputConfig());
