import type { Epoch } from "../../../src/core/ids.ts";
import type { OutputConfig, OutputWriter, Place } from "../../../src/graph/contracts.ts";

/** What a {@linkcode RecordingOutput} does besides recording. Each may wait or throw. */
export interface RecordingHooks<T> {
  readonly open?: () => void | Promise<void>;
  readonly write?: (batch: readonly T[], epoch: Epoch) => void | Promise<void>;
  readonly prepare?: (epoch: Epoch) => void | Promise<void>;
  readonly commit?: (epoch: Epoch) => void | Promise<void>;
  readonly close?: () => void | Promise<void>;
}

/** An output that records the engine's calls, in order. */
export class RecordingOutput<T> implements OutputConfig<T> {
  /** The calls as text: `write 0: a,b`, `prepare 0`, `commit 0`, `close`. */
  readonly calls: string[] = [];
  /** All items, with their epochs. */
  readonly items: [epoch: Epoch, item: T][] = [];
  /** Calls that came before another had resolved. The contract forbids them. */
  readonly concurrent: string[] = [];
  /** The place at which it was opened. */
  place: Place | null = null;
  readonly #hooks: RecordingHooks<T>;
  #pending: string | null = null;

  constructor(hooks: RecordingHooks<T> = {}) {
    this.#hooks = hooks;
  }

  async open(at: Place): Promise<OutputWriter<T>> {
    this.place = at;
    await this.#hooks.open?.();
    return {
      write: (batch, epoch) =>
        this.#call(`write ${epoch}: ${batch.join()}`, async () => {
          await this.#hooks.write?.(batch, epoch);
          for (const item of batch) this.items.push([epoch, item]);
        }),
      prepare: async (epoch) => {
        await this.#call(`prepare ${epoch}`, () => this.#hooks.prepare?.(epoch));
        return new Map();
      },
      commit: (epoch) => this.#call(`commit ${epoch}`, () => this.#hooks.commit?.(epoch)),
      close: () => this.#call("close", () => this.#hooks.close?.()),
    };
  }

  /** The calls of a kind. */
  only(...kinds: string[]): string[] {
    return this.calls.filter((call) => kinds.some((kind) => call.startsWith(kind)));
  }

  async #call(call: string, work: () => void | Promise<void>): Promise<void> {
    if (this.#pending !== null) this.concurrent.push(`${call} during ${this.#pending}`);
    this.#pending = call;
    this.calls.push(call);
    try {
      await work();
    } finally {
      if (this.#pending === call) this.#pending = null;
    }
  }
}
