import { assertEquals } from "@std/assert";
import type { Chain } from "../../src/runtime/chain.ts";
import { Channel, isBatch } from "../../src/runtime/channel.ts";
import { Outlet } from "../../src/runtime/outlet.ts";
import { Pace } from "../../src/runtime/pace.ts";
import { paceOf, roomyChannel } from "../support/runtime/task_host.ts";

/** A chain that sends each number to one port, and its negative to another. */
const both: Chain = (batch, from, to, epoch, outs) => {
  outs[0] = batch.slice(from, to).map((n) => `${n}@${epoch}`);
  outs[1] = batch.slice(from, to).map((n) => -(n as number));
  return to;
};

/** Removes and returns all that is in a channel. */
function drain(channel: Channel): unknown[] {
  const messages: unknown[] = [];
  while (!channel.empty) messages.push(channel.take());
  return messages;
}

const fill = (channel: Channel): void => channel.push(new Array(8192).fill(0));

/** What an outlet tells. */
function told(emit: (items: number) => void = () => {}) {
  return { emit, snapshot: () => {} };
}

Deno.test("Outlet hands batches on as they are when there is no chain", () => {
  const channel = roomyChannel();
  let counted = 0;
  const outlet = new Outlet(null, [channel], paceOf(64), told((items) => counted += items));
  const batch = [1, 2, 3];
  outlet.emit(batch, 0);
  assertEquals(channel.take() === batch, true);
  assertEquals([outlet.pump(), counted], ["ready", 3]);
});

Deno.test("Outlet runs batches through the chain and sends what comes out to each port", () => {
  const channels = [roomyChannel(), roomyChannel()];
  const outlet = new Outlet(both, channels, paceOf(64), told());
  outlet.emit([1, 2], 7);
  outlet.emit([3], 8);
  assertEquals(channels.map(drain), [[["1@7", "2@7"], ["3@8"]], [[-1, -2], [-3]]]);
});

Deno.test("Outlet works off what is left over when the batch is longer than the pace", () => {
  const channels = [roomyChannel(), roomyChannel()];
  const pace = paceOf(2);
  let counted = 0;
  const outlet = new Outlet(both, channels, pace, told((items) => counted += items));
  outlet.emit([1, 2, 3, 4, 5], 3);
  assertEquals(drain(channels[0]), [["1@3", "2@3"]]);
  assertEquals(outlet.pump(), "worked");
  assertEquals(outlet.pump(), "worked");
  assertEquals(outlet.pump(), "ready");
  assertEquals(drain(channels[0]), [["3@3", "4@3"], ["5@3"]]);
  assertEquals(counted, 5);
});

Deno.test("Outlet goes on from where the chain paused", () => {
  const channel = roomyChannel();
  const oneByOne: Chain = (batch, from, _to, _epoch, outs) => {
    outs[0] = [batch[from]];
    return from + 1;
  };
  const outlet = new Outlet(oneByOne, [channel], paceOf(64), told());
  outlet.emit(["a", "b", "c"], 0);
  while (outlet.pump() === "worked");
  assertEquals(drain(channel), [["a"], ["b"], ["c"]]);
});

Deno.test("Outlet is blocked when one of its channels is full, and keeps what is left over", () => {
  const channels = [roomyChannel(), roomyChannel()];
  const pace = paceOf(2);
  const outlet = new Outlet(both, channels, pace, told());
  outlet.emit([1, 2, 3], 0);
  fill(channels[1]);
  assertEquals(outlet.pump(), "blocked");
  assertEquals(drain(channels[0]), [["1@0", "2@0"]]);
  drain(channels[1]);
  assertEquals([outlet.pump(), outlet.pump()], ["worked", "ready"]);
  assertEquals(drain(channels[0]), [["3@0"]]);
});

Deno.test("Outlet queues nothing where the chain lets nothing through", () => {
  const channel = roomyChannel();
  const nothing: Chain = (_batch, _from, to, _epoch, outs) => {
    outs[0] = [];
    return to;
  };
  const outlet = new Outlet(nothing, [channel], paceOf(64), told());
  outlet.emit([1, 2], 0);
  assertEquals(channel.empty, true);
});

Deno.test("Outlet counts nothing and queues nothing when the batch is empty", () => {
  const channel = roomyChannel();
  let calls = 0;
  const outlet = new Outlet(null, [channel], paceOf(64), told(() => calls++));
  outlet.emit([], 0);
  assertEquals([channel.empty, calls], [true, 0]);
});

