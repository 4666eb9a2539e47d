/**
 * Orders as lines of JSON, counted by user: most of the time goes into parsing. `PATH [each]`: with
 * `each`, every value goes to its key's worker, as in steps that cannot combine values before.
 */
import { Dataflow, FileInputConfig } from "millrace";
import { begin, timedOutput } from "./timed.ts";

const [path, mode] = Deno.args;
let users = 0;
let orders = 0;

const keyed = new Dataflow("json-lines")
  .input("lines", new FileInputConfig({ path }))
  .map((line) => {
    begin();
    return JSON.parse(line) as { user: string; amount: number };
  })
  .map(({ user, amount }): [string, number] => [user, amount]);
const counted = mode === "each"
  ? keyed.foldFinal("per-user", () => 0, (count) => count + 1)
  : keyed.countFinal("per-user");

export default counted
  .capture(timedOutput((batch) => {
    for (const [, count] of batch) {
      users++;
      orders += count;
    }
  }, () => ({ users, orders })));
