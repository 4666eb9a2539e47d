/**
 * Commits the positions of the inputs' consumer groups in the transaction of an epoch.
 *
 * @module
 */
import type { Log } from "../../../core/log.ts";
import type { InputNotes } from "../../../graph/contracts.ts";
import { type ErrorKind, errorKind, errorName, messageOfKafka } from "../client/errors.ts";
import { GroupEpoch } from "../client/group_epoch.ts";
import type { TransactionalSession } from "./transactional_session.ts";

/** The groups of a worker's inputs that read from the output's cluster. */
export class InputGroups {
  readonly #clusterId: string | null;
  readonly #log: Log;
  readonly #denied = new Set<string>(); // groups that are left to their inputs

  /** `clusterId` is that of the output. */
  constructor(clusterId: string | null, log: Log) {
    this.#clusterId = clusterId;
    this.#log = log;
  }

  /**
   * Commits positions that no other output commits. If the group is refused, or in an epoch without
   * records, the input commits them itself.
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
      if (!isHere || offsets.length === 0 || this.#denied.has(groupId)) continue;
      try {
        if (await session.commitOffsets(groupId, offsets)) note.take();
      } catch (error) {
        if (!isRefusalOfGroup(error)) throw error;
        this.#denied.add(groupId);
        this.#log.warn("positions are not committed together with the output", {
          group: groupId,
          error: messageOfKafka(error),
        });
      }
    }
  }
}

/** What a broker refuses about the group alone: the transaction can still be committed. */
const REFUSALS: ReadonlySet<ErrorKind> = new Set(["unsupported", "groupRefused", "notMember"]);

/** Whether a broker refuses the group, and not the transaction. */
function isRefusalOfGroup(error: unknown): boolean {
  const name = errorName(error);
  return name === "GROUP_AUTHORIZATION_FAILED" || name === "TOPIC_AUTHORIZATION_FAILED" ||
    REFUSALS.has(errorKind(error));
}
