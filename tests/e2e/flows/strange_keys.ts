/** Counts keys that a terminal would not show unchanged. */
import { Dataflow, ManualOutputConfig, TestingInputConfig } from "millrace";

const keys = [
  "plain",
  "two words",
  "",
  " ",
  "a\nb",
  '"quoted"',
  "\u001b[31mred",
  "\ud800",
  "x".repeat(1_000),
];

export default new Dataflow("strange")
  .input("in", new TestingInputConfig(keys))
  .keyOn((key) => key)
  .statefulMap("seen", () => 0, (n: number, key) => [n + 1, key])
  .capture(new ManualOutputConfig(() => () => {}));
