/**
 * How long a group waits for a member that says nothing.
 *
 * @module
 */
import { messageOf } from "../../../core/errors.ts";
import type { Log } from "../../../core/log.ts";
import type { KafkaBroker } from "../client/kafkajs.ts";

/** What a streams group has where no operator has changed it, in milliseconds. */
export const STREAMS_SESSION_MS = 45_000;

/** A streams group, as a resource with settings. */
const GROUP_RESOURCE = 32;
const SESSION_TIMEOUT = "streams.session.timeout.ms";

/**
 * Returns the session timeout of a group, in milliseconds; `null` if the broker does not tell. That
 * of a streams group is not ours to lower, but the broker's operator may have.
 */
export async function sessionTimeoutOf(
  broker: Pick<KafkaBroker, "describeConfigs">,
  { groupId, protocol, log }: {
    readonly groupId: string;
    readonly protocol: string;
    readonly log?: Log | undefined;
  },
): Promise<number | null> {
  if (protocol !== "streams") return null; // each member has its own
  try {
    const { resources: [{ configEntries }] } = await broker.describeConfigs({
      resources: [{ type: GROUP_RESOURCE, name: groupId, configNames: [SESSION_TIMEOUT] }],
    });
    const found = configEntries.find(({ configName }) => configName === SESSION_TIMEOUT);
    return Number(found?.configValue) || null;
  } catch (error) {
    log?.debug("the group's session timeout is taken for the default", {
      group: groupId,
      error: messageOf(error),
    });
    return null;
  }
}
