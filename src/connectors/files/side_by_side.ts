/**
 * Reads ranges of files side by side, so that they stay together in event time.
 *
 * Files are often ordered by name, and each then begins where the one before it ends. So the first
 * ones are open, in the order of their names. But how far a source has come is not known before
 * something of it was read, and until then all others wait for it. So of each range something is
 * read early. A range that then has to wait is *parked*, if others need its place. It is closed,
 * and opened again where reading it has stopped.
 *
 * @module
 */
import type { PartitionName } from "../../core/ids.ts";
import { type Log, silentLog } from "../../core/log.ts";
import type { InputReader, Positions, Progress, SourceAlignment } from "../../graph/contracts.ts";
import { LinesReader, type ReadSizes, SIZES } from "./lines_reader.ts";
import { EndingSources } from "../../graph/ending_sources.ts";
import { nameOf, type Range, readBefore, type ReadPart, restOf } from "./ranges.ts";

/** How many files are open at once, at most. */
const MOST_OPEN = 64;

/** How many bytes all open files may read ahead, about. */
const AHEAD_BYTES = 8 << 20;

/** The fewest bytes to read ahead of a file. */
const LEAST_AHEAD = 128 << 10;

/** Of a range that is not open: nothing has been read of it in this run. */
const FRESH = 1;

/** Of a range that is not open: it is to go on later. */
const PARKED = 2;

/** How to read side by side. */
export interface SideBySideOptions {
  /** Chooses the range to read. */
  readonly alignment: SourceAlignment;
  /** Accepts warnings about a file. */
  readonly log?: Log;
  /** Stored positions of files that are not read now, to be kept. */
  readonly unread?: Positions;
  /** How many files are open at once, at most. */
  readonly mostOpen?: number;
  /** How much to do at once. */
  readonly sizes?: ReadSizes;
}

/** A range that has not ended. */
interface Source {
  readonly name: PartitionName;
  /** Its place in the order of names. */
  readonly index: number;
  readonly range: Range;
  /** `null` before it is opened, and while it is parked. */
  reader: LinesReader | null;
  /** What has been read of it, as far as is known without its reader. */
  part: readonly [PartitionName, ReadPart] | null;
  /** Whether the flow has had something of it. */
  isBegun: boolean;
  /** How many bytes of it have been read. */
  done: number;
}

/** A range that is open. */
interface Open extends Source {
  reader: LinesReader;
}

/** Reads lines of files, of one range after another as alignment chooses. */
export class SideBySideReader implements InputReader<string> {
  readonly #alignment: SourceAlignment;
  readonly #log: Log;
  readonly #sizes: ReadSizes;
  readonly #mostOpen: number;
  readonly #positions: Map<PartitionName, unknown>; // of ranges that have ended, and of other files
  readonly #total: number;
  readonly #closing = new Set<Promise<void>>();
  readonly #sources: Set<Source>; // that have not ended, in the order of their names
  readonly #left: EndingSources;
  readonly #all: readonly Source[]; // by `index`
  readonly #away: Uint8Array; // by `index`: FRESH, PARKED, or 0 for one that is open or has ended
  #freshFrom = 0; // those before this have all been opened
  #open: Open[] = []; // those that are open now
  #doneBefore = 0; // bytes of ranges that have ended
  #source: PartitionName = "";
  #loading: readonly LinesReader[] = []; // had no lines when `next` was called
  /** Whether all that has lines is to wait. */
  #isHeld = false;

