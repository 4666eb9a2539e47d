/** Reads what a flow writes, as readers of committed records do, and when each came. */
import { Dataflow, KafkaMessageInputConfig, ManualOutputConfig, run, text } from "millrace";

/** The outputs, from their first record on. */
export class WatchedOutputs implements AsyncDisposable {
  /** When the records of each key came, by topic and key; by `performance.now()`. */
  readonly #come = new Map<string, Map<string, number[]>>();
  readonly #stopping = new AbortController();
  readonly #over: Promise<unknown>;
  #failure: unknown = null;

  /** Begins to read. Brokers may go away and come back. */
  constructor(brokers: readonly string[], topics: readonly string[]) {
    for (const topic of topics) this.#come.set(topic, new Map());
    const flow = new Dataflow("watched");
    flow.input(
      "in",
      new KafkaMessageInputConfig({ brokers: [...brokers], topic: [...topics], tail: true }),
    )
      .capture(
        new ManualOutputConfig(() => ({ topic, key }) => this.#add(topic, text.decode(key))),
      );
    this.#over = run(flow, { signal: this.#stopping.signal })
      .catch((error) => this.#failure = error);
  }

  #add(topic: string, key: string): void {
    const times = this.#come.get(topic)!;
    if (!times.has(key)) times.set(key, []);
    times.get(key)!.push(performance.now());
  }

  /** How many records of each key of a topic have come. */
  counts(topic: string): Map<string, number> {
    if (this.#failure !== null) throw this.#failure;
    return new Map(Array.from(this.#come.get(topic)!, ([key, { length }]) => [key, length]));
  }

  /** How many records of a topic have come. */
  count(topic: string): number {
    return [...this.counts(topic).values()].reduce((sum, count) => sum + count, 0);
  }

  /** The longest time without a record of each key of a topic, in milliseconds. */
  gaps(topic: string, fromMs: number, toMs: number): Map<string, number> {
    return new Map(
      Array.from(this.#come.get(topic)!, ([key, all]) => {
        const times = [fromMs, ...all.filter((time) => time >= fromMs && time <= toMs), toMs];
        return [key, Math.max(...times.slice(1).map((time, i) => time - times[i]))];
      }),
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stopping.abort();
    await this.#over;
  }
}
