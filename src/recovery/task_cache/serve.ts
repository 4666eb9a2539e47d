/**
 * Serves the files of tasks, in a thread of its own.
 *
 * @module
 */
import { TimeSlice } from "../../core/event_loop.ts";
import { systemReason } from "../../core/system_error.ts";
import { isDamage, sqliteReason } from "../sqlite/errors.ts";
import { RecoveryError } from "../store.ts";
import { CacheFile } from "./cache_file.ts";
import type { CacheAnswers, CacheReply, CacheRequest, NumberedRequest } from "./messages.ts";

/** The end of a channel to the process. */
export interface ThreadPort {
  postMessage(message: CacheReply, transfer: Transferable[]): void;
  onmessage: ((event: MessageEvent<NumberedRequest>) => void) | null;
}

/**
 * Changes that wait in memory, of all files. The more wait, the fewer blocks are written, since a
 * block then gets several of them at once.
 */
const PENDING_BYTES = 64 << 20;

/** How often a long request shows that it is at work, in milliseconds. */
const ALIVE_EVERY_MS = 500;

/** A file, and what it does at present. */
interface Served {
  file: CacheFile | null;
  busy: Promise<unknown>;
}

/** For tests. */
export interface ServeOptions {
  /** Waited for after each block, as if the disk were slow. */
  readonly gate?: () => Promise<void>;
}

/**
 * Serves requests from a port.
 *
 * @returns A function that returns about how many bytes of changes wait in memory.
 */
export function serve(port: ThreadPort, { gate }: ServeOptions = {}): () => number {
  const all = new Map<number, Served>();
  let told = performance.now();

  /** Lets requests of other files be served in between. */
  function pausing(): () => Promise<void> | undefined {
    const slice = new TimeSlice();
    return () => {
      if (gate !== undefined) return gate();
      if (!slice.isOver) return undefined;
      const now = performance.now();
      if (now - told > ALIVE_EVERY_MS) {
        told = now;
        port.postMessage({ alive: true }, []);
      }
      return slice.renew();
    };
  }

  async function answer(
    served: Served,
    request: CacheRequest,
  ): Promise<CacheAnswers[keyof CacheAnswers]> {
    if (request.kind === "open") {
      const { file, refused } = CacheFile.open(request.path, request.expected, request.now);
      served.file = file;
      return { point: file.point(), refused };
    }
    const file = served.file;
    if (file === null) throw new RecoveryError("it is not open");
    switch (request.kind) {
      case "changes":
        file.accept(request.step, request.keys, request.states, request.lengths);
        if (pendingBytes() > PENDING_BYTES) await file.write(pausing());
        return null;
      case "commit":
        await file.commit(request.point, pausing());
        return null;
      case "read":
        return file.read(request.from);
      case "close":
        served.file = null;
        file.close(request.remove);
        return null;
    }
  }

  function pendingBytes(): number {
    let bytes = 0;
    for (const { file } of all.values()) bytes += file?.pendingBytes ?? 0;
    return bytes;
  }

  port.onmessage = ({ data: { id, file, request } }) => {
    let served = all.get(file);
    if (served === undefined) all.set(file, served = { file: null, busy: Promise.resolve() });
    const own = served;
    own.busy = own.busy.then(async () => {
      try {
        const value = await answer(own, request);
        const states = value !== null && "states" in value ? [value.states.buffer] : [];
        port.postMessage({ id, value }, states as Transferable[]);
      } catch (error) {
        port.postMessage({ id, failure: reasonOf(error), isDamage: isDamage(error) }, []);
      }
      if (own.file === null) all.delete(file);
    });
  };
  return pendingBytes;
}

function reasonOf(error: unknown): string {
  if (isDamage(error)) return `it is damaged (${(error as Error).message})`;
  if (error instanceof RecoveryError) return error.message;
  return sqliteReason(error) ?? systemReason(error);
}
