/** Delivers the messages of a run in an order that a test chooses. */
import { setImmediate } from "node:timers";
import type { Random } from "../values/random.ts";
import type { Schedule } from "../../../src/runtime/run/schedule.ts";

/** Immediates that a worker takes for a turn of its loop, and some more. */
const ROUNDS = 80;

/** Holds messages until the test lets them go. Those of one route keep their order. */
export class HeldPost {
  readonly #routes = new Map<string, (() => void)[]>();
  #order: string[] = []; // routes, the one that is served first at the front

  /** For {@linkcode runWorkers}. */
  readonly post: Schedule = (route, arrive) => {
    const waiting = this.#routes.get(route);
    if (waiting !== undefined) waiting.push(arrive);
    else {
      this.#routes.set(route, [arrive]);
      this.#order.push(route);
    }
  };

  /** How many messages wait, on the routes whose names match. */
  waiting(routes: RegExp = /./): number {
    return this.#matching(routes).reduce((sum, route) => sum + this.#routes.get(route)!.length, 0);
  }

  /**
   * Delivers the oldest message of the first matching route that has one. Returns whether it did.
   */
  deliver(routes: RegExp = /./): boolean {
    const route = this.#matching(routes)[0];
    if (route === undefined) return false;
    this.#routes.get(route)!.shift()!();
    return true;
  }

  /** Delivers everything on the matching routes, and the resulting messages, until none is left. */
  async drain(routes: RegExp = /./): Promise<void> {
    for (let quiet = 0; quiet < 5; quiet++) {
      while (this.deliver(routes)) quiet = 0;
      await settle();
    }
  }

  /** Serves the routes in another order from now on, so that some wait for long. */
  shuffle(random: Random): void {
    const rest = [...this.#order];
    this.#order = [];
    while (rest.length > 0) this.#order.push(...rest.splice(random.below(rest.length), 1));
  }

  #matching(routes: RegExp): string[] {
    return this.#order.filter((route) => this.#routes.get(route)!.length > 0 && routes.test(route));
  }
}

/** Lets the workers of this process do what they can. */
export function settle(rounds = ROUNDS): Promise<void> {
  return new Promise((resolve) => {
    let round = 0;
    const next = () => {
      if (++round >= rounds) resolve();
      else setImmediate(next);
    };
    setImmediate(next);
  });
}
