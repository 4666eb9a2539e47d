/**
 * A client for the state of a running flow, over its operations port.
 *
 * It has no dependencies and needs `fetch` only, so it runs in Deno, Node and browsers.
 *
 * @module
 */
export { stateClient } from "./src/client/state_client.ts";
export type {
  KeyState,
  RequestOptions,
  StateClient,
  StepInfo,
  StepState,
} from "./src/client/state_client.ts";
export type { StateClientOptions } from "./src/client/state_port.ts";
export type { AsJson } from "./src/client/as_json.ts";
export {
  NoStepError,
  StateAccessError,
  StateError,
  StateUnavailableError,
} from "./src/client/errors.ts";
