import { assertEquals } from "@std/assert";
import { Channel, type Message } from "../../../src/runtime/channel.ts";
import { MergeTask } from "../../../src/runtime/tasks/merge_task.ts";
import { drain, plainOutlet, roomyChannel, taskHost } from "../../support/runtime/task_host.ts";

const idle = { kind: "idle" } as const;
const active = { kind: "active" } as const;
const barrier = { kind: "barrier", epoch: 0 } as const;
const end = { kind: "end", stopped: false } as const;

/** A merge of two channels. */
function merge() {
  const inputs = [new Channel(), new Channel()];
  const output = roomyChannel();
  const task = new MergeTask("merge", inputs, plainOutlet(output), taskHost(), 0);
  return {
    output,
    /** What comes out when a message comes in. */
    put(input: number, ...messages: Message[]): unknown[] {
      for (const message of messages) inputs[input].push(message);
      while (task.run());
      return drain(output);
    },
  };
}

Deno.test("a merge is idle when all of its inputs are", () => {
  const { put } = merge();
  assertEquals(put(0, idle), []);
  assertEquals(put(1, idle), ["idle"]);
  assertEquals(put(0, active), ["active"]);
  assertEquals(put(1, active), []); // nothing new
  assertEquals(put(1, idle), []);
  assertEquals(put(0, idle), ["idle"]);
});

Deno.test("a merge is not idle from a batch on until the input that had it is idle again", () => {
  const { put } = merge();
  put(0, idle);
  put(1, idle);
  assertEquals(put(0, [1]), [[1]]);
  assertEquals(put(1, active), []);
  assertEquals(put(0, idle), []);
  assertEquals(put(1, idle), ["idle"]);
});

Deno.test("a merge hands on the newest time of partial results after them", () => {
  const { put } = merge();
  const where = { source: "a", origin: "in", tick: 1 };
  const from = { kind: "from", ...where, isCombined: true } as const;
  const newest = { kind: "newest", ...where, time: 5 } as const;
  assertEquals(put(0, from, [1], newest), ["from", [1], "newest"]);
});

Deno.test("an input that has ended is idle for a merge", () => {
  const { put } = merge();
  put(0, idle);
  assertEquals(put(1, [1], end), [[1], "idle"]);
  assertEquals(put(0, [2], idle), [[2], "idle"]);
  assertEquals(put(0, end), ["end"]);
});

Deno.test("a merge is not idle while an input waits for a barrier of another: more may follow it", () => {
  const { put } = merge();
  put(0, idle);
  assertEquals(put(0, barrier, [1], idle), []);
  assertEquals(put(1, [2], idle), [[2]]);
  assertEquals(put(1, barrier), ["barrier", [1], "idle"]);
});

Deno.test("a merge that was idle is so no more when an input begins to wait for a barrier of another", () => {
  const { put } = merge();
  put(0, idle);
  assertEquals(put(1, idle), ["idle"]);
  assertEquals(put(0, barrier), ["active"]);
  assertEquals(put(0, [1], idle), []); // held
  assertEquals(put(1, [2], idle), [[2]]);
  assertEquals(put(1, barrier), ["barrier", [1], "idle"]);
});

Deno.test("a merge is idle after a barrier when it was before it, and nothing came", () => {
  const { put } = merge();
  put(0, idle);
  put(1, idle);
  assertEquals(put(0, barrier), ["active"]);
  assertEquals(put(1, barrier), ["barrier", "idle"]);
});

Deno.test("a merge is idle when an input ends while another waits for its barrier", () => {
  const { put } = merge();
  put(0, idle);
  put(1, idle);
  assertEquals(put(0, barrier), ["active"]);
  assertEquals(put(1, end), ["barrier", "idle"]);
});

Deno.test("a merge that is blocked says that it is not idle, and that it is once it is no more", () => {
  const { put, output } = merge();
  put(0, idle);
  put(1, idle);
  output.push(new Array(8192).fill(0));
  output.push(idle);
  assertEquals(put(0), [new Array(8192).fill(0), "idle", "active"]);
  assertEquals(put(0), ["idle"]);
});
