/** A small billion rows challenge: the least, mean and greatest temperature of each station. */
import { Dataflow, FileInputConfig } from "millrace";
import { begin, timedOutput } from "./timed.ts";

interface Stats {
  min: number;
  max: number;
  sum: number;
  count: number;
}

const [path] = Deno.args;
const results: string[] = [];

export default new Dataflow("stations")
  .input("rows", new FileInputConfig({ path }))
  .map((row) => {
    begin();
    const at = row.indexOf(";");
    return [row.slice(0, at), Number(row.slice(at + 1))];
  })
  .foldFinal(
    "stats",
    (): Stats => ({ min: Infinity, max: -Infinity, sum: 0, count: 0 }),
    (stats, temperature) => {
      if (temperature < stats.min) stats.min = temperature;
      if (temperature > stats.max) stats.max = temperature;
      stats.sum += temperature;
      stats.count++;
      return stats;
    },
    (a, b) => ({
      min: Math.min(a.min, b.min),
      max: Math.max(a.max, b.max),
      sum: a.sum + b.sum,
      count: a.count + b.count,
    }),
  )
  .capture(timedOutput((batch) => {
    for (const [station, { min, max, sum, count }] of batch) {
      results.push(`${station}=${min}/${(sum / count).toFixed(1)}/${max}`);
    }
  }, () => ({ results })));
