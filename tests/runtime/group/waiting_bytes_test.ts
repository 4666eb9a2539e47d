import { assertEquals } from "@std/assert";
import { WaitingBytes } from "../../../src/runtime/group/waiting_bytes.ts";

const MIB = 1 << 20;

function waiting(lateCommits = 0) {
  const seen = { full: 0, bytes: new WaitingBytes(() => seen.full++, { lateCommits }) };
  return seen;
}

Deno.test("changed states fill an epoch, at a quarter of what is sent", () => {
  const { bytes } = waiting();
  bytes.addState(3, 40 * MIB);
  assertEquals(bytes.roomIn(3), 6 * MIB);
  bytes.addState(3, -8 * MIB); // the snapshots are smaller than was expected
  bytes.add(3, 2 * MIB);
  assertEquals(bytes.roomIn(3), 6 * MIB);
});

Deno.test("an epoch that is full of states is told of, and the next one is full while it closes", () => {
  const seen = waiting();
  seen.bytes.addState(0, 63 * MIB);
  assertEquals(seen.full, 0);
  seen.bytes.addState(0, MIB);
  assertEquals([seen.full, seen.bytes.roomIn(0)], [1, 0]);
  seen.bytes.closing(0);
  seen.bytes.addState(0, 100 * MIB); // what has been read comes through
  seen.bytes.addState(1, 65 * MIB);
  assertEquals([seen.full, seen.bytes.roomIn(1)], [2, 0]);
  assertEquals(seen.bytes.committed(0), true);
});

Deno.test("epochs become as small as slow commits need, and large again", () => {
  const { bytes } = waiting();
  let epoch = 0;
  const most = () => bytes.roomIn(epoch);
  const commit = (size: number, ms: number) => {
    bytes.add(epoch, size);
    bytes.closing(epoch);
    bytes.took(epoch, ms);
    bytes.committed(epoch++);
  };
  commit(8 * MIB, 1_900);
  assertEquals(most(), 16 * MIB);
  commit(8 * MIB, 8_000);
  assertEquals(most(), 2 * MIB);
  commit(MIB / 2, 100); // a small one shows nothing
  assertEquals(most(), 2 * MIB);
  commit(2 * MIB, 8_000_000);
  assertEquals(most(), 64 << 10); // no less
  for (let i = 0; i < 20; i++) commit(most(), 100);
  assertEquals(most(), 16 * MIB); // no more
});

Deno.test("epochs of a process that follows late commits begin smaller", () => {
  const most = [0, 1, 2, 3, 4, 9].map((late) => waiting(late).bytes.roomIn(0));
  assertEquals(most, [16 * MIB, 4 * MIB, MIB, MIB / 4, MIB / 16, MIB / 16]);
});
