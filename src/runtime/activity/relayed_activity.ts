import type { Activity } from "./activity.ts";

/**
 * What a step is told of its channels, and what it has told those downstream. The step looks at
 * {@linkcode RelayedActivity.owesIdle} when it has found nothing to do. No message comes at that
 * moment: what follows a barrier is known only once it is taken.
 */
export class RelayedActivity {
  /** By channel, whether it delivers nothing more, apart from what waits in it. */
  readonly #isIdle: boolean[];
  #hasTold = false;

  /** All channels are active at first. */
  constructor(channels = 1) {
    this.#isIdle = new Array(channels).fill(false);
  }

  /** Whether all channels are idle. */
  get isIdle(): boolean {
    return this.#isIdle.every((idle) => idle);
  }

  /** A batch has come. */
  onBatch(channel = 0): void {
    this.#isIdle[channel] = this.#hasTold = false;
  }

  /** A message of activity has come on a channel. Returns what to pass on at once. */
  onActivity(message: Activity, channel = 0): Activity | null {
    this.#isIdle[channel] = message.kind === "idle";
    if (message.kind === "idle") return null;
    this.#hasTold = false;
    return message;
  }

  /** A channel has ended. */
  onEnd(channel: number): void {
    this.#isIdle[channel] = true;
  }

  /** The step has something of its own to do or to send, so it is not idle. */
  onWork(): void {
    this.#hasTold = false;
  }

  /** Whether the step is to say `idle`, if it has nothing to do itself. */
  get owesIdle(): boolean {
    return !this.#hasTold && this.isIdle;
  }

  /** The step says `idle`. Returns the message. */
  tellIdle(): Activity {
    this.#hasTold = true;
    return { kind: "idle" };
  }
}
