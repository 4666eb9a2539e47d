import {
  type Clock,
  Dataflow,
  type Keyed,
  type RecoveryConfig,
  run,
  TestingOutputConfig,
} from "../../../mod.ts";
import { eventually, idle } from "../eventually.ts";
import { HandInput } from "./hand_input.ts";
import { TestClock } from "../clock/test_clock.ts";

/** A run that a test feeds, and whose time it moves. */
export interface RunByHand<V, W> {
  /** What has come out. */
  readonly out: Keyed<W>[];
  /** Feeds items, and waits until they are worked off. */
  push(...items: Keyed<V>[]): Promise<void>;
  /** Moves the clock on, and waits until all that is due has happened. */
  advance(ms: number): Promise<void>;
  /** Stops the run gracefully. */
  stop(): Promise<void>;
  /** Ends the input, and waits for the end of the run. */
  end(): Promise<void>;
}

/** Starts a run of `steps`, whose epochs last until it ends. Rejects where it fails to start. */
export async function runByHand<V, W>(
  steps: (items: Dataflow<Keyed<V>>) => Dataflow<Keyed<W>>,
  { clock = new TestClock(1_000_000), shown = clock, recovery }: {
    clock?: TestClock;
    /** The clock that the run sees, where that is another one. */
    shown?: Clock;
    recovery?: RecoveryConfig;
  } = {},
): Promise<RunByHand<V, W>> {
  const input = new HandInput<Keyed<V>>();
  const out: Keyed<W>[] = [];
  const stopping = new AbortController();
  const running = run(
    steps(new Dataflow("by-hand").input("in", input)).capture("out", new TestingOutputConfig(out)),
    { clock: shown, recovery, signal: stopping.signal, epoch: { interval: { days: 10_000 } } },
  );
  let failed = false;
  running.catch(() => failed = true);
  await eventually(() => input.waiting || failed, "the input waits");
  if (failed) await running;
  await idle(5);
  return {
    out,
    push: async (...items) => {
      input.push(...items);
      await eventually(() => input.waiting, "the items are read");
      await idle(5);
    },
    advance: async (ms) => {
      clock.advance(ms);
      await idle(5);
    },
    stop: async () => {
      stopping.abort();
      await running;
    },
    end: async () => {
      input.end();
      await running;
    },
  };
}
