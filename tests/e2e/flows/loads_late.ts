/** A flow that is loaded once the file exists that its first argument names. */
import { Dataflow, StdOutputConfig, TestingInputConfig } from "millrace";

const isThere = () => Deno.stat(Deno.args[0]).then(() => true, () => false);
while (!await isThere()) await new Promise((resolve) => setTimeout(resolve, 10));

const flow: Dataflow<string> = new Dataflow("late")
  .input("in", new TestingInputConfig(["loaded"]))
  .capture(new StdOutputConfig());
export default flow;
