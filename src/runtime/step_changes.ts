/**
 * Which step of a flow gets which stored state. It is that of its name, unless the user says that
 * steps have been renamed or taken out.
 *
 * A command is typed again after a crash, and a service starts with the same options each time. So
 * the commit that renames or drops a step also notes it in the store. It is not done a second time.
 * The note stays for as long as the option is given.
 *
 * @module
 */
import type { StepId } from "../core/ids.ts";
import type { StateKind } from "../graph/nodes.ts";
import { preview } from "../core/preview.ts";
import { decodeValue, encodeValue } from "../core/value_codec.ts";
import { unfinishedOf } from "../recovery/from_scratch.ts";
import { RecoveryError, type StoredPosition, type StoredStep } from "../recovery/store.ts";

/** Which stored steps have been renamed or removed. */
export interface StepChangeOptions {
  /**
   * Steps of the recovery store that have another id now: the stored id, and the new one. Keyed
   * state and the positions of inputs and outputs move to the step with the new id.
   *
   * @default {none}
   */
  readonly renameSteps?: Readonly<Record<string, string>>;
  /**
   * Steps of the recovery store that the flow no longer has. Everything that is stored of them is
   * dropped for good.
   *
   * @default {none}
   */
  readonly dropSteps?: readonly string[];
}

/** {@linkcode StepChangeOptions}, checked. */
export interface StepChanges {
  /** The new id by the stored one. */
  readonly renames: ReadonlyMap<StepId, StepId>;
  readonly drops: ReadonlySet<StepId>;
}

/** The steps of a flow that may have something stored. */
export interface FlowSteps {
  /** Those with keyed state. */
  readonly keyed: readonly StepId[];
  /** What the state of those is that keep something of ours. */
  readonly kinds?: Readonly<Record<StepId, StateKind>>;
  readonly inputs: readonly StepId[];
  readonly outputs: readonly StepId[];
}

/** What is stored, of all steps. */
export interface StoredSteps {
  readonly keyed: readonly StoredStep[];
  readonly positions: readonly StoredPosition[];
}

/** What a run does with what is stored. */
export interface StepMatch {
  /** The stored id by the new one, of the steps to be renamed now. */
  readonly renamed: ReadonlyMap<StepId, StepId>;
  /** The steps to be dropped now. */
  readonly dropped: ReadonlySet<StepId>;
  /** Notes of all that has been renamed and dropped, now or before, and of what states are. */
  readonly notes: readonly StoredPosition[];
  /** What the user may want to know. */
  readonly warnings: readonly string[];
}

/** The flow and what is stored do not fit: another attempt would not help. */
export class StepMatchError extends RecoveryError {}

type Kind = "stateful step" | "input" | "output";

const KINDS: Readonly<Record<StoredPosition["role"], Kind | null>> = {
  input: "input",
  output: "output",
  time: "stateful step",
  gone: null,
  kind: null,
};

/**
 * Checks the options by themselves.
 *
 * @throws {TypeError} If they are not as they have to be, or say two things about one step.
 */
export function stepChangesOf(
  { renameSteps = {}, dropSteps = [] }: StepChangeOptions,
): StepChanges {
  if (typeof renameSteps !== "object" || renameSteps === null || Array.isArray(renameSteps)) {
    throw new TypeError(
      `renameSteps must be an object { old: "new" }; got ${preview(renameSteps)}`,
    );
  }
  if (!Array.isArray(dropSteps) || dropSteps.some((step) => typeof step !== "string")) {
    throw new TypeError(`dropSteps must be an array of step ids; got ${preview(dropSteps)}`);
  }
  const renames = new Map(Object.entries(renameSteps));
  const drops = new Set(dropSteps as readonly string[]);
  const taken = new Map<StepId, StepId>();
  for (const [from, to] of renames) {
    if (typeof to !== "string") {
      throw new TypeError(`renameSteps must have step ids as values; got ${preview(to)}`);
    }
    if (from === to) {
      throw new TypeError(`step "${from}" is renamed to its own name: leave that out`);
    }
    const other = taken.get(to);
    if (other !== undefined) {
      throw new TypeError(
        `steps "${other}" and "${from}" cannot both be renamed to "${to}": give each another name`,
      );
    }
    taken.set(to, from);
    if (drops.has(from)) {
      throw new TypeError(`step "${from}" is both renamed and dropped: do one of the two`);
    }
  }
  return { renames, drops };
}

/**
 * Finds the step of the flow for each that is stored.
 *
 * @param stored What the store has; `null` where nothing has ever been committed.
 * @throws {StepMatchError} If something is stored of a step that the flow does not have, or a
 * rename or a drop is not possible. The text has what is stored, and what to do.
 */
