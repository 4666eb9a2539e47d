/**
 * Notices when files change.
 *
 * It looks at them ten times a second, which costs little for the files of a flow. Watchers of the
 * system are not used, as they miss changes. They lose a file that an editor replaces by another.
 * They do not see what others write on a network's file system, or in a folder that is mounted into
 * a container.
 *
 * @module
 */
import { type Clock, wakeAfter } from "../../core/clock.ts";
import { isSystemError } from "../../core/system_error.ts";

/** How often to look, in milliseconds. A change counts when nothing more has changed until then. */
const LOOK_MS = 100;

/**
 * How many looks a file may be missing before that counts: some editors delete a file before they
 * write it again.
 */
const MISSING_LOOKS = 10;

/** What tells one version of a file from another. */
export interface FileVersion {
  /** The same only for the same version. */
  readonly id: string;
  /** When it was written, in milliseconds since the Unix epoch. */
  readonly writtenAt: number;
}

/** Returns a file's version; `null` if it is not there. */
export type LookAtFile = (path: string) => Promise<FileVersion | null>;

/** Looks at files, and tells when they have changed. */
export class WatchedFiles {
  readonly #changed: () => void;
  readonly #look: LookAtFile;
  readonly #clock: Clock;
  #known = new Map<string, string | null>(); // the versions that are loaded, by path
  #last = new Map<string, string | null>(); // those seen last
  #same = 0; // how many looks in a row have seen them
  #cancel: () => void = () => {};
  #isOver = false;

  /**
   * Looks at nothing yet.
   *
   * @param changed Called once for changes that follow one another closely.
   */
  constructor(
    changed: () => void,
    { look = versionOf, clock }: { readonly look?: LookAtFile; readonly clock: Clock },
  ) {
    this.#changed = changed;
    this.#look = look;
    this.#clock = clock;
  }

  /** The files that are looked at. */
  get paths(): readonly string[] {
    return [...this.#known.keys()];
  }

  /**
   * Looks at these files from now on, and no others. One that is new among them counts as changed
   * if it was written after `loadedAt`: what has been loaded may be an older version.
   *
   * @param loadedAt When loading began, in milliseconds since the Unix epoch.
   */
  async watch(paths: Iterable<string>, loadedAt: number): Promise<void> {
    const known = new Map<string, string | null>();
    const versions = await this.#versions([...paths]);
    for (const [path, version] of versions) {
      const isNewer = version !== null && version.writtenAt >= loadedAt;
      const before = this.#known.get(path);
      known.set(path, before !== undefined ? before : isNewer ? "older" : version?.id ?? null);
    }
    this.#known = known;
    this.#same = 0;
  }

  /** Begins to look. */
  start(): void {
    this.#cancel = wakeAfter(this.#clock, LOOK_MS, () => void this.#lookAtAll());
  }

  /** Looks no more. */
  stop(): void {
    this.#isOver = true;
    this.#cancel();
  }

  async #lookAtAll(): Promise<void> {
    const versions = await this.#versions(this.paths);
    if (this.#isOver) return;
    const now = new Map([...versions].map(([path, version]) => [path, version?.id ?? null]));
    this.#same = areEqual(now, this.#last) ? this.#same + 1 : 0;
    this.#last = now;
    // Others may be watched by now.
    const differ = [...this.#known].filter(([path, id]) => now.has(path) && now.get(path) !== id);
    const isMissing = differ.some(([path]) => now.get(path) === null);
    if (differ.length > 0 && this.#same >= (isMissing ? MISSING_LOOKS : 1)) {
      for (const [path] of differ) this.#known.set(path, now.get(path)!);
      this.#changed();
    }
    this.start();
  }

  async #versions(paths: readonly string[]): Promise<Map<string, FileVersion | null>> {
    const versions = await Promise.all(paths.map((path) => this.#look(path)));
    return new Map(paths.map((path, i) => [path, versions[i]]));
  }
}

function areEqual(
  a: ReadonlyMap<string, string | null>,
  b: ReadonlyMap<string, string | null>,
): boolean {
  return a.size === b.size && [...a].every(([path, id]) => b.get(path) === id);
}

/** Looks at a file of this machine. One that cannot be read counts as missing. */
async function versionOf(path: string): Promise<FileVersion | null> {
  try {
    const { dev, ino, size, mtime, isFile } = await Deno.stat(path);
    const writtenAt = mtime?.getTime() ?? 0;
    return isFile ? { id: [dev, ino, size, writtenAt].join(), writtenAt } : null;
  } catch (error) {
    if (!isSystemError(error)) throw error;
    return null;
  }
}
