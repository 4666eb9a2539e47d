import {
  assert,
  assertEquals,
  assertNotEquals,
  assertStringIncludes,
  assertThrows,
} from "@std/assert";
import { join } from "node:path";
import { silentLog } from "../../../../src/core/log.ts";
import { UsageError } from "../../../../src/core/errors.ts";
import { openStateFolder } from "../../../../src/runtime/process/group/state_folder.ts";
import { recordingLog } from "../../../support/recording_log.ts";

/** Calls `body` with a folder, which is gone afterwards. */
function withFolder(body: (dir: string) => void): void {
  const dir = Deno.makeTempDirSync();
  try {
    body(dir);
  } finally {
    Deno.removeSync(dir, { recursive: true });
  }
}

const idsOf = (dir: string, app: string, workers: number) => {
  using folder = openStateFolder(dir, app, workers, silentLog);
  return [folder.processId, ...folder.memberIds];
};

Deno.test("a machine keeps its ids, with more workers, fewer, and as many again", () => {
  withFolder((parent) => {
    const dir = join(parent, "not", "there");
    const two = idsOf(dir, "orders", 2);
    const three = idsOf(dir, "orders", 3);
    assertEquals(three.slice(0, 3), two);
    assertEquals(new Set(three).size, 4);
    assertEquals(idsOf(dir, "orders", 1), two.slice(0, 2));
    const folder = openStateFolder(dir, "orders", 1, silentLog);
    assertEquals(folder.formerIds, three.slice(2));
    folder[Symbol.dispose]();
    assertEquals(idsOf(dir, "orders", 3), three);
    assertNotEquals(idsOf(dir, "other", 2), two);
  });
});

Deno.test("a folder belongs to one process at a time", () => {
  withFolder((dir) => {
    using first = openStateFolder(dir, "orders", 1, silentLog);
    assertThrows(
      () => openStateFolder(dir, "orders", 1, silentLog),
      UsageError,
      `another process of this machine runs with ${first.path}`,
    );
    openStateFolder(dir, "other", 1, silentLog)[Symbol.dispose]();
  });
});

Deno.test("what is damaged, or newer, is named, and the folder is free afterwards", () => {
  withFolder((dir) => {
    const [processId, memberId] = idsOf(dir, "orders", 1);
    const file = join(dir, "orders", "node.json");
    const node = { format: 1, processId, memberIds: [memberId] };
    for (
      const [text, message] of [
        ["{", "node.json is damaged: remove it"],
        ["null", "node.json is damaged"],
        [JSON.stringify({ ...node, memberIds: [memberId, memberId] }), "is damaged"],
        [JSON.stringify({ ...node, processId: "me" }), "is damaged"],
        [JSON.stringify({ ...node, format: 2 }), "newer version (format 2)"],
      ]
    ) {
      Deno.writeTextFileSync(file, text);
      assertThrows(() => idsOf(dir, "orders", 1), UsageError, message);
    }
    Deno.writeTextFileSync(file, JSON.stringify(node));
    assertEquals(idsOf(dir, "orders", 1), [processId, memberId]);
  });
});

Deno.test("a folder that cannot be made is named, with the cure", () => {
  withFolder((dir) => {
    const file = join(dir, "file");
    Deno.writeTextFileSync(file, "");
    assertThrows(() => idsOf(file, "orders", 1), UsageError, `--state-dir ${file} cannot be used`);
  });
});

Deno.test({
  name: "a folder where the system makes none is not said to be missing",
  ignore: Deno.build.os !== "linux",
  fn: () => {
    const { message } = assertThrows(() => idsOf("/proc/millrace", "orders", 1), UsageError);
    assertStringIncludes(message, "--state-dir /proc/millrace cannot be used: it cannot be made (");
  },
});

Deno.test("without a folder, a temporary one is used, which is said, and removed", () => {
  const { log, warnings } = recordingLog();
  const folder = openStateFolder(null, "orders", 2, log);
  assert(Deno.statSync(folder.path).isDirectory);
  folder[Symbol.dispose]();
  assertThrows(() => Deno.statSync(folder.path), Deno.errors.NotFound);
  assertThrows(() => Deno.statSync(join(folder.path, "..")), Deno.errors.NotFound);
  assertEquals(warnings.length, 1);
  assert(warnings[0].startsWith("without --state-dir"));
});

Deno.test("a temporary folder that cannot be removed is told of, and fails nothing", () => {
  const { log, warnings } = recordingLog();
  const folder = openStateFolder(null, "orders", 1, log);
  const { removeSync } = Deno;
  Deno.removeSync = () => {
    throw Object.assign(new Error("busy"), { code: "EACCES" });
  };
  try {
    folder[Symbol.dispose]();
  } finally {
    Deno.removeSync = removeSync;
  }
  assertStringIncludes(warnings[1], " cannot be removed: this user lacks permission");
  Deno.removeSync(join(folder.path, ".."), { recursive: true });
});
