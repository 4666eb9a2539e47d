import type { CacheReply, NumberedRequest } from "../../../src/recovery/task_cache/messages.ts";
import type { ExpectedCache } from "../../../src/recovery/task_cache/expected.ts";
import type { ThreadHandle } from "../../../src/recovery/task_cache/cache_thread.ts";
import { startThread } from "../../../src/recovery/task_cache/cache_thread.ts";
import {
  serve,
  type ServeOptions,
  type ThreadPort,
} from "../../../src/recovery/task_cache/serve.ts";
import type { TaskCaches } from "../../../src/recovery/task_cache/task_caches.ts";
import type { TaskCache } from "../../../src/recovery/task_cache/task_cache.ts";

/** What the files of these tests must fit to. */
export const EXPECTED: ExpectedCache = {
  app: "orders",
  task: "keyed_3",
  topic: "topic-1",
  start: 0n,
  end: 1_000_000n,
  deleteRetentionMs: 86_400_000,
};

/** Returns the keys of a file with their states, by step. */
export async function keysOf(cache: TaskCache): Promise<Map<string, Map<string, Uint8Array>>> {
  const found = new Map<string, Map<string, Uint8Array>>();
  for await (const { step, keys } of cache.keys()) {
    const ofStep = found.get(step) ?? new Map<string, Uint8Array>();
    found.set(step, ofStep);
    for (const { key, state } of keys) {
      if (ofStep.has(key)) throw new Error(`key ${key} comes twice`);
      ofStep.set(key, state);
    }
  }
  return found;
}

/** A thread whose requests are noted. */
export interface WatchedThread {
  readonly kinds: string[];
  start(): ThreadHandle;
}

/** Starts a real thread, and notes the kinds of its requests. */
export function watchedThread(): WatchedThread {
  const kinds: string[] = [];
  return {
    kinds,
    start: () => {
      const thread = startThread();
      const post = thread.postMessage.bind(thread);
      thread.postMessage = (message: NumberedRequest, transfer: Transferable[]) => {
        kinds.push(message.request.kind);
        post(message, transfer);
      };
      return thread;
    },
  };
}

/** Serves in this thread. `onPost` gets the bytes that are on their way, and those that wait. */
export function localThread(
  options: ServeOptions,
  onPost: (inFlight: number, pending: number) => void = () => {},
): () => ThreadHandle {
  return () => {
    const { port1, port2 } = new MessageChannel();
    const pending = serve(port2 as unknown as ThreadPort, options);
    const sent = new Map<number, number>();
    let inFlight = 0;
    const handle: ThreadHandle = {
      onmessage: null,
      postMessage(message, transfer) {
        const { request } = message;
        const bytes = request.kind === "changes" ? request.states.length : 0;
        sent.set(message.id, bytes);
        inFlight += bytes;
        onPost(inFlight, pending());
        port1.postMessage(message, transfer);
      },
      terminate() {
        port1.close();
        port2.close();
      },
    };
    port1.onmessage = (event: MessageEvent<CacheReply>) => {
      if ("id" in event.data) inFlight -= sent.get(event.data.id) ?? 0;
      handle.onmessage?.(event);
    };
    return handle;
  };
}

/** Closes all files at the end of a test. */
export function closing(caches: TaskCaches): TaskCaches & AsyncDisposable {
  return Object.assign(caches, { [Symbol.asyncDispose]: () => caches.close() });
}
