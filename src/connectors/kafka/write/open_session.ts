/**
 * The start of an output's producer: what a run before has left is dealt with first.
 *
 * @module
 */
import type { Epoch } from "../../../core/ids.ts";
import type { InputNotes, OpenTransactions, Place, Positions } from "../../../graph/contracts.ts";
import type { KafkaConnection } from "../client/connection.ts";
import type { KafkaOutputSettings } from "../properties/settings.ts";
import { ClusterTransactions } from "../transactions/cluster_transactions.ts";
import { heal, inWords } from "../transactions/healing.ts";
import {
  type IdSet,
  idsOf,
  newIdSet,
  ofWorker,
  readStoredIds,
  type StoredIds,
  unfinishedIds,
} from "../transactions/ids.ts";
import { InputGroups } from "./input_groups.ts";
import { PlainSession, type ProducerSession } from "./producer_session.ts";
import { TransactionalSession } from "./transactional_session.ts";

/** What an output does at the ends of epochs, besides delivering all records. */
export interface EpochSteps {
  /**
   * While an epoch is being prepared: begins what the next one needs before its records are sent.
   * `partitions` returns those of its records so far.
   */
  beginAhead(partitions: () => readonly number[]): Promise<void>;
  /** Commits what inputs say about the epoch that ends, together with its records. */
  commitInputs(inputs: InputNotes | undefined): Promise<void>;
  /** Returns what the store must hold. */
  prepare(epoch: Epoch): Positions;
  /** The store has the epoch. */
  commit(epoch: Epoch): Promise<void>;
  /** Returns what the store must hold after the last epoch has been committed. */
  settled(): Positions;
  /** The transactions that are not committed yet; `null` if there are never any. */
  readonly openTransactions: OpenTransactions | null;
  /** Ends what the next run would have to end. `idle` resolves when nothing is sent any more. */
  close(idle: Promise<void>): Promise<void>;
  /** Resolves when nothing is on its way, once the connection has been closed. */
  closed(): Promise<void>;
}

/** A producer, and what it does at the ends of epochs; `null` for nothing. */
export interface OpenedSession {
  readonly session: ProducerSession;
  readonly steps: EpochSteps | null;
}

/** What a transaction must outlast, besides two epochs: an outage, in milliseconds. */
const OUTAGE_MS = 60_000;

/** The default of the broker's `transaction.max.timeout.ms`. */
const BROKER_MAX_MS = 900_000;

/**
 * Makes sure that an exactly-once output can keep its promise in this run.
 *
 * @throws {Error} If the run has no recovery store, or a transaction would end before its epoch.
 */
export function requireRecovery({ output }: KafkaOutputSettings, at: Place): void {
  const { transactions } = output;
  if (transactions === null) return;
  const { recovery = null } = at;
  if (recovery === null) {
    throw new Error(
      `delivery: "exactly-once" needs a recovery store, which knows what is to be committed: start ` +
        "with --recovery PATH, or leave out delivery",
    );
  }
  const least = 2 * recovery.intervalMs + OUTAGE_MS;
  if (transactions.timeoutMs >= least) return;
  throw new Error(
    `"transaction.timeout.ms" is ${transactions.timeoutMs}: with an epoch interval of ` +
      `${inWords(recovery.intervalMs)} it must be at least ${least}, twice that and a minute` +
      (least <= BROKER_MAX_MS ? "" : `; brokers allow ${BROKER_MAX_MS} unless their ` +
        "transaction.max.timeout.ms is raised, so shorter epochs (--epoch-interval) may be easier"),
  );
}

/**
 * Commits this worker's share of the transactions that the store holds. All workers have done that
 * before the store gets other positions.
 *
 * @throws {Error} If the broker has dropped one of them, or does not answer in time.
 */
