/**
 * An input as the checks of its suites use it.
 *
 * @module
 */
import { assert, assertEquals } from "@std/assert";
import type {
  InputConfig,
  InputReader,
  Positions,
  SourceAlignment,
} from "../../src/graph/contracts.ts";
import { openOnAll } from "../support/runtime/open_input.ts";
import { testPlace } from "../support/runtime/test_place.ts";
import { inTime } from "./suite.ts";

/** An input under test, which holds known items and ends. */
export interface InputSubject<T = unknown> extends AsyncDisposable {
  /** Returns another config of the same input each time. */
  config(): InputConfig<T>;
  /**
   * The items of each partition, in their order, as texts. No two texts are alike. Twenty to fifty
   * items are enough; each check that resumes reads them many times.
   */
  readonly items: readonly (readonly string[])[];
  /** Returns the text of an item. Without it, items are texts. */
  textOf?(item: T): string;
  /** Returns the input as it is when the last partition of `items` has gone. */
  fewer?(): InputConfig<T>;
  /** Returns an input that has nothing to read now, and does not end. */
  waiting?(): InputConfig<T>;
  /** Returns an input that fails after some items. */
  failing?(): FailingInput<T>;
  /** How long a call may take, in milliseconds. */
  readonly patienceMs?: number;
}

/** An input that fails. */
export interface FailingInput<T> {
  readonly config: InputConfig<T>;
  /** The texts of the items before the error. */
  readonly items: readonly string[];
  /** A part of the error's message. */
  readonly message: string;
}

/** Room for few items, so that there are many batches. */
export const LIMIT = 3;

/** An input that gives nothing this often in a row, though it is ready, is not. */
const EMPTY_BATCHES = 1_000;

/** How an input is opened. */
export interface OpenOptions {
  readonly resume?: Positions;
  readonly workers?: number;
  /** Another one than that of the subject. */
  readonly config?: InputConfig<unknown>;
  /** Keeps the sources together. */
  readonly alignment?: SourceAlignment;
}

/** The readers of all workers, used as the engine uses them. */
export class Opened implements AsyncDisposable {
  readonly #subject: InputSubject;
  readonly #readers: readonly InputReader<unknown>[];
  readonly #open: Set<InputReader<unknown>>;
  readonly #ended = new Set<InputReader<unknown>>();

  private constructor(subject: InputSubject, readers: readonly InputReader<unknown>[]) {
    this.#subject = subject;
    this.#readers = readers;
    this.#open = new Set(readers);
  }

  static async of(subject: InputSubject, options: OpenOptions = {}): Promise<Opened> {
    const { resume, workers = 1, config = subject.config(), alignment = null } = options;
    const opening = openOnAll(config, workers, resume, testPlace({ alignment }));
    return new Opened(subject, await inTime(opening, "open()", subject.patienceMs));
  }

  /** The reader of the first worker. */
  get reader(): InputReader<unknown> {
    return this.#readers[0];
  }

  /** Whether all readers have returned `null`. */
  get ended(): boolean {
    return this.#ended.size === this.#readers.length;
  }

  /** The positions of all workers, as a store returns them. */
  positions(): Positions {
    return copyOf(new Map(this.#readers.flatMap((reader) => [...reader.positions()])));
  }

  textsOf(batch: readonly unknown[]): string[] {
    return batch.map((item) => this.#subject.textOf?.(item) ?? item as string);
  }

  async inTime(promise: Promise<void> | undefined, what: string): Promise<void> {
    if (promise !== undefined) await inTime(promise, what, this.#subject.patienceMs);
  }

  /** Reads one worker after the other to its end; no batch is empty. */
  async *batches(limit?: number, onEmpty: () => void = () => {}): AsyncGenerator<unknown[]> {
    const count = this.#subject.items.flat().length;
    let read = 0;
    for (const reader of this.#readers) {
      for (let empty = 0; !this.#ended.has(reader);) {
        const batch = reader.next(limit);
        if (batch === null) this.#ended.add(reader);
        else if (batch.length > 0) {
          empty = 0;
          read += batch.length;
          assert(read <= 2 * count * this.#readers.length, "items come again and again");
          yield batch;
        } else {
          assert(++empty < EMPTY_BATCHES, "ready() resolves though next() has nothing");
          onEmpty();
          await this.inTime(reader.ready(), "ready()");
        }
      }
    }
  }

  /** Reads to the end. Returns the texts of all items. */
  async readAll(
    limit?: number,
    onBatch: (batch: unknown[]) => void = () => {},
    onEmpty?: () => void,
  ): Promise<string[]> {
    const texts: string[] = [];
    for await (const batch of this.batches(limit, onEmpty)) {
      texts.push(...this.textsOf(batch));
      onBatch(batch);
    }
    return texts;
  }

  /** Reads some small batches. Returns the texts of their items. */
  async readSome(batches: number): Promise<string[]> {
    const texts: string[] = [];
    let read = 0;
    if (batches === 0) return texts;
    for await (const batch of this.batches(LIMIT)) {
      texts.push(...this.textsOf(batch));
      if (++read === batches) break;
    }
    return texts;
  }

  /** Resolves to a `ready` that is pending; in an object, as it is not to be awaited. */
  async untilPending(): Promise<{ ready: Promise<void> }> {
    for (let empty = 0; empty < EMPTY_BATCHES; empty++) {
      assertEquals(this.reader.next(LIMIT), []);
      this.reader.idle?.();
      let isReady = false;
      const ready = this.reader.ready();
      ready.then(() => isReady = true, () => isReady = true);
      await new Promise((resolve) => setTimeout(resolve, 20));
      if (!isReady) return { ready };
    }
    throw new Error("ready() resolves though next() has nothing");
  }

  /** Closes the readers that are not closed. */
  async close(): Promise<void> {
    for (const reader of this.#open) {
      this.#open.delete(reader);
      await this.inTime(reader.close(), "close()");
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }
}

/** What a run has read. */
export interface ReadPart {
  readonly texts: string[];
  readonly positions: Positions;
  readonly ended: boolean;
}

/** Reads some small batches, and closes. */
export async function readSome(
  subject: InputSubject,
  batches: number,
  options: OpenOptions = {},
): Promise<ReadPart> {
  await using opened = await Opened.of(subject, options);
  const texts = await opened.readSome(batches);
  return { texts, positions: opened.positions(), ended: opened.ended };
}

/** The positions as they come back from a store. */
export function copyOf(positions: Positions): Positions {
  return structuredClone(new Map(positions));
}

/** All items came once, those of each partition in their order. */
export function assertAll(subject: InputSubject, texts: readonly string[]): void {
  assertSame(subject, texts);
  for (const items of subject.items) {
    const own = new Set(items);
    assertEquals(texts.filter((text) => own.has(text)), items);
  }
}

/** All items came once. */
export function assertSame({ items }: InputSubject, texts: readonly string[]): void {
  assertEquals(texts.toSorted(), items.flat().sort());
}
