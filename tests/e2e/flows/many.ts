/** Prints the numbers up to 200,000. */
import { Dataflow, StdOutputConfig, TestingInputConfig } from "millrace";

export default new Dataflow("many")
  .input("in", new TestingInputConfig(Array.from({ length: 200_000 }, (_, i) => i + 1)))
  .capture(new StdOutputConfig());
