/**
 * An output like a transactional one of Kafka: what it writes is visible once its transaction has
 * been committed, by the identity that positions keep.
 */
import type {
  Epoch,
  InputNotes,
  OutputConfig,
  OutputWriter,
  Place,
  Positions,
} from "../../../mod.ts";

interface Transaction {
  readonly identity: number;
  readonly items: number[];
  state: "open" | "committed" | "aborted";
}

/** What positions keep of a prepared transaction. */
interface Prepared {
  readonly id: string;
  readonly identity: number;
}

/** A system with transactions: at most one of each id. */
export class TransactionalSystem {
  /** What readers see, in order. */
  readonly visible: number[] = [];
  readonly #transactions = new Map<string, Transaction>();
  #identities = 0;

  /** The ids whose transaction is open and has items: readers wait for these. */
  get open(): string[] {
    return [...this.#transactions]
      .filter(([, { state, items }]) => state === "open" && items.length > 0)
      .map(([id]) => id);
  }

  /** Begins a transaction with a new identity. It aborts the one that is open. */
  begin(id: string): Prepared {
    const last = this.#transactions.get(id);
    if (last?.state === "open") last.state = "aborted";
    const identity = ++this.#identities;
    this.#transactions.set(id, { identity, items: [], state: "open" });
    return { id, identity };
  }

  /** Adds items. */
  write(to: Prepared, items: readonly number[]): void {
    this.#current(to).items.push(...items);
  }

  /** Makes a transaction visible. Nothing is done if it is already. */
  commit(prepared: Prepared): void {
    const transaction = this.#current(prepared);
    if (transaction.state === "aborted") throw new Error(`${prepared.id} has been aborted`);
    if (transaction.state === "open") this.visible.push(...transaction.items);
    transaction.state = "committed";
  }

  #current({ id, identity }: Prepared): Transaction {
    const current = this.#transactions.get(id);
    if (current?.identity === identity) return current;
    throw new Error(`${id} is fenced: ${identity} is not ${current?.identity}`);
  }
}

/** What an output of a {@linkcode TransactionalSystem} waits for. */
export interface TransactionalHooks {
  readonly commit?: (epoch: Epoch, worker: number) => void | Promise<void>;
}

/** How many ids a worker has in turn: one is stored, one is prepared, one is being written. */
const SLOTS = 3;

/** Writes to a {@linkcode TransactionalSystem}. A call out of order fails. */
export class TransactionalOutput implements OutputConfig<number> {
  readonly system = new TransactionalSystem();
  /** The calls as text, with the worker: `0: prepare 4`. */
  readonly calls: string[] = [];
  /** What inputs said about the epoch that was prepared last, by worker. */
  readonly notes = new Map<number, InputNotes>();
  /** The most workers that it ever has. */
  readonly #workers: number;
  readonly #hooks: TransactionalHooks;

  constructor(workers: number, hooks: TransactionalHooks = {}) {
    this.#workers = workers;
    this.#hooks = hooks;
  }

  /** The calls of a kind. */
  only(kind: string): string[] {
    return this.calls.filter((call) => call.includes(`: ${kind} `));
  }

  open(at: Place, resume: Positions): Promise<OutputWriter<number>> {
    const { workerIndex, workerCount } = at;
    const isMine = (n: number) => n % workerCount === workerIndex;
    [...resume].toSorted().filter((_, n) => isMine(n)).forEach(([, state]) => {
      this.system.commit(state as Prepared);
    });
    const ids = Array.from({ length: this.#workers }, (_, n) => n).filter(isMine)
      .flatMap((n) => Array.from({ length: SLOTS }, (_, slot) => `${n}.${slot}`));
    return Promise.resolve(this.#writer(workerIndex, ids));
  }

  #writer(worker: number, ids: readonly string[]): OutputWriter<number> {
    const { system, calls } = this;
    let current: Prepared | null = null;
    let prepared: { epoch: Epoch; it: Prepared | null } | null = null;
    let hasBegun = false;
    const positions = (): Positions => {
      const it = prepared?.it ?? null;
      return new Map(it === null ? [] : [[`unfinished:open:${it.id}`, it]]);
    };
    return {
      write: (batch, epoch) => {
        calls.push(`${worker}: write ${epoch}`);
        const slot = ((epoch % SLOTS) + SLOTS) % SLOTS;
        hasBegun = true;
        current ??= system.begin(`${worker}.${slot}`);
        system.write(current, batch);
      },
      prepare: async (epoch, inputs) => {
        this.notes.set(worker, inputs!);
        calls.push(`${worker}: prepare ${epoch}`);
        if (prepared !== null) {
          throw new Error(`${epoch} is prepared before ${prepared.epoch} is out`);
        }
        await Promise.resolve();
        prepared = { epoch, it: current };
        current = null;
        return positions();
      },
      commit: async (epoch) => {
        calls.push(`${worker}: commit ${epoch}`);
        await this.#hooks.commit?.(epoch, worker);
        if (prepared?.epoch !== epoch) {
          throw new Error(`${epoch} is committed, not ${prepared?.epoch}`);
        }
        if (prepared.it !== null) system.commit(prepared.it);
        prepared = null;
        if (!hasBegun) ids.forEach((id) => system.begin(id)); // what runs before have left open
        hasBegun = true;
      },
      settled: () => {
        calls.push(`${worker}: settled`);
        return positions();
      },
      close: () => Promise.resolve(),
    };
  }
}
