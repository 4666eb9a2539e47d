/** Orders as lines of JSON, counted by user: what takes the time is the parsing. */
import { Dataflow, FileInputConfig } from "millrace";
import { begin, timedOutput } from "./timed.ts";

const [path] = Deno.args;
let users = 0;
let orders = 0;

export default new Dataflow("json-lines")
  .input("lines", new FileInputConfig({ path }))
  .map((line) => {
    begin();
    return JSON.parse(line) as { user: string; amount: number };
  })
  .map(({ user, amount }) => [user, amount])
  .foldFinal("per-user", () => 0, (count) => count + 1)
  .capture(timedOutput((batch) => {
    for (const [, count] of batch) {
      users++;
      orders += count;
    }
  }, () => ({ users, orders })));
