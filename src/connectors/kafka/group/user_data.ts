/**
 * What members of a classic group tell each other, in the user data of subscriptions and
 * assignments: JSON with a version.
 *
 * @module
 */
import { Buffer } from "node:buffer";
import type { TaskId, Tasks } from "../../../core/task_id.ts";
import type { GroupMember } from "./shares.ts";
import { fromWire, toWire } from "./tasks.ts";

/** The version that we write. A member that meets another refuses it. */
const VERSION = 1;

/** What a member tells the leader. Members of before do not tell all of it. */
export interface Claim extends Omit<GroupMember, "id"> {
  /** Differs if the member wants the group to rebalance: a broker ignores a claim like the last. */
  readonly round: number;
  /** How many standbys it wants each task to have; `null` if others are to say. */
  readonly standbysWanted?: number | null;
  /** Whether all members of the group are to end. */
  readonly shutsDown?: boolean;
}

/** What the leader tells a member. A leader of before does not tell all of it. */
export interface Grant {
  /** What it may own. */
  readonly tasks: Tasks;
  /** What it is to own later. */
  readonly awaits?: Tasks;
  /** Of these: what it is to get ready for. */
  readonly warmUps?: Tasks;
  /** Of which tasks it is to keep copies. */
  readonly standbys?: Tasks;
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
export function encodeClaim(
  { owned, onDisk, awaits, ready, standbys, ...rest }: Claim,
): Uint8Array {
  return encode({
    owned: toWire(owned),
    onDisk: [...onDisk],
    ...someToWire({ awaits, ready, standbys }),
    ...rest,
  });
}

/**
 * Reads what a member tells the leader.
 *
 * @throws {Error} If it is of another version, or of another program.
 */
export function decodeClaim(bytes: Uint8Array): Claim {
  const data = decode(bytes);
  const { onDisk, round, processId, keepsCopies, standbysWanted, shutsDown } = data;
  return {
    owned: fromWire(data.owned as Wire),
    onDisk: new Map(onDisk as [TaskId, number][]),
    round: round as number,
    ...someFromWire(data, ["awaits", "ready", "standbys"]),
    ...typeof processId === "string" ? { processId } : {},
    ...keepsCopies === true ? { keepsCopies } : {},
    ...typeof standbysWanted === "number" ? { standbysWanted } : {},
    ...shutsDown === true ? { shutsDown } : {},
  };
}

/** The user data of an assignment. */
export function encodeGrant({ tasks, awaits, warmUps, standbys, ...rest }: Grant): Uint8Array {
  return encode({ tasks: toWire(tasks), ...someToWire({ awaits, warmUps, standbys }), ...rest });
}

/**
 * Reads what the leader tells a member.
 *
 * @throws {Error} If it is of another version, or of another program.
 */
export function decodeGrant(bytes: Uint8Array): Grant {
  const data = decode(bytes);
  const { owes, leads, status, isShutDown } = data;
  return {
    tasks: fromWire(data.tasks as Wire),
    ...someFromWire(data, ["awaits", "warmUps", "standbys"]),
    owes: owes === true,
    leads: leads === true,
    status: status as string | null,
    ...isShutDown === true ? { isShutDown } : {},
  };
}

type Wire = ReturnType<typeof toWire>;

/** Lists of tasks, without those that are empty. */
function someToWire(lists: Readonly<Record<string, Tasks | undefined>>): Record<string, Wire> {
  const some = Object.entries(lists).filter(([, tasks]) => (tasks?.size ?? 0) > 0);
  return Object.fromEntries(some.map(([name, tasks]) => [name, toWire(tasks!)]));
}

function someFromWire<N extends string>(
  data: Record<string, unknown>,
  names: readonly N[],
): Partial<Record<N, Tasks>> {
  const some = names.filter((name) => data[name] !== undefined);
  return Object.fromEntries(some.map((name) => [name, fromWire(data[name] as Wire)])) as Partial<
    Record<N, Tasks>
  >;
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
