/**
 * Reads server-sent events. `EventSource` cannot send a token.
 *
 * @module
 */

/** A stream has been silent for too long. */
export class SilentError extends Error {}

/**
 * Returns the data of each event.
 *
 * @param silentMs How long nothing may come, comments included, in milliseconds.
 * @param signal Ends the iteration.
 * @throws {SilentError} If nothing has come for that long.
 */
export async function* eventData(
  body: ReadableStream<Uint8Array>,
  silentMs: number,
  signal?: AbortSignal,
): AsyncGenerator<string, void> {
  const reader = body.getReader();
  const cancel = () => void reader.cancel().catch(() => {}); // it may have failed already
  signal?.addEventListener("abort", cancel);
  const decoder = new TextDecoder();
  let rest = "";
  let data: string[] = [];
  try {
    for (;;) {
      const { value, done } = await inTime(reader.read(), silentMs);
      if (done) return;
      const lines = (rest + decoder.decode(value, { stream: true })).split("\n");
      rest = lines.pop()!;
      for (const each of lines) {
        const line = each.endsWith("\r") ? each.slice(0, -1) : each;
        if (line.startsWith("data:")) data.push(line.slice("data:".length).trimStart());
        else if (line === "" && data.length > 0) {
          yield data.join("\n");
          data = [];
        }
      }
    }
  } finally {
    signal?.removeEventListener("abort", cancel);
    cancel();
  }
}

async function inTime<T>(work: Promise<T>, ms: number): Promise<T> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new SilentError(`nothing came for ${ms} ms`)), ms);
  });
  try {
    return await Promise.race([work, late]);
  } finally {
    clearTimeout(timer);
  }
}
