/** Compressed records would become larger than they may. */
export class LimitError extends Error {
  override readonly name = "LimitError";

  constructor(codec: string, maxBytes: number) {
    super(`records compressed with ${codec} are larger than ${maxBytes} bytes, the limit`);
  }
}
