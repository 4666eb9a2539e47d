/**
 * A connection to a Kafka cluster that comes back: what both connectors share.
 *
 * @module
 */
import { sleep } from "../../../core/promises.ts";
import type { Log } from "../../../core/log.ts";
import { Backoff, Outage, type WaitedFor } from "./backoff.ts";
import { BrokerPool, UnknownBrokerError } from "./broker_pool.ts";
import { type Coordinated, findCoordinator } from "../wire/find_coordinator.ts";
import { errorOfCode } from "../wire/error_codes.ts";
import type { KafkaBroker } from "./kafkajs.ts";
import { type ListedOffsets, listOffsets, type WhichOffset } from "../wire/list_offsets.ts";
import { fetchMetadata, type Metadata } from "../wire/metadata.ts";
import type { Brokers } from "../properties/options.ts";
import { positionName, type TopicPartition } from "../wire/topic_partition.ts";
import type { ConnectionSettings } from "../properties/connection_settings.ts";
import type { Isolation } from "../properties/input_settings.ts";
import { cureFor } from "../wire/request_versions.ts";
import { hintOf, refusalOf } from "./security.ts";
import { limited } from "./concurrency.ts";
import { errorKind, isAnswer, isFatal, messageOfKafka } from "./errors.ts";
import { Throttling } from "./throttling.ts";
import { advertisedHint, failedRequest, unknownHostHint } from "./unreachable.ts";
import { requireAnswers } from "../wire/wrong_answer.ts";

/** How long the first connection may take, in milliseconds. */
const FIRST_CONNECTION_MS = 10_000;

/**
 * How long brokers may not know a topic before it counts as missing, in milliseconds: those of a cluster
 * learn of a new topic one after the other.
 */
const MISSING_TOPIC_MS = 1_000;

/** How long a commit waits for a group's coordinator, in milliseconds: epochs wait for it meanwhile. */
const COORDINATOR_MS = 3_000;
const COORDINATOR_PAUSE_MS = 50;

const UNKNOWN_TOPIC_OR_PARTITION = 3;

/** What a broker said of our topics last. */
interface View {
  readonly at: number;
  readonly controllerId: number;
  readonly topics: ReadonlyMap<string, TopicView>;
}

/** A topic, by what is asked for. */
interface TopicView {
  readonly errorCode: number;
  /** The broker that leads each partition; -1 for none. */
  readonly leaders: ReadonlyMap<number, number>;
}

/** Brokers and what they know of topics, held until an error, or until it is old. */
export class KafkaConnection {
  readonly #brokers: Brokers;
  readonly #topics: readonly string[];
  readonly #isolation: Isolation;
  readonly #settings: ConnectionSettings;
  readonly #log: Log;
  readonly #signal: AbortSignal;
  readonly #pool: BrokerPool;
  readonly #outage: Outage;
  readonly #backoff: Backoff;
  #view: View | null = null;
  #looking: Promise<Metadata> | null = null;

