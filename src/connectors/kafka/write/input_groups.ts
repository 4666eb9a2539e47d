/**
 * Commits the positions of the inputs' consumer groups in the transaction of an epoch.
 *
 * @module
 */
import type { Log } from "../../../core/log.ts";
import type { InputNotes } from "../../../graph/contracts.ts";
import { type ErrorKind, errorKind, errorName, messageOfKafka } from "../client/errors.ts";
import { GroupEpoch } from "../client/group_epoch.ts";
import { GroupAwayError } from "../transactions/transaction.ts";
import type { TransactionalSession } from "./transactional_session.ts";

/** The groups of a worker's inputs that read from the output's cluster. */
export class InputGroups {
  readonly #clusterId: string | null;
  readonly #log: Log;
  readonly #elapsed: () => number;
  /** Until when groups are left to their inputs, by a clock that never goes back. */
  readonly #leftUntil = new Map<string, number>();

  /** `clusterId` is that of the output. `elapsed` returns milliseconds. */
  constructor(
    clusterId: string | null,
    log: Log,
    elapsed: () => number = () => performance.now(),
  ) {
    this.#clusterId = clusterId;
    this.#log = log;
    this.#elapsed = elapsed;
  }

  /**
   * Commits positions that no other output commits. The input commits them itself in an epoch
   * without records, and if the group is refused. It does so for a while if the group's coordinator
   * is away, or the input's topic is missing.
   *
   * @throws {Error} If a broker refuses: it is not certain then that the transaction can be
   * committed.
   */
  async commit(
    inputs: InputNotes = new Map(),
    session: Pick<TransactionalSession, "commitOffsets">,
  ): Promise<void> {
    for (const note of inputs.values()) {
      if (!(note instanceof GroupEpoch) || note.isTaken) continue;
      const { groupId, clusterId, offsets } = note;
      const isHere = clusterId !== null && clusterId === this.#clusterId;
      const isLeft = this.#elapsed() < (this.#leftUntil.get(groupId) ?? 0);
      if (!isHere || offsets.length === 0 || isLeft) continue;
      try {
        if (await session.commitOffsets(groupId, offsets)) note.take();
      } catch (error) {
        // An input's topic that is missing is the input's affair.
        const isAway = error instanceof GroupAwayError || errorKind(error) === "unknownTopic";
        if (!isAway && !isRefusalOfGroup(error)) throw error;
        this.#leftUntil.set(groupId, isAway ? this.#elapsed() + AWAY_MS : Infinity);
        this.#log.warn("positions are not committed together with the output", {
          group: groupId,
          error: messageOfKafka(error),
        });
      }
    }
  }
}

/** How long a coordinator that is away is not looked for again, in milliseconds. */
const AWAY_MS = 30_000;

/** What a broker refuses about the group alone: the transaction can still be committed. */
const REFUSALS: ReadonlySet<ErrorKind> = new Set(["unsupported", "groupRefused", "notMember"]);

/** Whether a broker refuses the group, and not the transaction. */
function isRefusalOfGroup(error: unknown): boolean {
  const name = errorName(error);
  return name === "GROUP_AUTHORIZATION_FAILED" || name === "TOPIC_AUTHORIZATION_FAILED" ||
    REFUSALS.has(errorKind(error));
}
