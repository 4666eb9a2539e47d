import { assertEquals, assertRejects } from "@std/assert";
import type { InputNotes } from "millrace";
import { GroupEpoch } from "../../../../src/connectors/kafka/client/group_epoch.ts";
import { GroupAwayError } from "../../../../src/connectors/kafka/transactions/transaction.ts";
import { errorOfCode } from "../../../../src/connectors/kafka/wire/error_codes.ts";
import { InputGroups } from "../../../../src/connectors/kafka/write/input_groups.ts";
import { testPlace } from "../../../support/runtime/test_place.ts";

const OFFSETS = [{ topic: "in", partition: 0, offset: 7n }];

/** A session whose epoch has records or has not, or that answers with an error. */
function sessionThat(does: "commits" | "has no transaction" | number) {
  const committed: string[] = [];
  return {
    committed,
    commitOffsets: (groupId: string) => {
      if (typeof does === "number") return Promise.reject(errorOfCode(does));
      if (does === "has no transaction") return Promise.resolve(false);
      committed.push(groupId);
      return Promise.resolve(true);
    },
  };
}

function notesOf(...notes: unknown[]): InputNotes {
  return new Map(notes.map((note, n) => [`in${n}`, note]));
}

Deno.test("positions of a group are committed with the output, by one output alone", async () => {
  const groups = new InputGroups("c", testPlace().log);
  const note = new GroupEpoch("g", "c", OFFSETS);
  const session = sessionThat("commits");
  await groups.commit(notesOf(note, "another input's"), session);
  await groups.commit(notesOf(note), session);
  assertEquals([session.committed, note.isTaken], [["g"], true]);
});

for (
  const [what, note, session] of [
    ["another cluster", new GroupEpoch("g", "d", OFFSETS), sessionThat("commits")],
    ["an unknown cluster", new GroupEpoch("g", null, OFFSETS), sessionThat("commits")],
    ["nothing that was read", new GroupEpoch("g", "c", []), sessionThat("commits")],
    [
      "an epoch without records",
      new GroupEpoch("g", "c", OFFSETS),
      sessionThat("has no transaction"),
    ],
  ] as const
) {
  Deno.test(`positions of ${what} are left to the input`, async () => {
    await new InputGroups("c", testPlace().log).commit(notesOf(note), session);
    assertEquals([session.committed, note.isTaken], [[], false]);
  });
}

for (const code of [12, 22, 24, 25, 28, 29, 30, 35, 69]) {
  Deno.test(`positions that may not be committed (${code}) are left to the input, with one warning`, async () => {
    const { log, logged } = testPlace();
    const groups = new InputGroups("c", log);
    for (let epoch = 0; epoch < 2; epoch++) {
      const note = new GroupEpoch("g", "c", OFFSETS);
      await groups.commit(notesOf(note), sessionThat(code));
      assertEquals(note.isTaken, false);
    }
    assertEquals(logged, ["warn: positions are not committed together with the output"]);
  });
}

Deno.test("positions of a group whose coordinator is away are left to the input for a while", async () => {
  const { log, logged } = testPlace();
  let now = 0;
  const groups = new InputGroups("c", log, () => now);
  let asked = 0;
  const isTaken = async (commitOffsets: () => Promise<boolean>) => {
    const note = new GroupEpoch("g", "c", OFFSETS);
    await groups.commit(notesOf(note), { commitOffsets: () => (asked++, commitOffsets()) });
    return note.isTaken;
  };
  const away = () => Promise.reject(new GroupAwayError("the coordinator of group g is away"));
  const there = () => Promise.resolve(true);
  assertEquals([await isTaken(away), asked], [false, 1]);
  now = 29_999;
  assertEquals([await isTaken(there), asked], [false, 1]); // not asked again yet
  now = 30_000;
  assertEquals([await isTaken(there), asked], [true, 2]);
  assertEquals([await isTaken(there), asked], [true, 3]);
  assertEquals(logged, ["warn: positions are not committed together with the output"]);
});

Deno.test("a transaction that is refused with the positions ends the run, as it cannot be committed", async () => {
  for (const code of [47, 90, 53]) {
    const groups = new InputGroups("c", testPlace().log);
    const note = new GroupEpoch("g", "c", OFFSETS);
    await assertRejects(() => groups.commit(notesOf(note), sessionThat(code)));
    assertEquals(note.isTaken, false);
  }
});

Deno.test("positions of an epoch are recognised by all their offsets", () => {
  const epoch = new GroupEpoch("g", "c", OFFSETS);
  assertEquals(epoch.has([{ topic: "in", partition: 0, offset: 7n }]), true);
  for (
    const others of [
      [],
      [{ topic: "in", partition: 0, offset: 8n }],
      [{ topic: "in", partition: 1, offset: 7n }],
      [...OFFSETS, { topic: "in", partition: 1, offset: 7n }],
    ]
  ) assertEquals(epoch.has(others), false);
});
