import type { OriginName, SourceName } from "../time/controls.ts";
import type { AlignedTimes } from "../time/source_alignment.ts";

/**
 * What a task knows of the sources that it reads itself, for a window step that it sends to. So
 * those of them that are far ahead wait for the others, as on one machine. For what other tasks
 * read, the step's shards wait; see `stream_order.ts`.
 *
 * What has been read and is still on its way to the exchange is not known. It is no more than the
 * channels of the task have room for.
 */
export class SentAlignment implements AlignedTimes {
  readonly isShared: boolean = false;
  readonly isComplete: boolean = true;
  readonly newestOf: (source: SourceName) => number;
  readonly #unread: () => Iterable<SourceName>;

  /**
   * @param newestOf Returns the newest time that has been sent of a source.
   * @param unread Returns the sources of this task that have more to read.
   */
  constructor(
    newestOf: (source: SourceName) => number,
    unread: () => Iterable<SourceName>,
  ) {
    this.newestOf = newestOf;
    this.#unread = unread;
  }

  through(_origin: OriginName): number {
    return Infinity;
  }

  known(_origin: OriginName, _source: SourceName): number {
    return Infinity;
  }

  leastBeside(source: SourceName): number {
    let least = Infinity;
    for (const other of this.#unread()) {
      if (other !== source) least = Math.min(least, this.newestOf(other));
    }
    return least;
  }
}
