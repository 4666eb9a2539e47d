import { assert, assertEquals } from "@std/assert";
import { BatchSizes, sizeOf } from "../../src/core/value_size.ts";

/** Whether an estimate is between the bytes that there are at least, and three times as many. */
function assertAbout(value: unknown, bytes: number): void {
  const size = sizeOf(value);
  assert(size >= bytes && size <= bytes * 3, `${size} bytes instead of ${bytes}`);
}

Deno.test("sizeOf() sees large contents wherever they are", () => {
  const mib = 1 << 20;
  const bytes = new Uint8Array(mib);
  assertAbout(bytes, mib);
  assertAbout(bytes.buffer, mib);
  assertAbout("x".repeat(mib), mib);
  assertAbout(new Blob([bytes]), mib);
  assertAbout(["key", { page: { body: bytes } }], mib);
  assertAbout(new Map([["a", bytes], ["b", bytes]]), 2 * mib);
  assertAbout(new Set([bytes]), mib);
  assertAbout(Array.from({ length: 100 }, () => bytes), 100 * mib);
  assertAbout(new Array(mib).fill(0), 8 * mib);
  assertAbout(Array.from({ length: 10_000 }, (_, i) => ({ i, name: `name ${i}` })), 10_000 * 60);
});

Deno.test("sizeOf() says of small values that they are", () => {
  for (const value of [1, true, null, undefined, 7n, Symbol(), () => {}, "", {}, [], new Date()]) {
    const size = sizeOf(value);
    assert(size > 0 && size < 100, `${size}`);
  }
});

Deno.test("sizeOf() calls no getter and bears what refuses to be looked at", () => {
  const called: string[] = [];
  const value = {
    get lazy() {
      called.push("lazy");
      return new Uint8Array(1 << 20);
    },
  };
  assert(sizeOf(value) < 200);
  assertEquals(called, []);
  const { proxy, revoke } = Proxy.revocable({}, {});
  revoke();
  assert(sizeOf(proxy) < 200);
});

Deno.test("sizeOf() ends on a cycle, and looks at a part of what is deep or wide only", () => {
  const cycle: unknown[] = [1];
  for (let n = 0; n < 5; n++) cycle.push(cycle);
  sizeOf(cycle);
  let looked = 0;
  const wide = new Proxy(Object.fromEntries(Array.from({ length: 10_000 }, (_, i) => [i, i])), {
    getOwnPropertyDescriptor(target, name) {
      looked++;
      return Reflect.getOwnPropertyDescriptor(target, name);
    },
  });
  sizeOf(wide);
  assert(looked < 500, `${looked} looks`);
});

Deno.test("BatchSizes looks at few items of a batch, and at others each time", () => {
  const sizes = new BatchSizes();
  assertEquals(sizes.itemBytes([]), 0);
  const batch = Array.from({ length: 10 }, () => new Uint8Array(8));
  batch[7] = new Uint8Array(1 << 20);
  const seen = Array.from({ length: 10 }, () => sizes.itemBytes(batch));
  assertEquals(seen.filter((bytes) => bytes > 1 << 20).length, 1);
});
