/**
 * What has to happen when an app gets another layout: its flow is cut in another way than before.
 *
 * Nothing runs meanwhile. Positions of tasks without a changelog go where their inputs are now. All
 * other tasks find theirs in their changelogs. What would be lost is refused, by name.
 *
 * @module
 */
import type { StepId } from "../core/ids.ts";
import { partsOf, type TaskId, taskId } from "../core/task_id.ts";
import type { StoredPosition } from "../recovery/store.ts";
import { SHUFFLE_STEP } from "./log.ts";
import {
  changelogTopic,
  type GroupExchange,
  type GroupTopology,
  shuffleTopic,
  type SubTopology,
} from "./topology.ts";

/** An app cannot have the layout. The message has a line for each reason, with its cure. */
export class LayoutChangeError extends Error {
  override readonly name = "LayoutChangeError";
}

/** What an app had before, as far as it is not in changelogs. */
export interface LayoutBefore {
  readonly topology: GroupTopology;
  /** The positions of each task without a changelog. */
  readonly positions: ReadonlyMap<TaskId, readonly StoredPosition[]>;
  /** What the change before this one has moved to tasks with a changelog. */
  readonly moved: ReadonlyMap<TaskId, readonly StoredPosition[]>;
  /** The numbers of exchanges with items that no task has read. */
  readonly unread: ReadonlySet<number>;
  /** Topics that the new layout has in addition, and that have records already. */
  readonly leftover: readonly string[];
}

/** What to do, and what follows. */
export interface LayoutChange {
  /** Where tasks begin that have nothing of their own yet. */
  readonly moved: ReadonlyMap<TaskId, readonly StoredPosition[]>;
  /** Topics that the new layout has no use for. */
  readonly retired: readonly string[];
}

/**
 * Returns how two layouts differ, in words.
 *
 * @example
 * ```ts ignore
 * differencesOf(before, after); // ['step "totals" is new', 'input "orders" is gone']
 * ```
 */
export function differencesOf(before: GroupTopology, after: GroupTopology): string[] {
  const texts: string[] = [];
  const compare = <T>(
    what: string,
    old: ReadonlyMap<StepId, T>,
    now: ReadonlyMap<StepId, T>,
    change: (old: T, now: T) => string | null,
  ) => {
    for (const [step, value] of old) {
      const other = now.get(step);
      if (other === undefined) texts.push(`${what} "${step}" is gone`);
      else {
        const text = change(value, other);
        if (text !== null) texts.push(`${what} "${step}" ${text}`);
      }
    }
    for (const step of now.keys()) if (!old.has(step)) texts.push(`${what} "${step}" is new`);
  };
  if (before.shards !== after.shards) {
    texts.push(`it has ${after.shards} shards instead of ${before.shards}`);
  }
  compare("input", inputsOf(before), inputsOf(after), (old, now) => topicsText(old, now));
  compare(
    "step",
    statefulOf(before),
    statefulOf(after),
    (old, now) =>
      old.name === now.name ? null : `is in part "${now.name}" instead of "${old.name}"`,
  );
  compare("exchange", exchangesOf(before), exchangesOf(after), exchangeText);
  const [first] = texts;
  return first === undefined ? ["its parts are in another order"] : texts;
}

function topicsText(old: SubTopology, now: SubTopology): string | null {
  if (old.sourceTopics.join() !== now.sourceTopics.join()) {
    return `reads ${now.sourceTopics.join(", ")} instead of ${old.sourceTopics.join(", ")}`;
  }
  return old.name === now.name ? null : `is in part "${now.name}" instead of "${old.name}"`;
}

function exchangeText(
  old: readonly GroupExchange[],
  now: readonly GroupExchange[],
): string | null {
  const text = (exchanges: readonly GroupExchange[]) =>
    exchanges.map(({ from, to, route, isCombined }) =>
      `from "${from}" to "${to}" by ${route}${isCombined ? ", combined" : ""}`
    ).join(" and ");
  return text(old) === text(now) ? null : `goes ${text(now)} instead of ${text(old)}`;
}

function inputsOf({ subtopologies }: GroupTopology): Map<StepId, SubTopology> {
  return new Map(subtopologies.flatMap((each) => each.inputs.map((step) => [step, each])));
}

function statefulOf({ subtopologies }: GroupTopology): Map<StepId, SubTopology> {
  return new Map(subtopologies.flatMap((each) => each.stateful.map((step) => [step, each])));
}

function exchangesOf({ exchanges }: GroupTopology): Map<StepId, GroupExchange[]> {
  return Map.groupBy(exchanges, ({ step }) => step);
}

/** The steps that have something stored: inputs and stateful steps. */
export function storedSteps(topology: GroupTopology): Set<StepId> {
  return new Set([...inputsOf(topology).keys(), ...statefulOf(topology).keys()]);
}

/**
 * Plans the change of an app to another layout.
 *
 * @param drops Steps that were taken out of the flow: what is stored of them may be lost.
 * @throws {LayoutChangeError} If anything else would be lost, or read twice.
 */
export function planChange(
  app: string,
  before: LayoutBefore,
  after: GroupTopology,
  drops: ReadonlySet<StepId>,
): LayoutChange {
  const old = before.topology;
  const problems = [
    ...exchangeProblems(app, before, after, drops),
    ...stateProblems(app, old, after, drops),
    ...inputProblems(old, after, drops),
    ...before.leftover.map((topic) =>
      `topic "${topic}" has records of an earlier layout, which this one would read: delete it`
    ),
  ];
  if (problems.length > 0) throw new LayoutChangeError(problems.join("\n"));
  const now = topicsOf(app, after);
  const retired = [...topicsOf(app, old)].filter((topic) => !now.has(topic));
  return { moved: movedPositions(before, after), retired };
}

