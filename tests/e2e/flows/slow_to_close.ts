/** Worker 0 takes a second to close its output, the others none. */
import { Dataflow, TestingInputConfig } from "millrace";

export default new Dataflow("slow-to-close")
  .input("in", new TestingInputConfig([1, 2, 3]))
  .capture("out", {
    open: ({ workerIndex }) =>
      Promise.resolve({
        write: () => {},
        prepare: () => Promise.resolve(new Map()),
        close: () => new Promise((resolve) => setTimeout(resolve, workerIndex === 0 ? 1_000 : 0)),
      }),
  });
