/**
 * What scenes measure, such as how long keys had nothing while tasks moved. Nothing is asserted of
 * it: a campaign prints it.
 */

/** What is measured, each in the unit that its name ends with. */
export type Figure =
  /** The longest time without a result, of any key, around a fault. */
  | "stood still, ms"
  /** The same of each key none of whose tasks has moved. */
  | "unmoved keys, ms"
  /** The same of each key that has moved with a task. */
  | "moved keys, ms"
  /** How many tasks had another owner after a fault. */
  | "moved tasks"
  /** How many records of changelogs were read for the tasks of a node that started. */
  | "restored records";

/** The figures, in the order in which they are printed. */
export const FIGURES: readonly Figure[] = [
  "stood still, ms",
  "unmoved keys, ms",
  "moved keys, ms",
  "moved tasks",
  "restored records",
];

/** Collects what scenes measure. */
export class Figures {
  readonly #values = new Map<Figure, number[]>();

  /** Adds measured values. */
  add(figure: Figure, ...values: readonly number[]): void {
    this.#values.set(figure, [...this.#values.get(figure) ?? [], ...values]);
  }

  /** Adds what others have collected. */
  addAll(others: Figures): void {
    for (const [figure, values] of others.#values) this.add(figure, ...values);
  }

  /** Returns a value that `share` of all values do not exceed; `null` if there are none. */
  quantile(figure: Figure, share: number): number | null {
    const values = (this.#values.get(figure) ?? []).toSorted((a, b) => a - b);
    if (values.length === 0) return null;
    return values[Math.min(values.length - 1, Math.ceil(share * values.length) - 1)];
  }
}
