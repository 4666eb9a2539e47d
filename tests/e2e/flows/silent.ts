/** A flow that prints nothing, and waits for its second item for ever. */
import { Dataflow, ManualInputConfig, ManualOutputConfig } from "millrace";

const silence = new ManualInputConfig<string>(async function* () {
  yield [null, "only one"];
  await new Promise(() => {});
});

const flow: Dataflow<string> = new Dataflow("silent").input("silence", silence)
  .capture(new ManualOutputConfig<string>(() => () => {}));

export default flow;
