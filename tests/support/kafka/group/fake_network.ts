import { wakeAfter } from "../../../../src/core/clock.ts";
import type { GroupLink } from "../../../../src/connectors/kafka/group/members.ts";
import type { TestClock } from "../../clock/test_clock.ts";
import type { Random } from "../../values/random.ts";

/** What may happen to a request. */
export type Fault =
  /** It does not arrive. */
  | "request lost"
  /** It arrives, and its answer does not. */
  | "answer lost"
  /** The connection breaks, and the request still arrives a while later. */
  | "request late"
  /** Neither side hears anything, and the connection stays. */
  | "silence";

const FAULTS: readonly Fault[] = ["request lost", "answer lost", "request late", "silence"];

/** How long a late request is under way, at most, in milliseconds. */
export const LATEST_MS = 400;

/** A network in which requests get lost by chance, on a clock that a test moves. */
export class FakeNetwork {
  readonly clock: TestClock;
  readonly random: Random;
  /** How many of a hundred requests something happens to. */
  faultsInHundred = 0;
  /** How many requests there were. */
  requests = 0;
  /** How often each fault has happened. */
  readonly happened = new Map<Fault, number>();

  constructor(clock: TestClock, random: Random) {
    this.clock = clock;
    this.random = random;
  }

  /** A link to a coordinator, for a machine that `isCut` may cut off. */
  link<Q, A>(
    answer: (request: Q) => Promise<A>,
    isCut: () => boolean = () => false,
  ): GroupLink<Q, A> {
    return {
      send: (request) => this.#send(() => answer(request), isCut),
      drop: () => {},
      isFatal: () => false,
      close: () => Promise.resolve(),
    };
  }

  async #send<A>(answer: () => Promise<A>, isCut: () => boolean): Promise<A> {
    this.requests++;
    const fault = this.#fault();
    if (fault === "silence" || isCut()) return await new Promise<never>(() => {});
    if (fault === "request late") {
      const ms = this.random.below(LATEST_MS);
      void this.#pause(ms).then(answer);
    }
    await this.#pause(1 + this.random.below(5));
    if (fault === "request late" || fault === "request lost") throw new Error(fault);
    const answered = await answer();
    if (fault === "answer lost") throw new Error(fault);
    await this.#pause(1 + this.random.below(5));
    if (isCut()) return await new Promise<never>(() => {});
    return answered;
  }

  #fault(): Fault | null {
    if (this.random.below(100) >= this.faultsInHundred) return null;
    const fault = this.random.pick(FAULTS);
    this.happened.set(fault, (this.happened.get(fault) ?? 0) + 1);
    return fault;
  }

  #pause(ms: number): Promise<void> {
    return new Promise((resolve) => wakeAfter(this.clock, ms, resolve));
  }
}