  /** Begins with the first `next`. `ranges` are in the order of their names. */
  constructor(ranges: readonly Range[], options: SideBySideOptions) {
    const { alignment, log = silentLog, unread = new Map(), mostOpen = MOST_OPEN } = options;
    this.#alignment = alignment;
    this.#log = log;
    this.#mostOpen = mostOpen;
    this.#positions = new Map(unread);
    this.#total = ranges.reduce((sum, { bytes }) => sum + bytes, 0);
    this.#sizes = options.sizes ?? sizesFor(Math.min(ranges.length, mostOpen));
    this.#all = ranges.map((range, index) => ({
      name: nameOf(range),
      index,
      range,
      reader: null,
      part: readBefore(range),
      isBegun: false,
      done: 0,
    }));
    this.#sources = new Set(this.#all);
    this.#left = new EndingSources(this.#all.map(({ name }) => name));
    this.#away = new Uint8Array(this.#all.length).fill(FRESH);
  }

  next(limit = Infinity): string[] | null {
    this.#isHeld = false;
    this.#dropEnded();
    this.#openMore();
    if (this.#sources.size === 0) return null;
    const ready = this.#open.filter(({ reader }) => reader.hasLines);
    const chosen = ready.length === 0 ? null : this.#chooseFrom(ready);
    if (chosen !== null && chosen.source.reader !== null) {
      return this.#read(chosen.source as Open, Math.min(limit, chosen.most));
    }
    if (chosen !== null) this.#bring(chosen.source);
    else this.#isHeld = ready.length > 0;
    this.#loading = this.#open.map(({ reader }) => reader).filter(({ hasLines }) => !hasLines);
    return [];
  }

  sources(): EndingSources {
    for (const { name, reader } of this.#open) if (reader.isAtEnd) this.#left.end(name);
    return this.#left;
  }

  source(): PartitionName {
    return this.#source;
  }

  idle(): boolean {
    return false; // everything to read exists from the beginning
  }

  async ready(): Promise<void> {
    const loaded = this.#loading.map((reader) => reader.ready());
    await Promise.race(this.#isHeld ? [this.#alignment.changed(), ...loaded] : loaded);
  }

  positions(): Positions {
    const positions = new Map(this.#positions);
    for (const { reader, part } of this.#sources) {
      if (reader !== null) {
        for (const [name, state] of reader.positions()) positions.set(name, state);
      } else if (part !== null) positions.set(...part);
    }
    return positions;
  }

  progress(): Progress {
    let done = this.#doneBefore;
    for (const source of this.#sources) done += doneOf(source);
    return { done, total: this.#total, unit: "bytes" };
  }

  async close(): Promise<void> {
    for (const { reader } of this.#open.splice(0)) this.#close(reader);
    await Promise.all(this.#closing);
  }

  /** Chooses one that has lines, or else one to be opened. */
  #chooseFrom(ready: readonly Open[]): Choice | null {
    const chosen = this.#choose(ready);
    // Mostly, they wait for one whose next lines are being read.
    if (chosen !== null || ready.length < this.#open.length) return chosen;
    const away = this.#closed();
    return away.length === 0 ? null : this.#choose([...ready, ...away]);
  }

  /** Those that are not open. Of those that nobody knows anything of, the first one is enough. */
  #closed(): Source[] {
    let isFirst = true;
    return this.#all.filter(({ index, part }) => {
      if (this.#away[index] !== FRESH || part !== null) return this.#away[index] !== 0;
      const wasFirst = isFirst;
      isFirst = false;
      return wasFirst;
    });
  }

  /** Returns the first one to be opened; `undefined` if none is left. */
  #firstClosed(): Source | undefined {
    const fresh = this.#away.indexOf(FRESH, this.#freshFrom);
    this.#freshFrom = fresh < 0 ? this.#away.length : fresh;
    return this.#all[fresh < 0 ? this.#away.indexOf(PARKED) : fresh];
  }

  #choose(from: readonly Source[]): Choice | null {
    const chosen = this.#alignment.choose(from.map(({ name }) => name));
    if (chosen === null) return null;
    return { source: from.find(({ name }) => name === chosen.source)!, most: chosen.most };
  }

  #read(source: Open, limit: number): string[] {
    const lines = source.reader.next(limit)!;
    source.isBegun = true;
    this.#source = source.name;
    return lines;
  }

  /** Removes the ranges that have ended. Throws the error of one that cannot be read. */
  #dropEnded(): void {
    const ended = this.#open.filter(({ reader }) => reader.isOver);
    if (ended.length === 0) return;
    for (const source of ended) {
      const { reader, range, name } = source;
      for (const [part, state] of reader.positions()) this.#positions.set(part, state);
      this.#doneBefore += range.bytes;
      this.#sources.delete(source);
      this.#left.end(name);
      this.#close(reader);
    }
    this.#open = this.#open.filter((each) => !ended.includes(each));
  }

  /** Opens as many as there is room for: first those of which nothing has been read. */
  #openMore(): void {
    while (this.#open.length < this.#mostOpen) {
      const source = this.#firstClosed();
      if (source === undefined) return;
      this.#begin(source);
    }
  }

  /** Opens a range in the place of others that have to wait, the last ones by name. */
  #bring(source: Source): void {
    const waiting = this.#open.filter(({ reader, isBegun }) => isBegun && reader.hasLines)
      .sort((a, b) => b.index - a.index);
    // Those of which nothing has been read are opened many at a time.
    const room = source.isBegun ? 1 : Math.max(1, this.#mostOpen >> 1);
    for (const each of waiting.slice(0, room)) this.#park(each);
    this.#begin(source);
    this.#openMore();
  }

  #begin(source: Source): void {
    const { range, part, index } = source;
    this.#away[index] = 0;
    const rest = part === null ? range : restOf(range, part[1]);
    source.reader = new LinesReader([rest], this.#sizes, this.#log);
    this.#open.push(source as Open);
  }

  #park(source: Open): void {
    const { reader } = source;
    const [part] = reader.positions() as ReadonlyMap<PartitionName, ReadPart>;
    this.#open.splice(this.#open.indexOf(source), 1);
    const parked: Source = source;
    Object.assign(parked, { done: doneOf(source), part, reader: null });
    this.#away[source.index] = PARKED;
    this.#close(reader);
  }

  #close(reader: LinesReader): void {
    const closing = reader.close().finally(() => this.#closing.delete(closing));
    this.#closing.add(closing);
  }
}

/** A range, and how many lines of it to read. */
interface Choice {
  readonly source: Source;
  readonly most: number;
}

/** Less for each, if many are open. */
function sizesFor(open: number): ReadSizes {
  const ahead = Math.min(SIZES.ahead, Math.max(LEAST_AHEAD, Math.floor(AHEAD_BYTES / open)));
  return { ...SIZES, ahead, chunk: Math.min(SIZES.chunk, ahead >> 1) };
}

/** How many bytes of a range have been read. One that is opened again knows that only soon. */
function doneOf({ reader, done, range }: Source): number {
  if (reader === null) return done;
  const { done: now, total } = reader.progress();
  return Math.max(done, now + range.bytes - total);
}
