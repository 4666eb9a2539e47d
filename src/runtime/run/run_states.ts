/**
 * The states of a run, and which of them follows which.
 *
 * ```text
 *   loading ──▶ planning ──▶ opening ──▶ restoring ──▶ running ──▶ finishing ──▶ finished
 *      │           │            │            │            │            │            ▲  ▲
 *      └───────────┴────────────┴────────────┴── (1) ─────┼────────────┼────────────┘  │
 *                                                         └────────────┴──▶ cutting ───┘
 *   each of them but finished ──▶ failed                             (2)
 * ```
 *
 * (1) A stop before anything was read: what is being opened need not be waited for.
 * (2) A stop that takes too long: the run ends at the last committed epoch.
 *
 * @module
 */

/** Where a run is. */
export type RunState =
  /** Workers load the flow. */
  | "loading"
  /** The recovery store is opened, its steps are matched with the flow's, inputs are shared out. */
  | "planning"
  /** Workers connect to one another and open outputs and inputs. */
  | "opening"
  /** Stored keys go to the workers that own them; what was opened is committed. */
  | "restoring"
  /** Items move. */
  | "running"
  /** All inputs have ended, or all workers have stopped: the last epoch is committed. */
  | "finishing"
  /** A stop has come to its limit: workers say what they leave. */
  | "cutting"
  /** Over, and well. */
  | "finished"
  /** Over, with an error. */
  | "failed";

const MOVES: Readonly<Record<RunState, readonly RunState[]>> = {
  loading: ["planning", "finished", "failed"],
  planning: ["opening", "finished", "failed"],
  opening: ["restoring", "finished", "failed"],
  restoring: ["running", "finished", "failed"],
  running: ["finishing", "cutting", "failed"],
  finishing: ["finished", "cutting", "failed"],
  cutting: ["finished", "failed"],
  finished: [],
  failed: [],
};

/** The state of one run. */
export class RunStates {
  #state: RunState = "loading";

  /** Where the run is. */
  get current(): RunState {
    return this.#state;
  }

  /** Whether nothing comes after this. */
  get isOver(): boolean {
    return MOVES[this.#state].length === 0;
  }

  /** Whether nothing has been read yet. */
  get isStarting(): boolean {
    return ["loading", "planning", "opening", "restoring"].includes(this.#state);
  }

  /**
   * Goes on to another state.
   *
   * @throws {Error} If that does not follow: messages came that no worker sends at this point.
   */
  moveTo(next: RunState): void {
    if (!MOVES[this.#state].includes(next)) {
      throw new Error(`a run cannot go from "${this.#state}" to "${next}"`);
    }
    this.#state = next;
  }
}
