/**
 * Replaces a running flow when its code changes.
 *
 * ```text
 *   a change ──▶ new workers load the new code          the old run goes on
 *                it is checked, also against the state  an error is shown: the old run goes on
 *                the old run is stopped gracefully      its last epoch is committed
 *                the new run begins from there
 * ```
 *
 * So the pause is only as long as a stop, and a start of workers that are there already. If no run
 * goes on, as it has failed or its inputs have ended, the next change begins one. A change while
 * code is being loaded makes that void: the last one counts.
 *
 * @module
 */
import { exitCodeOf } from "../../runtime/process/exit_code.ts";

/** The code of a flow as it was at one moment. */
export interface Code {
  /** Resolves when workers have loaded it. */
  readonly loaded: Promise<void>;
  /** Resolves when its run is over. Rejects with what the code or the run failed with. */
  readonly over: Promise<{ readonly exitCode: number; readonly stopped: boolean }>;
  /** Has it run. */
  begin(): void;
  /** Rejects if `next` could not go on with the state of this run. */
  refuseMisfit(next: Code): Promise<void>;
  /** Stops the run gracefully. */
  stop(): void;
  /** Stops it at once: it fails. */
  kill(): void;
}

/** What a reloader needs, and whom it tells. */
export interface ReloadHost {
  /** Begins to load the code as it is now. */
  load(): Code;
  /** Checks that code by other means. Rejects if it is refused. */
  check(): Promise<void>;
  /** The inputs of the last run have ended: the next one is not to go on from its end. */
  startsOver(): Promise<void>;
  /** The old run makes room for new code. */
  reloads(): void;
  /** New code is refused; `goesOn` tells whether the old run does. */
  refused(error: unknown, goesOn: boolean): void;
  /** A run has failed; `isReplaced` tells whether new code is being loaded already. */
  failed(error: unknown, isReplaced: boolean): void;
  /** The inputs of a run have ended: the next change begins another one. */
  finished(): void;
}

/** Runs a flow, and its code again whenever it has changed, until it is stopped. */
export class Reloader {
  readonly #host: ReloadHost;
  #hasChanged = true; // nothing is loaded
  #isStopping = false;
  #isReloading = false; // the run that ends is replaced
  #current: Code | null = null; // that runs
  #following: Promise<void> = Promise.resolve(); // until that is over
  #fresh: Code | null = null; // that is loaded
  #hasFinished = false;
  #exitCode = 0;
  #failure: { readonly error: unknown } | null = null; // that nobody has been shown
  #event: PromiseWithResolvers<false> = Promise.withResolvers();

  /** Starts nothing yet. */
  constructor(host: ReloadHost) {
    this.#host = host;
  }

  /**
   * Runs the flow. Returns the exit code once it has been stopped: that of the last run.
   *
   * @throws {Error} What the last run failed with while it was stopped.
   */
  async run(): Promise<number> {
    while (!this.#isStopping) {
      if (this.#hasChanged) await this.#reload();
      else await this.#event.promise;
    }
    await this.#following;
    if (this.#failure !== null) throw this.#failure.error;
    return this.#exitCode;
  }

  /** The code has changed. */
  change(): void {
    this.#hasChanged = true;
    this.#wake();
  }

  /** Whether new code continues from where the run ends. */
  get isReloading(): boolean {
    return this.#isReloading && !this.#isStopping;
  }

  /** Stops the run gracefully, and runs nothing more. */
  stop(): void {
    this.#isStopping = true;
    this.#current?.stop();
    this.#wake();
  }

  /** Stops at once: the run fails. */
  kill(): void {
    this.stop();
    this.#current?.kill();
    this.#fresh?.kill();
  }

  async #reload(): Promise<void> {
    this.#hasChanged = false;
    const fresh = await this.#load();
    if (fresh === null) return;
    if (this.#current !== null) {
      this.#isReloading = true;
      this.#host.reloads();
      this.#current.stop();
      await this.#following;
      this.#isReloading = false;
    }
    if (this.#hasFinished && !this.#isStopping) await this.#host.startsOver();
    this.#fresh = null;
    if (this.#isStopping) return await ended(fresh);
    this.#hasFinished = false;
    this.#current = fresh;
    this.#following = this.#follow(fresh);
    fresh.begin();
  }

  /** Returns code that can run; `null` where it is refused, or not wanted any more. */
  async #load(): Promise<Code | null> {
    const fresh = this.#fresh = this.#host.load();
    try {
      if (await this.#unlessInterrupted(this.#check(fresh))) return fresh;
    } catch (error) {
      if (!this.#isInterrupted) this.#refuse(error);
    }
    await ended(fresh);
    this.#fresh = null;
    return null;
  }

  async #check(fresh: Code): Promise<void> {
    await Promise.all([fresh.loaded, this.#host.check()]);
    await this.#current?.refuseMisfit(fresh);
  }

  #refuse(error: unknown): void {
    if (this.#current === null) this.#exitCode = exitCodeOf(error);
    this.#host.refused(error, this.#current !== null);
  }

  /** Follows a run to its end. */
  async #follow(code: Code): Promise<void> {
    try {
      const { exitCode, stopped } = await code.over;
      this.#exitCode = exitCode;
      this.#hasFinished = !stopped;
      if (stopped) this.#isStopping ||= !this.#isReloading; // it was told to by a worker
      else if (this.#fresh === null && !this.#isStopping) this.#host.finished();
    } catch (error) {
      this.#exitCode = exitCodeOf(error);
      if (this.#isStopping) this.#failure = { error };
      else this.#host.failed(error, this.#fresh !== null);
    }
    this.#current = null;
    this.#wake();
  }

  get #isInterrupted(): boolean {
    return this.#hasChanged || this.#isStopping;
  }

  /** Returns whether `work` was done before it was interrupted. */
  async #unlessInterrupted(work: Promise<void>): Promise<boolean> {
    const done = work.then(() => true);
    done.catch(() => {}); // nobody may wait for it any more
    while (!this.#isInterrupted) {
      if (await Promise.race([done, this.#event.promise])) return true;
    }
    return false;
  }

  #wake(): void {
    const { resolve } = this.#event;
    this.#event = Promise.withResolvers();
    resolve(false);
  }
}

/** Ends code that does not run yet. */
async function ended(code: Code): Promise<void> {
  code.kill();
  await code.over.catch(() => {}); // it fails as it is killed, or has failed and been shown
}
