import {
  Dataflow,
  EventClockConfig,
  FileInputConfig,
  StdOutputConfig,
  TumblingWindowConfig,
} from "millrace";

const clock = new EventClockConfig({
  getTime: (line: string) => Number(line.split(" ")[1]) * 1_000,
  wait: { minutes: 1 },
});
const windows = new Dataflow("hours")
  .input("lines", new FileInputConfig({ path: Deno.args[0] }))
  .keyOn((line) => line.split(" ")[0])
  .countWindow("count", clock, new TumblingWindowConfig({ length: { hours: 1 } }));
windows.capture(new StdOutputConfig());
windows.late.capture(new StdOutputConfig());

/** Counts lines of `key seconds` by the hour, and the late ones. */
export default windows;
