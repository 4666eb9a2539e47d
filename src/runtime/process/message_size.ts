/**
 * Why a message is too large to be sent.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import { preview } from "../../core/preview.ts";
import type { StateChunk, StoredPosition } from "../../recovery/store.ts";
import type { FromDescriber, FromTaskWorker, ToDescriber, ToTaskWorker } from "./group/messages.ts";
import type { ToCoordinator, ToWorker } from "./protocol.ts";

/** What travels between the processes of a machine. */
export type ControlMessage =
  | ToWorker
  | ToCoordinator
  | ToTaskWorker
  | FromTaskWorker
  | ToDescriber
  | FromDescriber;

/**
 * The error of a message of `bytes` where no more than `longest` may be sent: it names the step.
 */
export function messageTooLarge(
  message: ControlMessage,
  bytes: number,
  longest: number,
): RangeError {
  const { what, cure } = culpritOf(message);
  const [takes, most] = [Math.ceil(bytes / 2 ** 20), Math.floor(longest / 2 ** 20)];
  return new RangeError(
    `${what} takes ${takes} MiB, and no more than ${most} MiB can be sent between the ` +
      `coordinator and a worker: ${cure}`,
  );
}

interface Culprit {
  readonly what: string;
  readonly cure: string;
}

function culpritOf(message: ControlMessage): Culprit {
  if (message.kind === "state") {
    const keys = message.keys.map(({ key, state }) => ({ key, length: state.length }));
    const { what, cure } = largestKey(message.step, keys);
    return { what, cure: `resume the flow in one process, with run(), and ${cure}` };
  }
  if (message.kind === "stateChanged") return largestKey(message.chunk.step, keysOf(message.chunk));
  if ("positions" in message && message.positions.length > 0) {
    return largestPosition(message.positions);
  }
  return { what: `the message "${message.kind}"`, cure: "this is a fault of the engine" };
}

/** A key, where it is known, and how many bytes its state has. */
interface KeySize {
  readonly key: string | null;
  readonly length: number;
}

function keysOf({ keys, lengths }: StateChunk): KeySize[] {
  return Array.from(lengths, (length, i) => ({
    key: keys === null ? null : keys[i],
    length: Math.max(length, 0), // it is negative where the key has been forgotten
  }));
}

function largestKey(step: string, keys: readonly KeySize[]): Culprit {
  const sizes = keys.map(({ key, length }) => {
    const keyBytes = key === null ? 0 : Buffer.byteLength(key);
    return { key, length, keyBytes, bytes: keyBytes + length };
  });
  const { key, length, keyBytes } = sizes.reduce((a, b) => b.bytes > a.bytes ? b : a);
  const which = key === null ? "a key" : `the key ${preview(key)}`;
  return {
    what: `step "${step}": ${which} with its state`,
    cure: keyBytes > length ? "give items shorter keys" : "have the step keep less in one key",
  };
}

function largestPosition(positions: readonly StoredPosition[]): Culprit {
  const { step, partition } = positions.reduce((a, b) => b.state.length > a.state.length ? b : a);
  const largest = `that of partition ${preview(partition)} of step "${step}" is the largest`;
  return {
    what: `all positions together, of which ${largest},`,
    cure: "have the input yield smaller states",
  };
}
