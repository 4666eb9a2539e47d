/**
 * A flow whose processes kill themselves at a named point, once:
 * `killed.ts FOLDER WORKERS POINT EPOCH EPOCH_MS`, from epoch EPOCH on.
 *
 * The coordinator's points are in a recovery store around the real one, the workers' in the flow's
 * state and output. The first process at the point leaves a file `fired` and dies.
 */
import {
  Dataflow,
  FileOutputConfig,
  type OutputConfig,
  PartitionedInputConfig,
  type Positions,
  type RecoveryConfig,
  spawnCluster,
  SqliteRecoveryConfig,
} from "millrace";

/** The points at which a process dies. */
export type KillPoint =
  | "never"
  // The coordinator, around the store.
  | "before the transaction"
  | "while changes are written"
  | "while positions are written"
  | "after the transaction"
  | "after the beginning was stored"
  | "while state is loaded"
  // A worker.
  | "while a snapshot is taken"
  | "before the epoch is closed"
  | "before output becomes visible"
  | "after output has become visible"
  | "while state is restored";

/** The content of the file `fired`. */
export interface Fired {
  readonly point: KillPoint;
  /** The epoch in question, if it is known. */
  readonly epoch: number | null;
  readonly pid: number;
}

const COUNT = 16_000;
const PARTITIONS = ["a", "b", "c", "d"];

/** Dies at a point. */
class Fault {
  readonly #folder: string;
  readonly #point: KillPoint;
  readonly #epoch: number;

  constructor([folder, , point = "never", epoch = "0"]: readonly string[]) {
    this.#folder = folder;
    this.#point = point as KillPoint;
    this.#epoch = Number(epoch);
  }

  /** A process has reached this point, within an epoch. */
  at(point: KillPoint, epoch: number | null): void {
    if (point !== this.#point || (epoch ?? Infinity) < this.#epoch) return;
    const fired: Fired = { point, epoch, pid: Deno.pid };
    try {
      Deno.writeTextFileSync(`${this.#folder}/fired`, JSON.stringify(fired), { createNew: true });
    } catch (error) {
      if (error instanceof Deno.errors.AlreadyExists) return; // another process has died
      throw error;
    }
    Deno.kill(Deno.pid, "SIGKILL");
  }
}

/** Writes files that become visible when their epoch has been committed. */
class StagedOutput implements OutputConfig<string> {
  readonly #folder: string;
  readonly #fault: Fault;
  readonly #onPrepared: (epoch: number) => void;

  constructor(folder: string, fault: Fault, onPrepared: (epoch: number) => void) {
    this.#folder = folder;
    this.#fault = fault;
    this.#onPrepared = onPrepared;
  }

  async open({ workerIndex }: { workerIndex: number }, resume: Positions) {
    const show = async (name: string) => {
      await Deno.rename(`${this.#folder}/staged.${name}`, `${this.#folder}/shown.${name}`)
        .catch((error) => {
          if (!(error instanceof Deno.errors.NotFound)) throw error; // it is visible already
        });
    };
    if (workerIndex === 0) { for (const name of resume.keys()) await show(name); }
    let lines: string[] = [];
    let pending: { epoch: number; name: string }[] = []; // durable, and not visible yet
    return {
      write: (batch: readonly string[]) => void lines.push(...batch),
      prepare: async (epoch: number): Promise<Positions> => {
        this.#fault.at("before the epoch is closed", epoch);
        if (lines.length > 0) {
          const name = `${epoch}.${workerIndex}`;
          await Deno.writeTextFile(`${this.#folder}/staged.${name}`, lines.join("\n") + "\n");
          pending.push({ epoch, name });
          lines = [];
        }
        this.#onPrepared(epoch);
        return new Map(pending.map(({ name }) => [name, null]));
      },
      commit: async (epoch: number): Promise<void> => {
        this.#fault.at("before output becomes visible", epoch);
        for (const { epoch: of, name } of pending) if (of <= epoch) await show(name);
        pending = pending.filter(({ epoch: of }) => of > epoch);
        this.#fault.at("after output has become visible", epoch);
      },
      close: () => Promise.resolve(),
    };
  }
}

/** Counts numbers of four partitions by key, into files and into staged files. */
export default function killed(args: readonly string[]): Dataflow<unknown> {
  const [folder] = args;
  const fault = new Fault(args);
  let epoch = -1; // of the next snapshots
  const input = new PartitionedInputConfig<number, number>({
    partitions: () => PARTITIONS,
    build: async function* (partition, resume) {
      for (let i = (resume ?? -1) + 1; i < COUNT / PARTITIONS.length; i++) {
        if (i % 8 === 0) await new Promise((resolve) => setTimeout(resolve, 1));
        yield [i, i * PARTITIONS.length + PARTITIONS.indexOf(partition)];
      }
    },
  });
  const counted = new Dataflow("killed").input("in", input)
    .keyOn((n) => `k${n % 23}`)
    .statefulMap("sums", () => 0, (sum: number, n) => [sum + n, n])
    .keyOn(([, n]) => `m${n % 50}`)
    .stateful("counts", (resumed: number | undefined) => {
      if (resumed !== undefined) fault.at("while state is restored", null);
      let seen = resumed ?? 0;
      return {
        onItem: ([, n]: readonly [string, number], emit: (line: string) => void) => {
          seen++;
          emit(`${n}`);
        },
        snapshot: () => {
          fault.at("while a snapshot is taken", epoch);
          return seen;
        },
      };
    })
    .map(([key, n]) => `${key} ${n}`);
  counted.capture("out", new FileOutputConfig({ path: `${folder}/out.txt` }));
  return counted.capture(
    "staged",
    new StagedOutput(folder, fault, (prepared) => epoch = prepared + 1),
  );
}

/** The store, with the coordinator's points around its calls. */
function fatal(inner: RecoveryConfig, fault: Fault): RecoveryConfig {
  return {
    name: inner.name,
    drop: () => inner.drop(),
    open: async (flow) => {
      const store = await inner.open(flow);
      let begun = false;
      return {
        resume: () => store.resume(),
        steps: () => store.steps(),
        close: () => store.close(),
        byKey: store.byKey,
        load: async function* (step) {
          for await (const keys of store.load(step)) {
            yield keys;
            fault.at("while state is loaded", null);
          }
        },
        commit: async (epoch, { state, positions }) => {
          fault.at("before the transaction", epoch);
          await store.commit(epoch, {
            state: dyingIn(state, 1, () => fault.at("while changes are written", epoch)),
            positions: Object.assign([...positions], {
              [Symbol.iterator]: () =>
                dyingIn(positions, 2, () => fault.at("while positions are written", epoch)),
            }),
          });
          if (!begun) fault.at("after the beginning was stored", epoch);
          begun = true;
          fault.at("after the transaction", epoch);
        },
      };
    },
  };
}

/** The same items; `die` is called once `after` of them have been processed. */
function* dyingIn<T>(items: Iterable<T>, after: number, die: () => void): Generator<T, undefined> {
  let given = 0;
  for (const item of items) {
    yield item;
    if (++given === after) die();
  }
}

if (import.meta.main) {
  const [folder, workers, , , epochMs] = Deno.args;
  await spawnCluster(import.meta.url, {
    workers: Number(workers),
    args: Deno.args,
    epoch: { interval: { milliseconds: Number(epochMs) } },
    recovery: fatal(new SqliteRecoveryConfig(`${folder}/state.db`), new Fault(Deno.args)),
  });
}
