/**
 * A worker process of a group: it loads the flow, opens the log, and runs the tasks that its
 * supervisor gives it.
 *
 * @module
 */
import { systemClock } from "../../../core/clock.ts";
import { messageOf } from "../../../core/errors.ts";
import { createLog, isAtLeast, type Log, type LogLevel } from "../../../core/log.ts";
import { rangesOf, type TaskId } from "../../../core/task_id.ts";
import type { GroupLog } from "../../../group/log.ts";
import type { LogModule } from "../../../group/log_module.ts";
import { cutFlow } from "../../group/cut_flow.ts";
import { describeFlow } from "../../flow_description.ts";
import { RestoreReport } from "../../group/restore_report.ts";
import { TaskRunner } from "../../group/task_runner.ts";
import { openTelemetry, type WorkerTelemetry } from "../../worker_telemetry.ts";
import { whileLoading } from "../../nesting.ts";
import type { ControlLink } from "../control_link.ts";
import { FAILED } from "../exit_code.ts";
import { loadFlow } from "../load_flow.ts";
import type { Memory } from "../run_monitor.ts";
import type { FromTaskWorker, ToTaskWorker } from "./messages.ts";
import { TaskHost } from "./task_host.ts";

/** The link to the supervisor, from the worker's end. */
export type SupervisorLink = Pick<
  ControlLink<ToTaskWorker, FromTaskWorker>,
  "send" | "messages" | "flushed" | "isSending"
>;

/** The worker of this process, from `load` to its end. */
export class TaskWorker {
  readonly #link: SupervisorLink;
  readonly #host: TaskHost;
  readonly #exit: (code: number) => void;
  readonly #ended = new AbortController();
  #groupLog: GroupLog | null = null;
  #ownMetrics: WorkerTelemetry["ownMetrics"] = null;
  #status: ReturnType<typeof setInterval> | undefined;
  #isLeaving = false;

  /** `exit` ends the process. */
  constructor(link: SupervisorLink, exit: (code: number) => void = Deno.exit) {
    this.#link = link;
    this.#exit = exit;
    this.#host = new TaskHost({
      send: (message) => link.send(message),
      leave: () => void this.#leave(FAILED),
      clock: systemClock,
      memory: memoryNow,
    });
  }

  /**
   * Follows the supervisor. Returns when it has gone.
   *
   * It waits for nothing but messages. A flow file that never finishes loading must not hide that
   * the supervisor has gone.
   */
  async follow(): Promise<void> {
    for await (const message of this.#link.messages()) {
      if (message.kind === "load") void this.#load(message).catch((thrown) => this.fail(thrown));
      else this.#host.take(message);
    }
  }

  /** Reports a failure, and leaves. */
  fail(thrown: unknown): void {
    this.#host.fail(thrown);
  }

  async #load(message: LoadMessage): Promise<void> {
    const { moduleUrl, exportName, app, memberId, shards, protocol, guarantee } = message;
    const { groupId, commitIntervalMs, cacheFolder, waitsForBrokers, lateCommits } = message;
    const graph = await whileLoading(() => loadFlow(moduleUrl, exportName, Deno.args));
    const { topicsOf, openGroupLog }: LogModule = await import(message.logModule);
    const cut = cutFlow(graph, { shards, topicsOf });
    const log = this.#log(message.logLevel);
    const { topology } = cut;
    const { signal } = this.#ended;
    const options = {
      graph,
      app,
      groupId,
      memberId,
      topology,
      protocol,
      guarantee,
      cacheFolder,
      waitsForBrokers,
      log,
      signal,
    };
    const telemetry = openTelemetry(graph, message.worker, log);
    if (telemetry !== null) this.#ownMetrics = (await telemetry).ownMetrics;
    this.#groupLog = await openGroupLog(options);
    if (this.#isLeaving) return await this.#groupLog.close();
    const started: TaskId[] = []; // many begin within moments, and get one line
    const tellStarted = () => {
      if (started.length > 0) log.info("tasks running", { tasks: rangesOf(started.splice(0)) });
    };
    const runner = new TaskRunner({
      cut,
      groupLog: this.#groupLog,
      identity: this.#host.identity,
      intervalMs: commitIntervalMs,
      lateCommits,
      clock: systemClock,
      log,
      observer: {
        ...this.#host.observer,
        started: (task) => {
          this.#host.observer.started?.(task);
          started.push(task);
          if (!runner.progress.some(({ phase }) => phase === "restoring")) tellStarted();
        },
      },
    });
    runner.over.then(() => this.#leave(0), (thrown) => this.fail(thrown));
    this.#host.loaded(runner, describeFlow(graph, 2)); // exchanges are cut, as for several workers
    const report = new RestoreReport(systemClock, log);
    this.#status = setInterval(() => {
      tellStarted();
      report.look(runner.progress);
      // A supervisor that stands still would get all of them.
      if (!this.#link.isSending) this.#host.tellStatus();
      this.#ownMetrics?.record();
    }, message.statusMs);
  }

  #log(least: LogLevel): Log {
    return createLog((level, message, fields) => {
      if (isAtLeast(level, least)) this.#host.log(level, message, fields);
    });
  }

  /** The first one counts: what fails afterwards does because of that. */
  async #leave(code: number): Promise<void> {
    if (this.#isLeaving) return;
    this.#isLeaving = true;
    clearInterval(this.#status);
    this.#ownMetrics?.record();
    await this.#link.flushed(); // the supervisor is to know, even if closing takes its time
    this.#ended.abort();
    try {
      await this.#groupLog?.close();
    } catch (thrown) {
      // What counts is committed by now, and others wait for the end of this process.
      this.#host.log("warn", "the log of the group did not close", { error: messageOf(thrown) });
    }
    await this.#link.flushed();
    this.#exit(Deno.exitCode || code);
  }
}

function memoryNow(): Memory {
  const { rss, heapUsed } = Deno.memoryUsage();
  return { rss, heapUsed };
}

type LoadMessage = Extract<ToTaskWorker, { kind: "load" }>;
