/** The operations port has not answered as it was asked to. */
export class StateError extends Error {
  /** The class's name, such as `"StateError"`. */
  override readonly name: string = "StateError";
  /** The HTTP status of the answer; 0 if there was none. */
  readonly status: number;

  /** `message` is the port's own, where there was an answer. */
  constructor(message: string, status: number, options?: ErrorOptions) {
    super(message, options);
    this.status = status;
  }
}

/** The port refuses the request: the token is wrong or missing, or the address is another one. */
export class StateAccessError extends StateError {
  /** Always `"StateAccessError"`. */
  override readonly name: string = "StateAccessError";
}

/** The flow has no stateful step of that name. */
export class NoStepError extends StateError {
  /** Always `"NoStepError"`. */
  override readonly name: string = "NoStepError";
}

/**
 * There is no answer now: the port is not in reach, the flow starts, or a worker is at work on one
 * item for long. Another attempt may succeed.
 */
export class StateUnavailableError extends StateError {
  /** Always `"StateUnavailableError"`. */
  override readonly name: string = "StateUnavailableError";
}
