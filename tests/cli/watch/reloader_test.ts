import { assertEquals, assertRejects } from "@std/assert";
import { type Code, Reloader, type ReloadHost } from "../../../src/cli/watch/reloader.ts";
import { idle } from "../../support/eventually.ts";

/** Code that the test plays. What happens to it is noted as `2 begins`. */
class PlayedCode implements Code {
  readonly loading: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly running: PromiseWithResolvers<{ exitCode: number; stopped: boolean }> = Promise
    .withResolvers();
  /** What it says about the code that is to follow. */
  misfit: Promise<void> = Promise.resolve();
  readonly #note: (what: string) => void;

  constructor(note: (what: string) => void) {
    this.#note = note;
    this.loading.promise.catch(() => {});
    this.running.promise.catch(() => {});
    note("loads");
  }

  get loaded(): Promise<void> {
    return this.loading.promise;
  }

  get over(): Promise<{ exitCode: number; stopped: boolean }> {
    return this.running.promise;
  }

  begin(): void {
    this.#note("begins");
  }

  refuseMisfit(): Promise<void> {
    return this.misfit;
  }

  stop(): void {
    this.#note("stops");
  }

  kill(): void {
    this.#note("is killed");
    this.fails(new Error("killed"));
  }

  /** The code cannot be loaded, or its run fails. */
  fails(error: Error): void {
    this.loading.reject(error);
    this.running.reject(error);
  }

  /** It has been stopped. */
  stopped(exitCode = 0): void {
    this.running.resolve({ exitCode, stopped: true });
  }

  /** Its inputs have ended. */
  ends(exitCode = 0): void {
    this.running.resolve({ exitCode, stopped: false });
  }
}

/** A reloader whose code the test plays. */
class PlayedReloads implements ReloadHost {
  readonly codes: PlayedCode[] = [];
  readonly reloader = new Reloader(this);
  readonly done: Promise<number>;
  check: () => Promise<void> = () => Promise.resolve();
  #seen: string[] = [];

  constructor() {
    this.done = this.reloader.run();
    this.done.catch(() => {}); // some tests look later
  }

  /** What has happened since this was asked last. */
  async seen(): Promise<string[]> {
    await idle();
    return this.#seen.splice(0);
  }

  /** The newest code. */
  get code(): PlayedCode {
    return this.codes.at(-1)!;
  }

  /** The newest code has been loaded; returns what happens then. */
  async loaded(): Promise<string[]> {
    this.code.loading.resolve();
    return await this.seen();
  }