export function matchSteps(
  stored: StoredSteps | null,
  flow: FlowSteps,
  { renames, drops }: StepChanges,
): StepMatch {
  const there = kindsStored(stored);
  const inFlow = kindsOf(flow);
  const before = new Map(
    (stored?.positions ?? []).filter(({ role }) => role === "gone")
      .map(({ step, state }) => [step, decodeValue(state) as StepId | null]),
  );
  const warnings: string[] = [];
  const problems: string[] = [];
  const renamed = new Map<StepId, StepId>();
  const dropped = new Set<StepId>();
  for (const [from, to] of renames) {
    const what = `step "${from}" cannot be renamed to "${to}": `;
    if (before.get(from) === to) {
      warnings.push(`step "${from}" was renamed to "${to}" by an earlier run: the option can go`);
    } else if (stored === null) {
      problems.push(`${what}the recovery store is empty: is it the right one?`);
    } else if (!there.has(from)) {
      problems.push(`${what}nothing is stored of "${from}"`);
    } else if (!inFlow.has(to)) {
      problems.push(`${what}the flow has no stateful step, input or output "${to}"`);
    } else if (!there.get(from)!.has(inFlow.get(to)!)) {
      const [kind] = there.get(from)!;
      problems.push(
        `${what}it was ${withArticle(kind)} and is ${withArticle(inFlow.get(to)!)} now`,
      );
    } else renamed.set(to, from);
  }
  const moved = new Set(renamed.values()); // two steps may change their names
  for (const [to, from] of renamed) {
    const what = `step "${from}" cannot be renamed to "${to}": `;
    if (inFlow.has(from) && !renamed.has(from)) {
      problems.push(`${what}the flow still has a step "${from}"`);
    } else if (there.has(to) && !moved.has(to)) {
      problems.push(`${what}something is stored of "${to}" already`);
    }
  }
  for (const step of drops) {
    const what = `step "${step}" cannot be dropped: `;
    if (inFlow.has(step)) {
      problems.push(`${what}the flow has it (for a step without its state, give it another id)`);
    } else if (hasUnfinished(stored, step)) {
      problems.push(
        `${what}this output has written what is not visible yet, and only it can complete that. ` +
          "Run the flow as it was, until its inputs end or you stop it once; then drop the step",
      );
    } else if (there.has(step)) dropped.add(step);
    else if (before.has(step)) {
      warnings.push(`step "${step}" was dropped by an earlier run: the option can go`);
    } else warnings.push(`nothing is stored of step "${step}", so there is nothing to drop`);
  }
  if (problems.length > 0) throw new StepMatchError(problems.join("\n"));
  const left = [...there.keys()].filter((step) => !dropped.has(step) && !moved.has(step));
  refuseUnmatched(left, there, inFlow, new Set([...left, ...renamed.keys()]));
  const notes = [...notesOf(renames, drops), ...kindNotes(flow)];
  return { renamed, dropped, notes, warnings };
}

/** Whether an output has left work unfinished, which would be lost with its positions. */
function hasUnfinished(stored: StoredSteps | null, step: StepId): boolean {
  return unfinishedOf(stored?.positions ?? []).some((position) => position.step === step);
}

/** Refuses to leave anything behind that is stored. */
function refuseUnmatched(
  left: readonly StepId[],
  there: ReadonlyMap<StepId, ReadonlySet<Kind>>,
  inFlow: ReadonlyMap<StepId, Kind>,
  taken: ReadonlySet<StepId>,
): void {
  const lost = left.flatMap((step) =>
    [...there.get(step)!].filter((kind) => inFlow.get(step) !== kind).map((kind) => ({
      step,
      kind,
    }))
  );
  if (lost.length === 0) return;
  const kinds = new Set(lost.map(({ kind }) => kind));
  const fresh = [...inFlow].map(([step, kind]) => ({ step, kind }))
    .filter(({ step, kind }) => kinds.has(kind) && !taken.has(step));
  const { step: old } = lost[0];
  const next = fresh.find(({ kind }) => kind === lost[0].kind)?.step ?? "NEW";
  const known = fresh.length === 0 ? "" : `\nnothing is stored of ${listed(fresh)} of the flow`;
  throw new StepMatchError(
    `the recovery store has what the flow has no step for: ${listed(lost)}${known}\n` +
      `if a step was renamed: --rename-step ${old}=${next}, or from code renameSteps: ` +
      `${preview({ [old]: next })}, or once: cli.ts state rename-step PATH ${old} ${next}\n` +
      `if a step was taken out: --drop-step ${old} drops what is stored of it, or from code ` +
      `dropSteps: ${preview([old])}, or once: cli.ts state drop-step PATH ${old}`,
  );
}

function listed(steps: readonly { step: StepId; kind: Kind }[]): string {
  return steps.map(({ step, kind }) => `${kind} "${step}"`).join(", ");
}

function withArticle(kind: Kind): string {
  return kind === "stateful step" ? "a stateful step" : `an ${kind}`;
}

function kindsStored(stored: StoredSteps | null): Map<StepId, Set<Kind>> {
  const kinds = new Map<StepId, Set<Kind>>();
  const add = (step: StepId, kind: Kind) =>
    kinds.set(step, (kinds.get(step) ?? new Set<Kind>()).add(kind));
  for (const { step } of stored?.keyed ?? []) add(step, "stateful step");
  for (const { step, role } of stored?.positions ?? []) {
    const kind = KINDS[role];
    if (kind !== null) add(step, kind);
  }
  return kinds;
}

function kindsOf({ keyed, inputs, outputs }: FlowSteps): Map<StepId, Kind> {
  return new Map([
    ...keyed.map((step) => [step, "stateful step"] as const),
    ...inputs.map((step) => [step, "input"] as const),
    ...outputs.map((step) => [step, "output"] as const),
  ]);
}

/** Notes of what the state of each step is, for people who look into the store. */
function kindNotes({ kinds = {} }: FlowSteps): StoredPosition[] {
  return Object.entries(kinds).map(([step, kind]) => ({
    step,
    role: "kind",
    partition: "",
    state: encodeValue(kind),
  }));
}

/** What tells the next run that it need not do it again. */
function notesOf(
  renames: ReadonlyMap<StepId, StepId>,
  drops: ReadonlySet<StepId>,
): StoredPosition[] {
  const note = (step: StepId, to: StepId | null): StoredPosition => ({
    step,
    role: "gone",
    partition: "",
    state: encodeValue(to),
  });
  return [
    ...[...renames].map(([from, to]) => note(from, to)),
    ...[...drops].map((step) => note(step, null)),
  ];
}
