import type { InputConfig, InputReader, Place, Positions } from "millrace";

/** An input that continues, in each run, after what the run before has committed. */
export class Resumed<T> implements InputConfig<T> {
  /** The positions of the last epoch that was committed. */
  positions: Positions = new Map();
  readonly #input: InputConfig<T>;

  /** `input`, with a memory of its positions. */
  constructor(input: InputConfig<T>) {
    this.#input = input;
  }

  async open(at: Place, _: Positions): Promise<InputReader<T>> {
    const reader = await this.#input.open(at, this.positions);
    return {
      next: () => reader.next(),
      ready: () => reader.ready(),
      positions: () => reader.positions(),
      committed: async (positions) => {
        this.positions = new Map(positions);
        await reader.committed?.(positions);
      },
      close: () => reader.close(),
    };
  }
}