  load(): Code {
    const number = this.codes.length + 1;
    const code = new PlayedCode((what) => void this.#seen.push(`${number} ${what}`));
    this.codes.push(code);
    return code;
  }

  startsOver(): Promise<void> {
    this.#seen.push("starts over");
    return Promise.resolve();
  }

  reloads(): void {
    this.#seen.push("reloads");
  }

  refused(error: unknown, goesOn: boolean): void {
    this.#seen.push(`refused: ${(error as Error).message}, ${goesOn ? "goes on" : "waits"}`);
  }

  failed(error: unknown, isReplaced: boolean): void {
    this.#seen.push(`failed: ${(error as Error).message}, ${isReplaced ? "replaced" : "waits"}`);
  }

  finished(): void {
    this.#seen.push("finished");
  }
}

/** A reloader whose first code runs. */
async function running(): Promise<PlayedReloads> {
  const played = new PlayedReloads();
  assertEquals(await played.seen(), ["1 loads"]);
  assertEquals(await played.loaded(), ["1 begins"]);
  return played;
}

Deno.test("new code is loaded while the old runs, and begins once that has stopped", async () => {
  const played = await running();
  played.reloader.change();
  assertEquals(await played.seen(), ["2 loads"]);
  assertEquals(await played.loaded(), ["reloads", "1 stops"]);
  played.codes[0].stopped();
  assertEquals(await played.seen(), ["2 begins"]);
  played.reloader.stop();
  assertEquals(await played.seen(), ["2 stops"]);
  played.code.stopped(3);
  assertEquals(await played.done, 3);
});

Deno.test("what cannot be loaded, is refused by a check, or does not fit, leaves the old run", async () => {
  const played = await running();
  played.reloader.change();
  await played.seen();
  played.code.fails(new Error("no syntax"));
  assertEquals(await played.seen(), ["refused: no syntax, goes on", "2 is killed"]);
  played.check = () => Promise.reject(new Error("no type"));
  played.reloader.change();
  assertEquals(await played.seen(), ["3 loads", "refused: no type, goes on", "3 is killed"]);
  played.check = () => Promise.resolve();
  played.codes[0].misfit = Promise.reject(new Error("no step"));
  played.codes[0].misfit.catch(() => {});
  played.reloader.change();
  await played.seen();
  assertEquals(await played.loaded(), ["refused: no step, goes on", "4 is killed"]);
  played.codes[0].misfit = Promise.resolve();
  played.reloader.change();
  await played.seen();
  assertEquals(await played.loaded(), ["reloads", "1 stops"]);
});

Deno.test("a change while code is loaded makes that void: the last one counts", async () => {
  const played = await running();
  played.reloader.change();
  await played.seen();
  played.reloader.change();
  assertEquals(await played.seen(), ["2 is killed", "3 loads"]);
  played.reloader.change();
  played.reloader.change();
  assertEquals(await played.seen(), ["3 is killed", "4 loads"]);
  assertEquals(await played.loaded(), ["reloads", "1 stops"]);
});

Deno.test("an error of code that has been changed meanwhile is not shown", async () => {
  for (const changesFirst of [true, false]) {
    const played = await running();
    played.reloader.change();
    await played.seen();
    if (changesFirst) played.reloader.change();
    played.code.fails(new Error("half a file"));
    if (!changesFirst) played.reloader.change();
    assertEquals(await played.seen(), ["2 is killed", "3 loads"]);
  }
});

Deno.test("a change while the old run stops is loaded after the code that follows it", async () => {
  const played = await running();
  played.reloader.change();
  await played.seen();
  await played.loaded();
  played.reloader.change();
  assertEquals(await played.seen(), []);
  played.codes[0].stopped();
  assertEquals(await played.seen(), ["2 begins", "3 loads"]);
  assertEquals(await played.loaded(), ["reloads", "2 stops"]);
  played.codes[1].stopped();
  assertEquals(await played.seen(), ["3 begins"]);
});

Deno.test("code that fails waits for the next change, which goes on from the last snapshot", async () => {
  const played = await running();
  played.code.fails(new Error("step"));
  assertEquals(await played.seen(), ["failed: step, waits"]);
  played.reloader.change();
  assertEquals(await played.seen(), ["2 loads"]);
  assertEquals(await played.loaded(), ["2 begins"]);
});

Deno.test("an old run that fails makes room for the new code as one that stops", async () => {
  for (const isLoaded of [true, false]) {
    const played = await running();
    played.reloader.change();
    await played.seen();
    if (isLoaded) await played.loaded();
    played.codes[0].fails(new Error("step"));
    const seen = await played.seen();
    assertEquals(seen.shift(), "failed: step, replaced");
    assertEquals(isLoaded ? seen : await played.loaded(), ["2 begins"]);
  }
});

Deno.test("a flow that has finished waits for a change, and starts over then", async () => {
  const played = await running();
  played.code.ends();
  assertEquals(await played.seen(), ["finished"]);
  played.reloader.change();
  assertEquals(await played.seen(), ["2 loads"]);
  assertEquals(await played.loaded(), ["starts over", "2 begins"]);
  played.code.fails(new Error("step"));
  await played.seen();
  played.reloader.change();
  await played.seen();
  assertEquals(await played.loaded(), ["3 begins"]); // the last one did not finish
});

Deno.test("a flow that finishes while new code is loaded starts over too", async () => {
  const played = await running();
  played.reloader.change();
  await played.seen();
  await played.loaded();
  played.codes[0].ends();
  assertEquals(await played.seen(), ["starts over", "2 begins"]);
});

Deno.test("the first code may be refused too, and the next change is loaded", async () => {
  const played = new PlayedReloads();
  await played.seen();
  played.code.fails(new Error("no syntax"));
  assertEquals(await played.seen(), ["refused: no syntax, waits", "1 is killed"]);
  played.reloader.change();
  await played.seen();
  assertEquals(await played.loaded(), ["2 begins"]);
});

Deno.test("a stop ends the reloader wherever it is, and nothing begins after it", async () => {
  const loading = new PlayedReloads();
  await loading.seen();
  loading.reloader.stop();
  assertEquals([await loading.seen(), await loading.done], [["1 is killed"], 0]);

  const reloading = await running();
  reloading.reloader.change();
  await reloading.seen();
  await reloading.loaded();
  reloading.reloader.stop();
  reloading.codes[0].stopped();
  assertEquals(await reloading.seen(), ["1 stops", "2 is killed"]);
  assertEquals(await reloading.done, 0);

  const finished = await running();
  finished.code.ends(4);
  await finished.seen();
  finished.reloader.stop();
  assertEquals(await finished.done, 4);

  const failed = await running();
  failed.code.fails(new Error("step"));
  await failed.seen();
  failed.reloader.stop();
  assertEquals(await failed.done, 1);
});

Deno.test("a worker that is told to stop ends the reloader", async () => {
  const played = await running();
  played.code.stopped();
  assertEquals(await played.done, 0);
});

Deno.test("what a run fails with while it is stopped is thrown", async () => {
  const played = await running();
  played.reloader.stop();
  played.reloader.kill();
  await assertRejects(() => played.done, Error, "killed");
});

Deno.test("a run continues in new code, unless the command is stopped meanwhile", async () => {
  const played = await running();
  const { reloader } = played;
  const [first] = played.codes;
  assertEquals(reloader.isReloading, false);
  reloader.change();
  await played.seen();
  assertEquals(reloader.isReloading, false);
  assertEquals(await played.loaded(), ["reloads", "1 stops"]);
  assertEquals(reloader.isReloading, true);
  reloader.stop();
  assertEquals(reloader.isReloading, false);
  first.stopped();
  await played.done;
});
