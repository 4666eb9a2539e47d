import { RunClock } from "../../../src/core/run_clock.ts";
import { Channel } from "../../../src/runtime/channel.ts";
import { Outlet } from "../../../src/runtime/outlet.ts";
import { Pace } from "../../../src/runtime/pace.ts";
import type { TaskHost } from "../../../src/runtime/tasks/task.ts";

/** A pace without measurements, which lets a task process `items` at once. */
export function paceOf(items: number): Pace {
  const pace = new Pace();
  pace.items = items;
  return pace;
}

/** A channel that has room from the beginning. */
export function roomyChannel(): Channel {
  return new Channel({ first: 8192 });
}

/** A worker with nothing else, for a single task. */
export function taskHost(now: () => number = () => 0): TaskHost {
  return {
    workerIndex: 0,
    signal: new AbortController().signal,
    calls: new AbortController().signal,
    journal: null,
    pace: paceOf(64),
    clock: new RunClock({ now, wakeAt: () => () => {} }),
    now,
    elapsed: now,
    mayRead: () => true,
    wake: () => {},
    fail: (error) => {
      throw error;
    },
    inputFailed: (error) => {
      throw error;
    },
    gaveUp: () => {},
    passed: () => {},
    ended: () => {},
  };
}

/** An outlet that passes batches on unchanged. */
export function plainOutlet(channel: Channel): Outlet {
  return new Outlet(null, [channel], paceOf(64), { emit: () => {}, snapshot: () => {} });
}

/** Empties a channel. Returns batches unchanged, and the kinds of other messages. */
export function drain(channel: Channel): unknown[] {
  const messages: unknown[] = [];
  while (!channel.empty) {
    const message = channel.take()!;
    messages.push("kind" in message ? message.kind : message);
  }
  return messages;
}
