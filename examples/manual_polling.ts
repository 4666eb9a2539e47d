/**
 * Polls an HTTP endpoint and prints what has changed: an async generator as an input.
 *
 *     deno run -A cli.ts examples/manual_polling.ts -- http://localhost:8000/readings 1000
 *
 * The endpoint returns a JSON object of numbers, such as `{ "hall": 21.5, "yard": 4 }`.
 */
import { Dataflow, ManualInputConfig, StdOutputConfig } from "@millrace/millrace";

type Readings = Record<string, number>;

/** A flow that polls `url` every `pauseMs` milliseconds, `times` times or for ever. */
export default function polling(args: readonly string[]): Dataflow<unknown> {
  const [url = "http://localhost:8000/readings", pauseMs = "1000", times = "Infinity"] = args;

  async function* poll(): AsyncGenerator<[state: null, readings: Readings]> {
    for (let polled = 0; polled < Number(times); polled++) {
      if (polled > 0) await new Promise((resolve) => setTimeout(resolve, Number(pauseMs)));
      const response = await fetch(url);
      if (!response.ok) throw new Error(`${url} answered ${response.status}`);
      yield [null, await response.json()];
    }
  }

  return new Dataflow("polling")
    .input("poll", new ManualInputConfig(poll))
    .flatMap((readings) => Object.entries(readings))
    .statefulFlatMap("changes", () => NaN, (last, now) => [now, now === last ? [] : [[last, now]]])
    .map(([sensor, [last, now]]) =>
      Number.isNaN(last) ? `${sensor}: ${now}` : `${sensor}: ${last} -> ${now}`
    )
    .capture(new StdOutputConfig());
}
