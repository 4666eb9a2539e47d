import { Dataflow, StdOutputConfig, TestingInputConfig } from "millrace";

const numbers = new Dataflow("numbers").input("in", new TestingInputConfig([1, 2, 3]));

/** Another flow of this file. */
export const letters: Dataflow<string> = new Dataflow("letters")
  .input("in", new TestingInputConfig(["a", "b"]))
  .capture(new StdOutputConfig());

export const notAFlow = { left: "l".repeat(60), right: "r".repeat(60) };

export function makesNoFlow(): string {
  return "flow";
}

export default numbers.map((n) => n * 2).capture(new StdOutputConfig());
