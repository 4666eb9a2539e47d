import { assertEquals } from "@std/assert";
import type { Epoch } from "../../../src/core/ids.ts";
import type { OutputWriter } from "../../../src/graph/contracts.ts";
import { withProcessEpochs } from "../../../src/runtime/group/process_epochs.ts";

/** A writer that notes its calls, and has all optional members. */
class Noting implements OutputWriter<unknown> {
  readonly calls: [call: string, epoch?: Epoch][] = [];
  readonly writesAhead = true;
  readonly #positions = new Map([["a", 1]]);

  write(_: readonly unknown[], epoch: Epoch): void {
    this.calls.push(["write", epoch]);
  }

  prepare(epoch: Epoch) {
    this.calls.push(["prepare", epoch]);
    return Promise.resolve(this.#positions);
  }

  commit(epoch: Epoch): Promise<void> {
    this.calls.push(["commit", epoch]);
    return Promise.resolve();
  }

  settled() {
    return this.#positions;
  }

  openTransactions() {
    return { count: this.#positions.size, oldestMs: 0 };
  }

  waitingFor() {
    return this.#positions.size === 0 ? null : "broker";
  }

  connections() {
    return [...this.#positions].slice(1).map(() => ({}) as never);
  }

  close(): Promise<void> {
    this.calls.push(["close"]);
    return Promise.resolve();
  }
}

Deno.test("a task's output gets the epochs of its process, once the task has joined", async () => {
  const inner = new Noting();
  let first: number | null = null;
  const writer = withProcessEpochs(inner, () => first);
  await writer.prepare(-1);
  await writer.commit!(-1);
  first = 7;
  for (const epoch of [0, 1]) {
    writer.write([], epoch);
    assertEquals(await writer.prepare(epoch), new Map([["a", 1]]));
    await writer.commit!(epoch);
  }
  await writer.close();
  assertEquals(inner.calls, [
    ["prepare", -1],
    ["commit", -1],
    ["write", 7],
    ["prepare", 7],
    ["commit", 7],
    ["write", 8],
    ["prepare", 8],
    ["commit", 8],
    ["close"],
  ]);
  assertEquals(
    [
      writer.writesAhead,
      writer.settled!(),
      writer.openTransactions!(),
      writer.waitingFor!(),
      writer.connections!(),
    ],
    [true, new Map([["a", 1]]), { count: 1, oldestMs: 0 }, "broker", []],
  );
});

Deno.test("an output without optional members has none with the epochs of the process", () => {
  const plain: OutputWriter<unknown> = {
    write: () => {},
    prepare: () => Promise.resolve(new Map()),
    close: () => Promise.resolve(),
  };
  const members = Object.keys(withProcessEpochs(plain, () => 0));
  assertEquals(members.sort(), ["close", "prepare", "write"]);
});
