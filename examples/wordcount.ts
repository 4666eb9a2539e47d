/**
 * Counts the words of a text in this file.
 *
 *     deno run -A cli.ts examples/wordcount.ts
 */
import { Dataflow, StdOutputConfig, TestingInputConfig } from "@millrace/millrace";

const text = `
To be, or not to be, that is the question:
Whether 'tis nobler in the mind to suffer
The slings and arrows of outrageous fortune,
Or to take arms against a sea of troubles
And by opposing end them.`;

const flow = new Dataflow("wordcount");

flow
  .input("lines", new TestingInputConfig(text.split("\n")))
  .flatMap((line) => line.toLowerCase().match(/[a-z']+/g) ?? [])
  .keyOn((word) => word)
  .countFinal("count")
  .filter(([, count]) => count > 1) // change this line, and run it again
  .map(([word, count]) => `${word}: ${count}`)
  .capture(new StdOutputConfig());

export default flow;
