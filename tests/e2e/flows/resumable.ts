/** Flows that are killed and continue. Their output does not depend on when, or how often. */
import { Dataflow, FileOutputConfig, ManualInputConfig, PartitionedInputConfig } from "millrace";

/**
 * Lines of numbers from several partitions into a file: keyed state, an exchange, a merge. With a
 * marker, it fails once, half-way.
 */
export function numbers(
  [path, count = "3000", marker]: readonly string[],
): Dataflow<unknown> {
  const partitions = ["a", "b", "c", "d"];
  const input = new PartitionedInputConfig<number, number>({
    partitions: () => partitions,
    build: async function* (partition, resume) {
      for (let i = (resume ?? -1) + 1; i < Number(count) / partitions.length; i++) {
        if (i % 8 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
        yield [i, i * partitions.length + partitions.indexOf(partition)];
      }
    },
  });
  const source = new Dataflow("numbers").input("in", input);
  const [even, odd] = source.branch((n) => n % 2 === 0);
  return even.redistribute().map((n) => failOnce(n, Number(count) / 2, marker)).merge(odd)
    .keyOn((n) => `k${n % 23}`)
    .statefulMap("sums", () => 0, (sum: number, n) => [sum + n, n])
    .keyOn(([, n]) => `m${n % 5}`)
    .statefulMap("counts", () => 0, (seen: number, [, n]) => [seen + 1, n])
    .map(([key, n]) => `${key} ${n}`)
    .capture("out", new FileOutputConfig({ path }));
}

/** Throws at `at`, unless a file shows that it has already thrown. */
function failOnce(n: number, at: number, marker: string | undefined): number {
  if (n !== at || marker === undefined) return n;
  try {
    Deno.writeTextFileSync(marker, "failed", { createNew: true });
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return n;
    throw error;
  }
  throw new Error("failed once");
}

/**
 * Numbers up to a count, into a file. The source yields one object, and changes it all the time.
 */
export function cursor([path, count]: readonly string[]): Dataflow<unknown> {
  const input = new ManualInputConfig<number, { at: number }>(
    async function* (_index, _of, resume) {
      const cursor = resume ?? { at: -1 };
      while (++cursor.at < Number(count)) {
        if (cursor.at % 8 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
        yield [cursor, cursor.at];
      }
    },
  );
  return new Dataflow("cursor").input("numbers", input).map((n) => `${n}`)
    .capture("out", new FileOutputConfig({ path }));
}
