/** What is known of an app, in memory, with machines that take turns in any order. */
import type { Control, GroupSettings } from "../../../src/connectors/kafka_tasks/control_topic.ts";
import type { AppStore, AppWriter } from "../../../src/connectors/kafka_tasks/enter_app.ts";
import type { TaskId } from "../../../src/core/task_id.ts";
import type { LayoutBefore } from "../../../src/group/layout_change.ts";
import { groupIdOf, type GroupTopology } from "../../../src/group/topology.ts";
import type { StoredPosition } from "../../../src/recovery/store.ts";
import { part } from "./part.ts";

/** The steps that get items, by the number of their exchange. */
const NUMBERS = ["sum", "count", "total", "first", "spread"];

/** An input that sends by key to steps with state, each a part of its own. */
export function layout(
  hash: string,
  { inputs = ["in"], keyed = ["sum"], shards = 4 }: {
    readonly inputs?: readonly string[];
    readonly keyed?: readonly string[];
    readonly shards?: number;
  } = {},
): GroupTopology {
  return {
    hash,
    shards,
    subtopologies: [
      ...inputs.map((step) => part(step, { sourceTopics: [`${step}-topic`], inputs: [step] })),
      ...keyed.map((step) => part(step, { hasShuffle: true, hasState: true, stateful: [step] })),
    ],
    exchanges: keyed.map((step) => ({
      number: NUMBERS.indexOf(step),
      step,
      route: "key",
      isCombined: false,
      from: inputs[0],
      to: step,
    })),
  };
}

/** An app. What its tasks have done is set by the test. */
export class MemoryApp implements AppStore {
  readonly app = "orders";
  control: Control = { group: null, hasBegun: false, begunTasks: new Set(), moved: new Map() };
  /** How many members each group has. */
  readonly memberCounts = new Map<string, number>();
  /** What `before` returns besides the topology. */
  found: Partial<LayoutBefore> = {};
  /** Called before each answer. A machine that is killed never gets one. */
  turn: () => Promise<void> = () => Promise.resolve();
  /** Called when another generation begins. */
  begun: (group: GroupSettings) => void = () => {};
  #writer = 0; // who has opened it last

  sessionMs(): Promise<number | null> {
    return Promise.resolve(7_000);
  }

  async read(): Promise<Control> {
    await this.turn();
    const { group, hasBegun, begunTasks, moved } = this.control;
    return { group: group === null ? null : structuredClone(group), hasBegun, begunTasks, moved };
  }

  async open(): Promise<AppWriter> {
    await this.turn();
    const writer = ++this.#writer;
    const write = async (group: GroupSettings, more: Partial<Control> = {}) => {
      await this.turn();
      if (writer !== this.#writer) {
        throw Object.assign(new Error("another machine writes"), { type: "PRODUCER_FENCED" });
      }
      const isNext = group.generation !== this.control.group?.generation;
      this.control = { ...this.control, ...more, group: { ...group, format: 1 } };
      if (isNext) this.begun(group);
      await this.turn(); // for the answer
    };
    return {
      write,
      begin: (group, moved) => write(group, { hasBegun: false, begunTasks: new Set(), moved }),
      [Symbol.asyncDispose]: () => Promise.resolve(),
    };
  }

  async members(groupId: string): Promise<number> {
    await this.turn();
    return this.memberCounts.get(groupId) ?? 0;
  }

  async before(group: GroupSettings): Promise<LayoutBefore> {
    await this.turn();
    return {
      topology: group,
      positions: new Map<TaskId, StoredPosition[]>(),
      moved: this.control.moved,
      unread: new Set(),
      leftover: [],
      ...this.found,
    };
  }

  /** Adds members to the group of a generation, or takes some away. */
  join(generation: number, count: number): void {
    const groupId = groupIdOf(this.app, generation);
    this.memberCounts.set(groupId, (this.memberCounts.get(groupId) ?? 0) + count);
  }
}
