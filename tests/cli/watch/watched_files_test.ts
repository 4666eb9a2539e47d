import { assertEquals } from "@std/assert";
import { type FileVersion, WatchedFiles } from "../../../src/cli/watch/watched_files.ts";
import { TestClock } from "../../support/clock/test_clock.ts";
import { idle } from "../../support/eventually.ts";

/** Files that are there in this test only. */
class MadeUpFiles {
  readonly clock = new TestClock(10_000);
  readonly versions = new Map<string, FileVersion>();
  changes = 0;
  readonly files = new WatchedFiles(() => this.changes++, {
    clock: this.clock,
    look: (path) => Promise.resolve(this.versions.get(path) ?? null),
  });
  #writes = 0;

  write(...paths: string[]): void {
    for (const path of paths) {
      this.versions.set(path, { id: String(this.#writes++), writtenAt: this.clock.at });
    }
  }

  /** Lets time pass; returns how many changes it has brought. */
  async pass(ms: number): Promise<number> {
    const before = this.changes;
    for (let passed = 0; passed < ms; passed += 50) {
      this.clock.advance(50);
      await idle(3);
    }
    return this.changes - before;
  }
}

/** Two files that are watched, and have been for a while. */
async function watched(): Promise<MadeUpFiles> {
  const made = new MadeUpFiles();
  made.write("a.ts", "b.ts");
  await made.files.watch(["a.ts", "b.ts"], Infinity);
  made.files.start();
  assertEquals(await made.pass(1_000), 0);
  return made;
}

Deno.test("a file that is written counts once, within a fifth of a second", async () => {
  const made = await watched();
  made.write("b.ts");
  assertEquals(await made.pass(200), 1);
  assertEquals(await made.pass(1_000), 0);
  made.write("other.ts");
  assertEquals(await made.pass(1_000), 0);
});

Deno.test("files that are written one after another count once, when all are", async () => {
  const made = await watched();
  for (const path of ["a.ts", "b.ts", "a.ts", "a.ts"]) {
    made.write(path);
    assertEquals(await made.pass(100), 0);
  }
  assertEquals(await made.pass(200), 1);
});

Deno.test("a file that is deleted for a moment counts once it is there again", async () => {
  const made = await watched();
  made.versions.delete("a.ts");
  assertEquals(await made.pass(600), 0);
  made.write("a.ts");
  assertEquals(await made.pass(200), 1);
});

Deno.test("a file that stays away counts after a second, and once more when it comes back", async () => {
  const made = await watched();
  made.versions.delete("a.ts");
  assertEquals(await made.pass(1_100), 1);
  assertEquals(await made.pass(2_000), 0);
  made.write("a.ts");
  assertEquals(await made.pass(200), 1);
});

Deno.test("a file that is put back as it was does not count", async () => {
  const made = await watched();
  const version = made.versions.get("a.ts")!;
  made.versions.delete("a.ts");
  await made.pass(300);
  made.versions.set("a.ts", version);
  assertEquals(await made.pass(2_000), 0);
});

Deno.test("files that a reload has found count from then on, and those that are gone do not", async () => {
  const made = await watched();
  made.write("c.ts");
  const loadedAt = made.clock.at + 1;
  await made.files.watch(["a.ts", "c.ts", "missing.ts"], loadedAt);
  assertEquals(made.files.paths, ["a.ts", "c.ts", "missing.ts"]);
  assertEquals(await made.pass(1_000), 0);
  for (const path of ["c.ts", "missing.ts"]) {
    made.write(path);
    assertEquals(await made.pass(200), 1, path);
  }
  made.write("b.ts");
  assertEquals(await made.pass(1_000), 0);
});

Deno.test("a new file that was written after loading began counts as changed", async () => {
  const made = await watched();
  const loadedAt = made.clock.at;
  await made.pass(50);
  made.write("c.ts");
  await made.files.watch(["a.ts", "c.ts"], loadedAt);
  assertEquals(await made.pass(200), 1);
  assertEquals(await made.pass(1_000), 0);
});

Deno.test("what was written before loading began is not changed by a new list of files", async () => {
  const made = await watched();
  made.write("a.ts"); // and it is noticed at the next look only
  await made.files.watch(["a.ts"], made.clock.at - 1);
  assertEquals(await made.pass(200), 1);
});

Deno.test("nothing is looked at after a stop", async () => {
  const made = await watched();
  made.write("a.ts");
  made.files.stop();
  assertEquals(await made.pass(1_000), 0);
  assertEquals(made.clock.sleeps, []);
});

Deno.test("files on the disk: written, replaced by another, gone, and a folder", async () => {
  const folder = await Deno.makeTempDir();
  try {
    const path = `${folder}/a.ts`;
    const clock = new TestClock();
    let changes = 0;
    const files = new WatchedFiles(() => changes++, { clock });
    await files.watch([path], Infinity);
    files.start();
    const steps = [
      () => Deno.writeTextFile(path, "1"),
      () => Deno.writeTextFile(path, "22"),
      async () => {
        await Deno.writeTextFile(`${folder}/b.ts`, "33");
        await Deno.rename(`${folder}/b.ts`, path);
      },
      () => Deno.remove(path),
      () => Deno.mkdir(path), // as good as nothing
      async () => {
        await Deno.remove(path);
        await Deno.writeTextFile(path, "4");
      },
    ];
    const seen: number[] = [];
    for (const step of steps) {
      await step();
      for (let looks = 0; looks < 12; looks++) {
        clock.advance(100);
        // The next look is planned when this one has come to its end.
        while (clock.sleeps.length === 0) await new Promise((resolve) => setTimeout(resolve, 0));
      }
      seen.push(changes);
    }
    files.stop();
    assertEquals(seen, [1, 2, 3, 4, 4, 5]);
  } finally {
    await Deno.remove(folder, { recursive: true });
  }
});
