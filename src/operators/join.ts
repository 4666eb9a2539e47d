import type { BuildLogic, Emit } from "../graph/contracts.ts";
import { KeyedLogic } from "../graph/keyed_logic.ts";
import { joinMode, type JoinOptions } from "./join_options.ts";
import { withTtl } from "./ttl.ts";

/** An incoming value with the number of its stream. */
export type Sided = readonly [side: number, value: unknown];

/**
 * The values of each side that are still needed, oldest first. A product needs all of them, the
 * other modes only the newest. These are lists too, since `undefined` may be a value. Every mode
 * can resume from the state of another.
 */
export type SideValues = unknown[][];

/** Joins the values of a key from `count` streams, which come as {@linkcode Sided}. */
export function joinLogic<R>(
  stepId: string,
  count: number,
  options: JoinOptions,
): BuildLogic<Sided, R, unknown> {
  const step = `join "${stepId}"`;
  const Logic = MODES[joinMode(step, options, "complete", ["mode", "ttl"])];
  const build: BuildLogic<Sided, unknown[], SideValues> = (resume) => {
    if (resume !== undefined) requireStreams(resume, count);
    return new Logic(resume ?? Array.from({ length: count }, () => []));
  };
  // Rows have the types of the builder's signature.
  return withTtl(step, build, { ttl: options.ttl }) as BuildLogic<Sided, R, unknown>;
}

/** Throws a `TypeError` unless a snapshot holds values of `count` streams. */
export function requireStreams({ length }: SideValues, count: number): void {
  if (length === count) return;
  throw new TypeError(
    `the snapshot is of a join of ${length} streams, and there are ${count} now: values cannot be ` +
      `matched with streams, so give the step another id to start over`,
  );
}

/** The common part of all modes. */
abstract class Join extends KeyedLogic<Sided, unknown[], SideValues> {
  protected readonly values: SideValues;

  constructor(values: SideValues) {
    super();
    this.values = values;
  }

  override snapshot(): SideValues {
    return this.values;
  }

  /** Keeps a value as the newest of its side. */
  protected renew([side, value]: Sided): void {
    this.values[side] = [value];
  }

  /** Returns the newest values, `undefined` for a side without one. */
  protected row(): unknown[] {
    return this.values.map((values) => values.at(-1));
  }
}

class Complete extends Join {
  #done = false;

  override onItem(item: Sided, emit: Emit<unknown[]>): void {
    this.renew(item);
    this.#done = this.values.every((values) => values.length > 0);
    if (this.#done) emit(this.row());
  }

  override isDone(): boolean {
    return this.#done;
  }
}

class Final extends Join {
  #done = false;

  override onItem(item: Sided): void {
    this.renew(item);
  }

  override onEnd(emit: Emit<unknown[]>): void {
    this.#done = true; // the next run starts over
    emit(this.row());
  }

  override isDone(): boolean {
    return this.#done;
  }
}

class Running extends Join {
  override onItem(item: Sided, emit: Emit<unknown[]>): void {
    this.renew(item);
    emit(this.row());
  }
}

class Product extends Join {
  override onItem([side, value]: Sided, emit: Emit<unknown[]>): void {
    const lists = this.values.with(side, [value]);
    if (lists.every((list) => list.length > 0)) combine(lists, [], emit);
    this.values[side].push(value);
  }
}

/** Emits every row that begins with `start` and continues with one value of each further list. */
export function combine(lists: SideValues, start: unknown[], emit: Emit<unknown[]>): void {
  if (start.length === lists.length) return emit(start);
  for (const value of lists[start.length]) combine(lists, [...start, value], emit);
}

const MODES = { complete: Complete, final: Final, running: Running, product: Product };
