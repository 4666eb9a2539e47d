/** Prints what it reads in capitals. */
import { Dataflow, FileInputConfig, ManualInputConfig, StdOutputConfig } from "millrace";

const input = new ManualInputConfig<string>(async function* () {
  let rest = "";
  for await (const text of Deno.stdin.readable.pipeThrough(new TextDecoderStream())) {
    const lines = (rest + text).split("\n");
    rest = lines.pop()!;
    for (const line of lines) yield [null, line];
  }
});

export default new Dataflow("stdin")
  .input("stdin", input)
  .map((line) => line.toUpperCase())
  .capture(new StdOutputConfig());

/** The lines of the standard input, where that is a file. */
export const lines: Dataflow<string> = new Dataflow("lines")
  .input("lines", new FileInputConfig({ path: "/dev/stdin" }))
  .capture(new StdOutputConfig());
