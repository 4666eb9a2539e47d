/**
 * The module of a group's log. The engine does not know which one it is: the command line names it,
 * and processes import it by that name.
 *
 * @module
 */
import type { StepId } from "../core/ids.ts";
import type { Log } from "../core/log.ts";
import type { InputConfig } from "../graph/contracts.ts";
import type { FlowGraph } from "../graph/graph.ts";
import type { GroupLog } from "./log.ts";
import type { GroupTopology } from "./topology.ts";

/** What a group promises of what it writes. */
export type Guarantee = "exactly-once" | "at-least-once";

/** What a group is made of, as one machine was started with it. */
export interface GroupOptions {
  readonly graph: FlowGraph;
  /** The name of the group, of which the names of its topics are made. */
  readonly app: string;
  readonly topology: GroupTopology;
  readonly guarantee: Guarantee;
  readonly log: Log;
  /** Ends all waiting. */
  readonly signal: AbortSignal;
}

/** What a group is prepared with. */
export interface PrepareGroupOptions extends GroupOptions {
  /** The protocol that was asked for; `auto` for what the group, or else the cluster, has. */
  readonly protocol: string;
  /** Steps that were taken out of the flow: what is stored of them is dropped. */
  readonly dropSteps: readonly StepId[];
  /** Whether to wait until no machine runs the app in another way; if not, that is an error. */
  readonly waits: boolean;
  /** Returns how many items a shuffle batch has for each exchange, by its number. */
  readonly itemsOf: (bytes: Uint8Array) => ReadonlyMap<number, number>;
}

/** A group that machines may join. */
export interface PreparedGroup extends LocatedCluster {
  /** What its members join. */
  readonly groupId: string;
  /** The protocol that it speaks. */
  readonly protocol: string;
  /** When it was ended on all machines last, before this one came; `null` if never. */
  readonly failedAt: number | null;
}

/** The cluster of a flow. */
export interface LocatedCluster {
  /** How to reach it: plain data. */
  readonly place: unknown;
  /** Returns a token for the cluster, from a function of the flow; `null` if none is needed. */
  readonly token: (() => Promise<string>) | null;
}

/** What a worker opens the log of its group with. */
export interface OpenLogOptions extends GroupOptions {
  /** As {@linkcode PreparedGroup} has it. */
  readonly groupId: string;
  readonly memberId: string;
  /** The protocol of the group, such as `streams`. */
  readonly protocol: string;
  /** The folder that the log may keep the states of tasks in, between runs; `null` for none. */
  readonly cacheFolder: string | null;
  /** Whether the opening waits for brokers without a limit. If not, it soon fails without them. */
  readonly waitsForBrokers: boolean;
}

/** What the module of a group's log exports. */
export interface LogModule {
  /** As `CutOptions.topicsOf`. */
  topicsOf(config: InputConfig<unknown>): readonly string[] | null;

  /**
   * Makes sure that a group can read the inputs and write the outputs of a flow. It connects to
   * nothing.
   *
   * @throws {TypeError} If it cannot. The message names the step and the cure.
   */
  checkFlow(graph: FlowGraph, guarantee: Guarantee): void;

  /**
   * Makes sure that this machine may join the group, and creates what the group needs. Everything
   * that can be refused is refused here.
   *
   * @throws {Error} If it may not. The message names the reason and the cure.
   */
  prepareGroup(options: PrepareGroupOptions): Promise<PreparedGroup>;

  /**
   * Finds the cluster of a flow. It creates nothing.
   *
   * @throws {Error} If it has none, or several. The message names the steps.
   */
  locateCluster(
    options: Pick<GroupOptions, "graph" | "log" | "signal">,
  ): Promise<LocatedCluster>;

  openGroupLog(options: OpenLogOptions): Promise<GroupLog>;
}
