/**
 * A process that loads a flow for its supervisor, which runs no code of flows. It finds out how the
 * flow is cut, prepares the group, and makes tokens for the cluster.
 *
 * @module
 */
import type { GroupTopology } from "../../../group/topology.ts";
import { fromFailure } from "../failure.ts";
import type { FromDescriber, ToDescriber } from "./messages.ts";
import { type GroupProcessOptions, type LinkedProcess, spawnLinked } from "./spawn_linked.ts";

/** What a process found out. */
export interface DescribedGroup extends LocatedFlow {
  readonly topology: GroupTopology;
  readonly groupId: string;
  readonly protocol: string;
  /** When the group was ended on all machines last, before this one came; `null` if never. */
  readonly failedAt: number | null;
}

/** The cluster of a flow. */
export interface LocatedFlow {
  /** As `LocatedCluster.place`. */
  readonly place: unknown;
  /** Whether the cluster wants a {@linkcode FlowDescriber.token}. */
  readonly needsTokens: boolean;
}

/** What a describer is made with. */
export interface DescriberOptions extends GroupProcessOptions {
  /** What its process is told first. */
  readonly load: Extract<ToDescriber, { kind: "load" | "locate" }>;
  /** The process has been asked to stop by a signal. */
  readonly onStopRequested: () => void;
}

/** Describes a flow. Its process ends when it is disposed of. */
export class FlowDescriber implements AsyncDisposable {
  readonly #options: DescriberOptions;
  #run: DescriberRun;
  #isOver = false;

  /** Starts a process. */
  constructor(options: DescriberOptions) {
    this.#options = options;
    this.#run = new DescriberRun(options);
  }

  /**
   * Returns what it found out. The process goes on only if tokens are needed.
   *
   * @throws {Error} If the flow cannot be loaded, or the group cannot run it.
   */
  async describe(): Promise<DescribedGroup> {
    const described = await this.#run.described;
    if (!described.needsTokens) await this.#run.end();
    return described;
  }

  /**
   * The same, of a process that was told to locate the flow's cluster.
   *
   * @throws {Error} If the flow cannot be loaded, or has no cluster, or several.
   */
  async locate(): Promise<LocatedFlow> {
    const located = await this.#run.located;
    if (!located.needsTokens) await this.#run.end();
    return located;
  }

  /**
   * Returns a token for the cluster. Several may be asked for at the same time.
   *
   * @throws {Error} If the flow cannot make one, or its process ends before it has.
   */
  async token(): Promise<string> {
    if (this.#run.isOver && !this.#isOver) {
      this.#run = new DescriberRun({ ...this.#options, load: locating(this.#options.load) });
    }
    const run = this.#run;
    await run.located; // one that has just been started hears nothing yet
    return await run.token();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#isOver = true;
    await this.#run.end();
  }
}

/** What a process is told that is for tokens only: the group has been prepared before. */
function locating(
  { moduleUrl, exportName, logModule, logLevel }: DescriberOptions["load"],
): DescriberOptions["load"] {
  return { kind: "locate", moduleUrl, exportName, logModule, logLevel };
}

/** One process, from its start to its end. */
class DescriberRun {
  readonly #child: LinkedProcess<ToDescriber>;
  readonly #described: PromiseWithResolvers<DescribedGroup> = Promise.withResolvers();
  readonly #located: PromiseWithResolvers<LocatedFlow> = Promise.withResolvers();
  readonly #exited: PromiseWithResolvers<void> = Promise.withResolvers();
  readonly #tokens = new Map<number, PromiseWithResolvers<string>>();
  #requests = 0;
  isOver = false;

  constructor({ load, onStopRequested, ...options }: DescriberOptions) {
    this.#described.promise.catch(() => {}); // who asks for it gets the error
    this.#located.promise.catch(() => {});
    const { log } = options;
    const preload = import.meta.resolve("./flow_describer_main.ts");
    const { moduleUrl } = load;
    this.#child = spawnLinked<FromDescriber, ToDescriber>(
      { ...options, worker: 0, moduleUrl, preload, first: load },
      {
        said: (message) => {
          switch (message.kind) {
            case "described":
              this.#located.resolve(message);
              return this.#described.resolve(message);
            case "located":
              return this.#located.resolve(message);
            case "failed":
              return this.#fail(fromFailure(message.failure, 0));
            case "tokenTold":
              return this.#asked(message.number)?.resolve(message.token);
            case "tokenFailed":
              return this.#asked(message.number)?.reject(fromFailure(message.failure, 0));
            case "stopRequested":
              return onStopRequested();
            case "log":
              return log[message.level](message.message, message.fields);
          }
        },
        exited: (how) => {
          this.#fail(
            new Error(
              `the process that loads the flow ended ${how} before it was there (does the flow ` +
                "call Deno.exit?)",
            ),
          );
          this.#exited.resolve();
        },
      },
    );
  }

  get described(): Promise<DescribedGroup> {
    return this.#described.promise;
  }

  get located(): Promise<LocatedFlow> {
    return this.#located.promise;
  }

  token(): Promise<string> {
    const number = this.#requests++;
    const asked = Promise.withResolvers<string>();
    this.#tokens.set(number, asked);
    if (this.isOver) this.#fail(new Error("the process that makes tokens has ended"));
    else this.#child.send({ kind: "token", number });
    return asked.promise;
  }

  async end(): Promise<void> {
    this.#child.kill();
    await this.#exited.promise;
  }

  #asked(number: number): PromiseWithResolvers<string> | undefined {
    const asked = this.#tokens.get(number);
    this.#tokens.delete(number);
    return asked;
  }

  #fail(error: Error): void {
    this.isOver = true;
    this.#described.reject(error);
    this.#located.reject(error);
    for (const number of [...this.#tokens.keys()]) this.#asked(number)?.reject(error);
  }
}