  /** Connects to nothing yet. `signal` ends all waiting. */
  constructor(
    brokers: Brokers,
    topics: readonly string[],
    settings: ConnectionSettings,
    { log, signal, isolation = "read_committed" }: {
      log: Log;
      signal: AbortSignal;
      isolation?: Isolation;
    },
  ) {
    this.#brokers = brokers;
    this.#topics = topics;
    this.#isolation = isolation;
    this.#settings = settings;
    this.#log = log;
    this.#signal = signal;
    const throttling = new Throttling(log);
    this.#pool = new BrokerPool(brokers, settings, {
      log,
      onThrottled: (broker, ms) => throttling.asked(broker, ms),
      choose: (errors) => errors.find((error) => this.#refusalOf(error) !== null) ?? errors[0],
    });
    this.#outage = new Outage(
      (error, what) => {
        if (what === "topic") {
          const { topic = topics.join(",") } = error as { topic?: string };
          return log.warn("waiting for topic", {
            topic,
            error: "the brokers do not have it: was it deleted? If so, create it again",
          });
        }
        const hint = unknownHostHint(error, brokers);
        log.warn("waiting for broker", {
          brokers: brokers.join(","),
          topics: topics.join(","),
          error: messageOfKafka(error) + (hint === null ? "" : ` (${hint})`),
        });
      },
      (what) => log.warn(`${what} is back`, { topics: topics.join(",") }),
    );
    this.#backoff = this.backoff();
  }

  /**
   * Connects for the first time, makes sure that the topics are there, and asks for what is needed to
   * begin, all of it again where that fails. All of that together has a limit.
   *
   * @param options.limitMs The limit, in milliseconds.
   * @param options.missingMs How long brokers may say that a topic is not there before that is an error,
   * in milliseconds. Meanwhile they are asked in turns.
   * @param options.isWhole Whether the answer leaves nothing to wait for. Where it returns false, the log
   * does not say that the broker is back before {@linkcode succeeded} is called.
   * @throws {Error} If no broker is in reach in time, it refuses us, or has no such topic.
   */
  async open<R>(
    ask: () => Promise<R>,
    { limitMs = FIRST_CONNECTION_MS, missingMs = MISSING_TOPIC_MS, isWhole = () => true }: {
      readonly limitMs?: number;
      readonly missingMs?: number;
      readonly isWhole?: (answer: R) => boolean;
    } = {},
  ): Promise<R> {
    const deadline = performance.now() + limitMs;
    let missingUntil = Infinity; // then a missing topic is refused; set when one is missing first
    let before: unknown = null; // what went wrong last
    for (;;) {
      const cut = new Error("the brokers do not answer");
      try {
        const answer = await limited(this.#begin(ask), {
          ms: Math.max(deadline - performance.now(), 0),
          signal: this.#signal,
          cut: () => cut,
        });
        // An output may have nothing to send for long, and would go on waiting.
        if (isWhole(answer)) this.succeeded();
        return answer;
      } catch (error) {
        const silent = this.#pool.unanswered;
        this.drop();
        const isMissing = error instanceof MissingTopicError;
        if (isMissing) {
          const now = performance.now();
          missingUntil = Math.min(missingUntil, now + missingMs, deadline);
          if (now >= missingUntil) throw error;
        }
        const refusal = this.#refusalOf(error);
        if (refusal !== null) throw this.#refused(refusal, error);
        if (this.#signal.aborted) throw new Error("the run ended before a broker was in reach");
        const cause = error !== cut ? error : before ?? unanswered(silent, cut);
        if (performance.now() >= deadline) throw this.#unreachable(cause, limitMs);
        before = cause;
        await this.pause(error, isMissing ? missingUntil : deadline);
      }
    }
  }

  async #begin<R>(ask: () => Promise<R>): Promise<R> {
    const { topics } = await this.metadata();
    const missing = topics.filter(({ errorCode }) =>
      errorCode !== 0 && errorKind(errorOfCode(errorCode)) === "unknownTopic"
    );
    if (missing.length > 0) {
      throw new MissingTopicError(this.#brokers, missing.map(({ topic }) => topic));
    }
    for (const { errorCode } of topics) {
      if (errorCode !== 0) throw errorOfCode(errorCode, "Metadata");
    }
    return await ask(); // a leader may not know yet of a topic that is there
  }

  #refusalOf(error: unknown): string | null {
    return refusalOf(error, this.#settings) ?? (isFatal(error) ? messageOfKafka(error) : null);
  }

  /** A topic's partitions by number, with the broker that leads each; -1 for none. Fresh after an error. */
  async leaders(topic: string): Promise<ReadonlyMap<number, number>> {
    const view = (await this.#fresh()).topics.get(topic);
    if (view === undefined) throw errorOfCode(UNKNOWN_TOPIC_OR_PARTITION, "Metadata");
    if (view.errorCode !== 0) throw errorOfCode(view.errorCode, "Metadata");
    return view.leaders;
  }

  async #fresh(): Promise<View> {
    const oldest = performance.now() - this.#settings.metadataMaxAgeMs;
    if (this.#view === null || this.#view.at < oldest) await this.metadata();
    return this.#view!;
  }

  /** A broker of the cluster, connected. */
  async broker(nodeId: number): Promise<KafkaBroker> {
    await this.#fresh();
    try {
      return await this.#pool.node(nodeId);
    } catch (error) {
      if (!(error instanceof UnknownBrokerError)) throw error;
      await this.metadata(); // it may be new
      return await this.#pool.node(nodeId);
    }
  }

  /** A broker that any request without a leader can go to. */
  async anyBroker(): Promise<KafkaBroker> {
    return await this.#pool.any();
  }

  /**
   * The broker that makes and deletes topics: nothing else needs it. Any other where the metadata does
   * not say which one it is, or names one that it does not list.
   */
  async controller(): Promise<KafkaBroker> {
    const { controllerId } = await this.#fresh();
    try {
      return await this.broker(controllerId);
    } catch (error) {
      if (!(error instanceof UnknownBrokerError)) throw error;
      return await this.anyBroker(); // newer brokers pass such requests on
    }
  }

  /** The broker that keeps a consumer group, or a transactional id. */
  async coordinator(of: Coordinated): Promise<KafkaBroker> {
    return await this.broker(await findCoordinator(await this.anyBroker(), of));
  }

  /** What a broker knows of our topics now: nothing that was kept from before. */
  metadata(): Promise<Metadata> {
    return this.#looking ??= this.#look().finally(() => this.#looking = null);
  }

  async #look(): Promise<Metadata> {
    const metadata = await this.#pool.ask((broker) => fetchMetadata(broker, this.#topics));
    this.#pool.learn(metadata.brokers);
    const topics = new Map(metadata.topics.map(({ topic, errorCode, partitions }) => [topic, {
      errorCode,
      leaders: new Map(partitions.map(({ partition, leader }) => [partition, leader])),
    }]));
    this.#view = { at: performance.now(), controllerId: metadata.controllerId, topics };
    return metadata;
  }

  /**
   * Offsets of partitions, by the name of their position.
   *
   * @throws {Error} If a leader does not answer, or says that it cannot.
   */
  async offsets(
    partitions: readonly TopicPartition[],
    which: WhichOffset,
    isolation = this.#isolation,
  ): Promise<Map<string, number>> {
    const { found, failed } = await this.offsetsOf(partitions, which, isolation);
    for (const error of failed.values()) throw error;
    return found;
  }

  /** The same, with what went wrong for each partition by itself. */
  async offsetsOf(
    partitions: readonly TopicPartition[],
    which: WhichOffset,
    isolation = this.#isolation,
  ): Promise<ListedOffsets> {
    const all: ListedOffsets = { found: new Map(), failed: new Map() };
    const byLeader = new Map<number, TopicPartition[]>();
    for (const [topic, asked] of Map.groupBy(partitions, ({ topic }) => topic)) {
      const leaders = await this.leaders(topic);
      for (const each of asked) {
        const leader = leaders.get(each.partition) ?? -1;
        const led = byLeader.get(leader);
        if (leader < 0) all.failed.set(positionName(each), new WithoutLeaderError(each));
        else if (led === undefined) byLeader.set(leader, [each]);
        else led.push(each);
      }
    }
    await Promise.all(Array.from(byLeader, async ([leader, led]) => {
      try {
        const { found, failed } = await listOffsets(
          await this.broker(leader),
          led,
          which,
          isolation,
        );
        for (const [name, offset] of found) all.found.set(name, offset);
        for (const [name, error] of failed) all.failed.set(name, error);
      } catch (error) {
        for (const each of led) all.failed.set(positionName(each), error);
      }
    }));
    return all;
  }

  /** Commits positions to a consumer group, without being a member: for tools that show lag. */
  async commitGroup(
    groupId: string,
    offsets: readonly (TopicPartition & { offset: bigint })[],
  ): Promise<void> {
    const topics = [...Map.groupBy(offsets, ({ topic }) => topic)].map(([topic, committed]) => ({
      topic,
      partitions: committed.map(({ partition, offset }) => ({ partition, offset: String(offset) })),
    }));
    const begun = performance.now();
    const commit = async () => {
      const coordinator = await this.coordinator({ kind: "group", id: groupId });
      const { responses } = await coordinator.offsetCommit({
        groupId,
        groupGenerationId: -1,
        memberId: "",
        topics,
      });
      requireAnswers(
        "OffsetCommit",
        offsets,
        responses.flatMap(({ topic, partitions }) =>
          partitions.map(({ partition }) => ({ topic, partition }))
        ),
      );
    };
    for (;;) {
      try {
        return await limited(commit(), {
          ms: Math.max(begun + COORDINATOR_MS - performance.now(), 0),
          signal: this.#signal,
          cut: () => new Error("the group's coordinator does not answer"),
        });
      } catch (error) {
        const late = performance.now() - begun >= commitPatienceMs(error);
        if (late || this.#signal.aborted) throw error;
        await sleep(COORDINATOR_PAUSE_MS, this.#signal);
      }
    }
  }

  /** Whether nothing is waited for any more. */
  get isEnded(): boolean {
    return this.#signal.aborted;
  }

  /** What is waited for, from the line that says so on, until it is back. */
  get waitingFor(): WaitedFor | null {
    return this.#outage.waitingFor;
  }

  /** Pauses for something that is tried by itself, such as what goes to one broker. */
  backoff(): Backoff {
    return new Backoff(this.#settings, this.#signal, this.#outage);
  }

  /** Resolves as a request does, and says so in the log where no answer comes for long. */
  answerTo<R>(request: Promise<R>): Promise<R> {
    return this.#backoff.answerTo(request);
  }

  /** A request has gone well. */
  succeeded(): void {
    this.#backoff.over();
  }

  /** Waits after an error, longer each time, and says so, once, if it takes more than a moment. */
  pause(error: unknown, deadline = Infinity): Promise<void> {
    return this.#backoff.pause(error, deadline);
  }

  /** Drops all connections: the next call makes new ones. */
  drop(): void {
    this.#view = null;
    this.#pool.drop();
  }

  /** Drops the connection to one broker. Who leads what is asked for again. */
  dropBroker(nodeId: number): void {
    this.#view = null;
    this.#pool.dropNode(nodeId);
  }

  /** Closes all connections; what is under way fails. */
  async close(): Promise<void> {
    this.#view = null;
    await this.#pool.close();
  }

  #refused(reason: string, cause: unknown): Error {
    const of = this.#brokers.join(", ");
    const what = this.#topics.length === 0 ? "" : ` for topic ${namesOf(this.#topics)}`;
    const cannot = isAnswer(cause) ? "cannot use" : "cannot connect to";
    return new Error(`${cannot} ${of}${what}: ${reason}`, { cause });
  }

  #unreachable(cause: unknown, limitMs: number): Error {
    const brokers = this.#brokers.join(", ");
    const failed = failedRequest(cause);
    const advertised = advertisedHint(cause, this.#brokers);
    let what = `no Kafka broker in reach at ${brokers}`;
    let hint = advertised ?? hintOf(cause, this.#settings);
    if (failed !== null) {
      const { apiName, isAnswered } = failed;
      const log = "the broker's log may say more";
      what = isAnswered
        ? `the request ${apiName} does not succeed at ${brokers}`
        : `no answer to the request ${apiName} from ${brokers}`;
      hint = isAnswered ? log : `does the broker take this request? ${cureFor(apiName) ?? log}`;
    } else if (cause instanceof WithoutLeaderError) {
      what = `not all brokers that are needed are in reach at ${brokers}`;
      hint = "are all brokers of the cluster running?";
    } else if (advertised !== null) what = `a broker of the cluster at ${brokers} is not in reach`;
    return new Error(
      `${what} within ${limitMs / 1000} s: ${messageOfKafka(cause)} (${hint})`,
      { cause },
    );
  }
}

/** How long a commit to a group is tried again after an error, in milliseconds. */
function commitPatienceMs(error: unknown): number {
  const kind = errorKind(error);
  if (kind === "notCoordinator") return COORDINATOR_MS; // the first group of a cluster, for example
  return kind === "unknownTopic" ? MISSING_TOPIC_MS : 0; // to the coordinator, it is new
}

/** A topic that is not there. */
class MissingTopicError extends Error {
  constructor(brokers: Brokers, topics: readonly string[]) {
    const are = topics.length > 1 ? "topics" : "topic";
    super(
      `${are} ${namesOf(topics)} ${topics.length > 1 ? "do" : "does"} not exist on ` +
        `${brokers.join(", ")}: create ${topics.length > 1 ? "them" : "it"} first, or check ` +
        (topics.length > 1 ? "their names" : "its name"),
    );
  }
}

function namesOf(topics: readonly string[]): string {
  return topics.map((topic) => `"${topic}"`).join(", ");
}

/** No broker leads a partition at the moment: those that could are away. */
export class WithoutLeaderError extends Error {
  constructor({ topic, partition }: TopicPartition) {
    super(`topic "${topic}", partition ${partition} has no leader now`);
  }
}

/** Why nothing came in time. */
function unanswered(silent: readonly string[], late: Error): Error {
  if (silent.length === 0) return late;
  return new Error(`${silent.join(", ")} takes connections, but did not answer`);
}