Deno.test("Outlet sends control messages to every port after the data", () => {
  const channels = [roomyChannel(), roomyChannel()];
  const ended: [epoch: number, waiting: boolean][] = [];
  const outlet = new Outlet(both, channels, paceOf(64), {
    emit: () => {},
    snapshot: (epoch) => ended.push([epoch, channels[0].empty]),
  });
  outlet.emit([1], 0);
  outlet.control({ kind: "barrier", epoch: 0 }, 0);
  assertEquals(ended, [[0, false]]); // told when the items are through
  for (const channel of channels) {
    assertEquals(isBatch(channel.take()!), true);
    assertEquals(channel.take(), { kind: "barrier", epoch: 0 });
  }
});

Deno.test("Outlet tells that there is something to read while it is blocked, to those who heard otherwise", () => {
  const channels = [roomyChannel(), roomyChannel()];
  const outlet = new Outlet(both, channels, paceOf(64), told());
  outlet.activity({ kind: "idle" });
  assertEquals(channels.map(drain), [[{ kind: "idle" }], [{ kind: "idle" }]]);
  fill(channels[0]);
  assertEquals([outlet.pump(), outlet.pump()], ["worked", "blocked"]);
  assertEquals(drain(channels[1]), [{ kind: "active" }]);
  drain(channels[0]);
  assertEquals([outlet.pump(), outlet.pump()], ["worked", "ready"]);
  assertEquals(channels.map(drain), [[{ kind: "idle" }], [{ kind: "idle" }]]);
});

Deno.test("Outlet tells that there is something to read when a batch takes long, to those it does not reach", () => {
  const channels = [roomyChannel(), roomyChannel()];
  const onlyFirst: Chain = (batch, from, to, _epoch, outs) => {
    outs[0] = batch.slice(from, to);
    return to;
  };
  const pace = paceOf(64);
  const outlet = new Outlet(onlyFirst, channels, pace, told());
  outlet.activity({ kind: "idle" });
  channels.forEach(drain);
  outlet.emit(new Array(pace.items).fill(0), 0);
  assertEquals(outlet.pump(), "ready");
  assertEquals(drain(channels[1]), []); // it was done at once
  outlet.emit(new Array(2 * pace.items).fill(0), 0);
  assertEquals(drain(channels[1]), []);
  assertEquals(outlet.pump(), "worked");
  assertEquals(drain(channels[1]), [{ kind: "active" }]);
  outlet.activity({ kind: "idle" });
  assertEquals(drain(channels[1]), [{ kind: "idle" }]);
});

Deno.test("Outlet does not tell that there is nothing to read again when a batch has come since", () => {
  const channels = [roomyChannel(), roomyChannel()];
  const onlyFirst: Chain = (batch, from, to, _epoch, outs) => {
    outs[0] = batch.slice(from, to);
    return to;
  };
  const outlet = new Outlet(onlyFirst, channels, paceOf(64), told());
  outlet.activity({ kind: "idle" });
  outlet.emit([1], 0);
  fill(channels[0]);
  while (outlet.pump() === "worked");
  assertEquals(drain(channels[1]), [{ kind: "idle" }, { kind: "active" }]);
  drain(channels[0]);
  assertEquals(outlet.pump(), "ready");
  assertEquals(channels.map(drain), [[], []]);
});

Deno.test("Outlet has room for more at once when what filled its room yields little or nothing", () => {
  for (const given of [[], ["one"]]) {
    const channel = new Channel();
    const outlet = new Outlet(null, [channel], paceOf(1_000), told());
    const rooms: number[] = [];
    for (let n = 0; n < 5; n++) {
      rooms.push(outlet.room);
      outlet.emit(given, 0, outlet.room);
      drain(channel);
    }
    assertEquals(rooms.at(-1)! >= 8, true, `${given}: ${rooms}`);
  }
});

Deno.test("Outlet is allowed more items by quick rounds where one item becomes many", () => {
  const channel = roomyChannel();
  const twenty: Chain = (batch, from, to, _epoch, outs, most) => {
    outs[0] = [];
    let at = from;
    while (at < to && outs[0].length < most) outs[0].push(...new Array(20).fill(batch[at++]));
    return at;
  };
  const pace = new Pace();
  const outlet = new Outlet(twenty, [channel], pace, told());
  for (let round = 0; round < 10; round++) {
    pace.begin(0);
    outlet.emit(new Array(outlet.room).fill("a"), 0);
    pace.took(0);
    while (outlet.pump() === "worked");
    drain(channel);
  }
  assertEquals(pace.items, 1024);
});
