import { Dataflow, StdOutputConfig, TestingInputConfig } from "millrace";

export const first: Dataflow<number> = new Dataflow("first")
  .input("in", new TestingInputConfig([1]))
  .capture(new StdOutputConfig());

export const second: Dataflow<number> = new Dataflow("second")
  .input("in", new TestingInputConfig([2]))
  .capture(new StdOutputConfig());
