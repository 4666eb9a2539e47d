/** Flows that cannot be built or run. */
import { Dataflow, StdOutputConfig, TestingInputConfig } from "millrace";

export function withoutOutput(): Dataflow<number> {
  return new Dataflow("half").input("in", new TestingInputConfig([1]));
}

export function sameIdTwice(): Dataflow<number> {
  return new Dataflow("twins")
    .input("in", new TestingInputConfig([1]))
    .capture("in", new StdOutputConfig());
}