/** The shuffle topics and changelogs of a layout. */
export function topicsOf(app: string, { subtopologies }: GroupTopology): Set<string> {
  return new Set(subtopologies.flatMap(({ name, hasShuffle, hasState }) => [
    ...hasShuffle ? [shuffleTopic(app, name)] : [],
    ...hasState ? [changelogTopic(app, name)] : [],
  ]));
}

/** The numbers of exchanges whose items nobody would read in the new layout. */
export function goneExchanges(before: GroupTopology, after: GroupTopology): Set<number> {
  const now = new Map(after.exchanges.map((each) => [each.number, each]));
  const gone = before.exchanges.filter((exchange) => !isSame(exchange, now.get(exchange.number)));
  return new Set(gone.map(({ number }) => number));
}

/** Whether the items of two exchanges are the same, wherever they come from. */
function isSame(
  { step, route, isCombined, to }: GroupExchange,
  other: GroupExchange | undefined,
): boolean {
  return other !== undefined && other.step === step && other.route === route &&
    other.isCombined === isCombined && other.to === to;
}

function* exchangeProblems(
  app: string,
  { topology, unread }: LayoutBefore,
  after: GroupTopology,
  drops: ReadonlySet<StepId>,
): Generator<string> {
  const now = new Map(after.exchanges.map((each) => [each.number, each]));
  const gone = goneExchanges(topology, after);
  for (const { number, step, to } of topology.exchanges) {
    if (!gone.has(number)) continue;
    const other = now.get(number);
    if (other !== undefined) {
      yield `step "${other.step}" would get what was sent to "${step}", as both have the number ` +
        `${number} in topics: give it another id`;
    }
    if (!unread.has(number) || drops.has(step)) continue;
    yield `exchange "${step}" has items in topic "${
      shuffleTopic(app, to)
    }" that no task has read, ` +
      "and this flow would not read them: start the flow as it was, stop what writes to its inputs, " +
      "stop all machines once no task has a lag, and then start this flow";
  }
}

function* stateProblems(
  app: string,
  before: GroupTopology,
  after: GroupTopology,
  drops: ReadonlySet<StepId>,
): Generator<string> {
  const now = statefulOf(after);
  for (const [step, { name }] of statefulOf(before)) {
    const part = now.get(step);
    if (part === undefined) {
      if (!drops.has(step)) yield dropText("step", step);
    } else if (part.name !== name) {
      yield `step "${step}" has its state in topic "${
        changelogTopic(app, name)
      }", and this flow has ` +
        `it in "${
          changelogTopic(app, part.name)
        }", as parts are named after their first step: keep ` +
        "that step, or give this flow another group";
    }
  }
  for (const step of drops) if (storedSteps(after).has(step)) yield keptText(step);
}

/** The cure for a step that is gone. */
export function dropText(kind: "step" | "input", step: StepId): string {
  const what = kind === "step" ? "its state, and items on their way to it" : "its positions";
  return `${kind} "${step}" is not in this flow: give it its id back, or start with ` +
    `--drop-step ${step}, which drops ${what}`;
}

/** A step that is to be dropped, and is there. */
export function keptText(step: StepId): string {
  return `step "${step}" cannot be dropped, as the flow has it: for a step without its state, give ` +
    "it another id";
}

function* inputProblems(
  before: GroupTopology,
  after: GroupTopology,
  drops: ReadonlySet<StepId>,
): Generator<string> {
  const partsBefore = new Map(before.subtopologies.map((each) => [each.name, each]));
  const now = inputsOf(after);
  for (const [input, part] of inputsOf(before)) {
    const next = now.get(input);
    if (next === undefined) {
      if (!drops.has(input)) yield dropText("input", input);
      continue;
    }
    const there = partsBefore.get(next.name);
    const isKept = part.hasState && next.name === part.name && next.hasState;
    const isMovable = !part.hasState && !(next.hasState && there?.hasState === true);
    if (isKept || isMovable) continue;
    yield `input "${input}" moves from part "${part.name}" to "${next.name}", and its positions are ` +
      "stored with the state of one of them: leave it where it was, or give this flow another group";
  }
}

/**
 * Positions follow their inputs. All else of a task goes with its name, or with its first input.
 * What was moved before may still be all that a task has.
 */
function movedPositions(
  { topology, positions, moved: before }: LayoutBefore,
  after: GroupTopology,
): Map<TaskId, StoredPosition[]> {
  const byName = new Map(after.subtopologies.map((each) => [each.name, each]));
  const inputs = inputsOf(after);
  const moved = new Map<TaskId, StoredPosition[]>();
  for (const part of topology.subtopologies) {
    if (part.hasState) {
      for (const [task, stored] of before) {
        if (partsOf(task).subtopology === part.name && byName.has(part.name)) {
          moved.set(task, [...stored]);
        }
      }
      continue;
    }
    const same = byName.get(part.name) ?? inputs.get(part.inputs[0]);
    for (const [task, stored] of positions) {
      const { subtopology, partition } = partsOf(task);
      if (subtopology !== part.name) continue;
      for (const position of stored) {
        const isInput = position.role === "input" && position.step !== SHUFFLE_STEP;
        const isGone = position.step === SHUFFLE_STEP && same?.name !== part.name;
        const to = isInput ? inputs.get(position.step) : isGone ? undefined : same;
        if (to === undefined) continue; // dropped, or read to its end
        const there = taskId(to.name, partition);
        const rows = moved.get(there);
        if (rows === undefined) moved.set(there, [position]);
        else rows.push(position);
      }
    }
  }
  return moved;
}
