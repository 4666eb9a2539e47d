/**
 * What the process and the thread that writes the files tell each other.
 *
 * @module
 */
import type { StepId } from "../../core/ids.ts";
import type { BlockBatch, CachePoint } from "./cache_file.ts";
import type { ExpectedCache } from "./expected.ts";

/** What the thread is asked. Requests of a file are done one after the other. */
export type CacheRequest =
  | { kind: "open"; path: string; expected: ExpectedCache; now: number }
  | {
    kind: "changes";
    step: StepId;
    keys: readonly string[];
    states: Uint8Array<ArrayBuffer>;
    lengths: Int32Array<ArrayBuffer>;
  }
  | { kind: "commit"; point: CachePoint }
  | { kind: "read"; from: number }
  | { kind: "close"; remove: boolean };

/** The answer to a request, by its kind. */
export interface CacheAnswers {
  readonly open: { readonly point: CachePoint | null; readonly refused: string | null };
  readonly changes: null;
  readonly commit: null;
  readonly read: BlockBatch | null;
  readonly close: null;
}

/** A request, with its number and that of its file. */
export interface NumberedRequest {
  readonly id: number;
  readonly file: number;
  readonly request: CacheRequest;
}

/** What the thread answers. */
export type CacheReply =
  | { id: number; value: CacheAnswers[CacheRequest["kind"]] }
  /** `failure` is a text for people. */
  | { id: number; failure: string; isDamage: boolean }
  /** A sign that it is at work; sent now and then during a long request. */
  | { alive: true };
