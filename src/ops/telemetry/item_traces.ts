/**
 * The traces that Kafka messages are part of, by their headers.
 *
 * @module
 */
import { context, propagation, ROOT_CONTEXT, type TextMapGetter } from "@opentelemetry/api";
import type { Epoch } from "../../core/ids.ts";
import { MOST_LINKS } from "./messages.ts";
import { spanContextOf } from "./traceparent.ts";

/** How many items of a batch are looked at: an epoch's span links to few traces anyway. */
const LOOK_AT = 16;

/** Of how many epochs traces are kept. One is read while the one before is closed. */
const MOST_EPOCHS = 4;

type Headers = Readonly<Record<string, unknown>>;

/** Header names are those of W3C Trace Context and Baggage, in lower case. */
const GETTER: TextMapGetter<Headers> = {
  get: (headers, name) => textOf(headers[name]) ?? undefined,
  keys: (headers) => Object.keys(headers),
};

/** The traces of the items of a worker. */
export class ItemTraces {
  readonly #seen = new Map<Epoch, Set<string>>();

  /** Calls a function in the trace of an item, if that has one. */
  within<R>(item: unknown, call: () => R): R {
    const headers = headersOf(item);
    if (headers === null) return call();
    return context.with(propagation.extract(ROOT_CONTEXT, headers, GETTER), call);
  }

  /** Items have been read. */
  read(epoch: Epoch, items: readonly unknown[]): void {
    let seen = this.#seen.get(epoch);
    if (seen !== undefined && seen.size >= MOST_LINKS) return;
    for (let i = 0; i < Math.min(items.length, LOOK_AT); i++) {
      const trace = textOf(headersOf(items[i])?.traceparent);
      if (trace === null || spanContextOf(trace) === null) continue;
      if (seen === undefined) seen = this.#begin(epoch);
      if (seen.add(trace).size >= MOST_LINKS) return;
    }
  }

  /** Where nobody takes them, those of old epochs are dropped. */
  #begin(epoch: Epoch): Set<string> {
    const seen = new Set<string>();
    this.#seen.set(epoch, seen);
    if (this.#seen.size > MOST_EPOCHS) this.#seen.delete(this.#seen.keys().next().value!);
    return seen;
  }

  /** Returns some traces of items that were read up to the end of an epoch, and forgets them. */
  take(epoch: Epoch): string[] {
    const taken: string[] = [];
    for (const [each, traces] of this.#seen) {
      if (each > epoch) continue;
      taken.push(...traces);
      this.#seen.delete(each);
    }
    return taken.slice(0, MOST_LINKS);
  }
}

/** The headers of a Kafka message, also if that is the value of a key; `null` for other items. */
function headersOf(item: unknown): Headers | null {
  const message = Array.isArray(item) && item.length === 2 ? item[1] : item;
  if (typeof message !== "object" || message === null) return null;
  const { headers } = message as { headers?: unknown };
  if (typeof headers !== "object" || headers === null) return null;
  return "traceparent" in headers ? headers as Headers : null;
}

/** A header's value: bytes or text, or the first of several. */
function textOf(value: unknown): string | null {
  const first: unknown = Array.isArray(value) ? value[0] : value;
  if (typeof first === "string") return first;
  return first instanceof Uint8Array ? new TextDecoder().decode(first) : null;
}
