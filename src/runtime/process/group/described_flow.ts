/**
 * The other end of a `FlowDescriber`: loads the flow, and answers.
 *
 * @module
 */
import { createLog, isAtLeast, type Log, type LogLevel } from "../../../core/log.ts";
import type { LogModule } from "../../../group/log_module.ts";
import { cutFlow } from "../../group/cut_flow.ts";
import { itemsOf } from "../../group/shuffle_batch.ts";
import { whileLoading } from "../../nesting.ts";
import type { ControlLink } from "../control_link.ts";
import { FAILED } from "../exit_code.ts";
import { toFailure } from "../failure.ts";
import { loadFlow } from "../load_flow.ts";
import type { FromDescriber, ToDescriber } from "./messages.ts";

/** The link to the supervisor, from this end. */
export type DescriberLink = Pick<
  ControlLink<ToDescriber, FromDescriber>,
  "send" | "messages" | "flushed"
>;

/** The flow of this process. */
export class DescribedFlow {
  readonly #link: DescriberLink;
  readonly #exit: (code: number) => void;
  readonly #ended = new AbortController();
  #token: (() => Promise<string>) | null = null;

  /** `exit` ends the process. */
  constructor(link: DescriberLink, exit: (code: number) => void = Deno.exit) {
    this.#link = link;
    this.#exit = exit;
  }

  /** Follows the supervisor. Returns when it has gone. */
  async follow(): Promise<void> {
    for await (const message of this.#link.messages()) {
      if (message.kind === "load") void this.#load(message).catch((thrown) => this.fail(thrown));
      else if (message.kind === "token") void this.#tell(message.number);
      else void this.#locate(message).catch((thrown) => this.fail(thrown));
    }
    this.#ended.abort();
  }

  /** Reports a failure, and leaves. */
  async fail(thrown: unknown): Promise<void> {
    this.#link.send({ kind: "failed", failure: toFailure(thrown) });
    await this.#link.flushed();
    this.#exit(FAILED);
  }

  async #load(message: Extract<ToDescriber, { kind: "load" }>): Promise<void> {
    const { moduleUrl, exportName, app, shards, guarantee, logLevel } = message;
    const { dropSteps, waits } = message;
    const graph = await whileLoading(() => loadFlow(moduleUrl, exportName, Deno.args));
    const { topicsOf, checkFlow, prepareGroup }: LogModule = await import(message.logModule);
    checkFlow(graph, guarantee); // what it says is clearer than what the cut says
    const { topology } = cutFlow(graph, { shards, topicsOf });
    const { place, token, ...prepared } = await prepareGroup({
      graph,
      app,
      topology,
      guarantee,
      protocol: message.protocol,
      dropSteps,
      waits,
      itemsOf,
      log: this.#log(logLevel),
      signal: this.#ended.signal,
    });
    this.#token = token;
    const needsTokens = token !== null;
    this.#link.send({ kind: "described", topology, ...prepared, place, needsTokens });
  }

  async #locate(message: Extract<ToDescriber, { kind: "locate" }>): Promise<void> {
    const { moduleUrl, exportName, logModule, logLevel } = message;
    const graph = await whileLoading(() => loadFlow(moduleUrl, exportName, Deno.args));
    const { locateCluster }: LogModule = await import(logModule);
    const log = this.#log(logLevel);
    const { place, token } = await locateCluster({ graph, log, signal: this.#ended.signal });
    this.#token = token;
    this.#link.send({ kind: "located", place, needsTokens: token !== null });
  }

  async #tell(number: number): Promise<void> {
    try {
      if (this.#token === null) throw new Error("the cluster needs no token");
      this.#link.send({ kind: "tokenTold", number, token: await this.#token() });
    } catch (thrown) {
      this.#link.send({ kind: "tokenFailed", number, failure: toFailure(thrown) });
    }
  }

  #log(least: LogLevel): Log {
    return createLog((level, message, fields = {}) => {
      if (isAtLeast(level, least)) this.#link.send({ kind: "log", level, message, fields });
    });
  }
}
