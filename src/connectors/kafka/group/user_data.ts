/**
 * What members of a classic group tell each other, in the user data of subscriptions and
 * assignments: JSON with a version.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { Candidate } from "./assignor.ts";
import type { TaskId, Tasks } from "../../../core/task_id.ts";
import { fromWire, toWire } from "./tasks.ts";

/** The version that we write. A member that meets another refuses it. */
const VERSION = 1;

/** What a member tells the leader. */
export interface Claim extends Omit<Candidate, "id"> {
  /** Differs if the member wants the group to rebalance: a broker ignores a claim like the last. */
  readonly round: number;
  /** The id of its machine's state, for tools that show the group. */
  readonly processId?: string;
  /** Whether all members of the group are to end. */
  readonly shutsDown?: boolean;
}

/** What the leader tells a member. */
export interface Grant {
  /** What it may own. */
  readonly tasks: Tasks;
  /** Whether others wait for tasks of this member. */
  readonly owes: boolean;
  /** Whether this member is the leader. */
  readonly leads: boolean;
  /** Why tasks do not run; `null` if they do. */
  readonly status: string | null;
  /** Whether the member is to end, as another one wants it. */
  readonly isShutDown?: boolean;
}

/** The user data of a subscription. */
export function encodeClaim({ owned, onDisk, ...rest }: Claim): Uint8Array {
  return encode({ owned: toWire(owned), onDisk: [...onDisk], ...rest });
}

/**
 * Reads what a member tells the leader.
 *
 * @throws {Error} If it is of another version, or of another program.
 */
export function decodeClaim(bytes: Uint8Array): Claim {
  const { owned, onDisk, round, processId, shutsDown } = decode(bytes);
  return {
    owned: fromWire(owned as ReturnType<typeof toWire>),
    onDisk: new Map(onDisk as [TaskId, number][]),
    round: round as number,
    ...typeof processId === "string" ? { processId } : {},
    ...shutsDown === true ? { shutsDown } : {},
  };
}

/** The user data of an assignment. */
export function encodeGrant({ tasks, ...rest }: Grant): Uint8Array {
  return encode({ tasks: toWire(tasks), ...rest });
}

/**
 * Reads what the leader tells a member.
 *
 * @throws {Error} If it is of another version, or of another program.
 */
export function decodeGrant(bytes: Uint8Array): Grant {
  const { tasks, owes, leads, status, isShutDown } = decode(bytes);
  return {
    tasks: fromWire(tasks as ReturnType<typeof toWire>),
    owes: owes === true,
    leads: leads === true,
    status: status as string | null,
    ...isShutDown === true ? { isShutDown } : {},
  };
}

function encode(data: object): Uint8Array {
  return Buffer.from(JSON.stringify({ version: VERSION, ...data }));
}

function decode(bytes: Uint8Array): Record<string, unknown> {
  const text = Buffer.from(bytes).toString("utf8");
  let data: { version?: unknown } | null = null;
  try {
    data = JSON.parse(text);
  } catch {
    // below: an error that says what to do
  }
  if (data?.version === VERSION) return data as Record<string, unknown>;
  throw new Error(
    `a member of the group runs another version of Millrace, or another program: ` +
      "choose another group, or stop that member",
  );
}