export async function openSession(
  settings: KafkaOutputSettings,
  connection: KafkaConnection,
  at: Place,
  resume: Positions,
): Promise<OpenedSession> {
  const { output, output: { transactions } } = settings;
  if (transactions === null && resume.size === 0) {
    return { session: new PlainSession(connection, output.idempotent), steps: null };
  }
  const { clusterId } = connection;
  const stored = readStoredIds(resume);
  const timeoutMs = transactions?.timeoutMs ?? OUTAGE_MS;
  const cluster = new ClusterTransactions(connection, {
    timeoutMs,
    patienceMs: output.deliveryTimeoutMs,
  });
  await healShare(cluster, stored, clusterId, settings, at);
  const leftOver = ofWorker(ofThisCluster(stored.sets, clusterId, at), at);
  if (transactions === null) {
    const session = new PlainSession(connection, output.idempotent);
    return { session, steps: leftOver.length === 0 ? null : takingOver(cluster, leftOver) };
  }
  const prefix = transactions.idPrefix ?? `millrace.${at.stepId}`;
  const session = new TransactionalSession(cluster, {
    topic: settings.topic,
    ids: { own: newIdSet(prefix, clusterId), leftOver },
    timeoutMs,
    fail: (error) => at.fail(error),
  });
  const groups = new InputGroups(clusterId, at.log);
  return {
    session,
    steps: {
      beginAhead: (partitions) => session.beginAhead(partitions),
      commitInputs: (inputs) => groups.commit(inputs, session),
      prepare: (epoch) => session.prepare(epoch),
      commit: (epoch) => session.commit(epoch),
      settled: () => session.settled(),
      get openTransactions() {
        return session.openTransactions;
      },
      close: (idle) => session.close(idle),
      closed: () => {
        cluster.close();
        return session.settledAhead();
      },
    },
  };
}

async function healShare(
  cluster: ClusterTransactions,
  { transactions }: StoredIds,
  clusterId: string | null,
  { topic, acceptLostEpoch }: KafkaOutputSettings,
  at: Place,
): Promise<void> {
  const options = {
    topic,
    ...acceptLostEpoch === undefined ? {} : { acceptLostEpoch },
    log: at.log,
    now: Date.now,
  };
  await Promise.all(
    ofWorker(transactions, at).map(async (transaction) => {
      const { epoch, cluster: of } = transaction;
      if (of === clusterId || of === null || clusterId === null) {
        await heal(cluster, transaction, options);
      } else if (epoch !== acceptLostEpoch) {
        throw new Error(
          `the output of epoch ${epoch} waits for its commit in Kafka cluster ${of}, and these ` +
            `brokers are those of cluster ${clusterId}: run the flow with the brokers before until ` +
            `it stops cleanly, or do without these records by acceptLostEpoch: ${epoch}`,
        );
      }
    }),
  );
}

/** The ids of other clusters cannot be acquired here. Transactions there end by their timeouts. */
function ofThisCluster(
  sets: readonly IdSet[],
  clusterId: string | null,
  { log }: Place,
): readonly IdSet[] {
  const isHere = ({ cluster }: IdSet) => cluster === clusterId;
  const elsewhere = sets.filter((set) => !isHere(set));
  if (elsewhere.length > 0) {
    const { cluster } = elsewhere[0];
    log.warn(
      `transactions of a run before may stay open in cluster ${cluster} until they time out`,
    );
  }
  return sets.filter(isHere);
}

/** An output without transactions, whose runs before had some: aborts those that are still open. */
function takingOver(cluster: ClusterTransactions, leftOver: readonly IdSet[]): EpochSteps {
  let open = leftOver;
  return {
    beginAhead: () => Promise.resolve(),
    commitInputs: () => Promise.resolve(),
    prepare: () => new Map(open.map(unfinishedIds)),
    commit: async () => {
      await Promise.all(open.flatMap(idsOf).map((id) => cluster.acquire(id)));
      open = [];
    },
    settled: () => new Map(),
    openTransactions: null,
    close: () => Promise.resolve(),
    closed: () => Promise.resolve(cluster.close()),
  };
}
