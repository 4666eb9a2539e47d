/**
 * The type of a module of KafkaJS 2.2.4 that is not declared: the connections to one broker.
 *
 * @module
 */
import type { Exchange } from "../wire/request.ts";
import type { BrokerVersions } from "../wire/request_versions.ts";

/** The connections to one broker. */
export default class ConnectionPool {
  /** Each has the versions that the broker accepts, once it has been asked. */
  declare readonly pool: readonly { readonly versions: BrokerVersions | null }[];
  /** Sends a request, and returns what `parse` makes of the response. */
  declare send: (exchange: Exchange) => Promise<unknown>;
}
