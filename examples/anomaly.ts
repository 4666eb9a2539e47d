/**
 * Finds unusual readings of two sensors with sliding windows by event time. A reading is unusual if
 * it is more than three standard deviations from the mean of the nine minutes before.
 *
 *     deno run -A cli.ts examples/anomaly.ts
 *
 * Each window is ten minutes long, and one begins every minute. When it closes, the readings of its
 * last minute are compared with the earlier ones in the window. So each reading is judged once.
 */
import {
  Dataflow,
  EventClockConfig,
  PartitionedInputConfig,
  SlidingWindowConfig,
  StdOutputConfig,
} from "@millrace/millrace";

interface Reading {
  readonly sensor: string;
  readonly at: number; // milliseconds since the Unix epoch
  readonly celsius: number;
}

const MINUTE = 60_000;
const start = Date.parse("2026-01-01T12:00:00Z");

/**
 * Half an hour of readings, one every ten seconds, that look like noise but are always the same.
 */
function* readings(sensor: string): Generator<Reading> {
  const [mean, faults] = sensor === "boiler" ? [80, [100, 101]] : [4, [75, 150]];
  for (let i = 0; i < 180; i++) {
    const noise = Math.sin(i * 12.9) + Math.sin(i * 7.7);
    const celsius = mean + noise / 2 + (faults.includes(i) ? 6 : 0);
    yield { sensor, at: start + i * 10_000, celsius };
  }
}

// A partition for each sensor: whichever worker reads it, its readings stay in order.
const input = new PartitionedInputConfig<Reading, number>({
  partitions: () => ["boiler", "fridge"],
  *build(sensor, last) {
    for (const reading of readings(sensor)) {
      if (last === null || reading.at > last) yield [reading.at, reading];
    }
  },
});

const clock = new EventClockConfig({ getTime: ({ at }: Reading) => at, wait: { seconds: 30 } });
const tenMinutes = new SlidingWindowConfig({ length: { minutes: 10 }, offset: { minutes: 1 } });

const flow = new Dataflow("anomaly").input("readings", input).keyOn(({ sensor }) => sensor);

flow
  .collectWindow("last-ten-minutes", clock, tenMinutes).windows
  .flatMap(([, [{ closeAt }, window]]) => {
    const isNew = ({ at }: Reading) => at >= closeAt.getTime() - MINUTE;
    const { count, mean, deviation } = statistics(window.filter((reading) => !isNew(reading)));
    if (count < 20) return []; // the first minutes
    return window
      .filter((reading) => isNew(reading) && Math.abs(reading.celsius - mean) > 3 * deviation)
      .map((reading) => ({ ...reading, mean, deviation }));
  })
  .map(({ sensor, at, celsius, mean, deviation }) =>
    `${time(at)} ${sensor}: ${celsius.toFixed(1)} °C ` +
    `(mean ${mean.toFixed(1)}, deviation ${deviation.toFixed(2)})`
  )
  .capture(new StdOutputConfig());

export default flow;

function statistics(readings: readonly Reading[]) {
  const count = readings.length;
  const mean = readings.reduce((sum, { celsius }) => sum + celsius, 0) / count;
  const squares = readings.reduce((sum, { celsius }) => sum + (celsius - mean) ** 2, 0);
  return { count, mean, deviation: Math.sqrt(squares / (count - 1)) };
}

function time(at: number): string {
  return new Date(at).toISOString().slice(11, 19);
}
