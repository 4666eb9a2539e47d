/** The suite of outputs finds what it is for: a broken writer fails each of its checks. */
import { assertEquals, assertRejects } from "@std/assert";
import type { OutputWriter, Place, Positions } from "../../src/graph/contracts.ts";
import { outputChecks, type OutputSubject, testOutput } from "./output.ts";

/** What is stored of a worker. */
interface ListPosition {
  /** How much was visible. */
  readonly visible: number;
  /** What was prepared and not visible. */
  readonly prepared: readonly number[];
}

/** Lists that everybody can see, by worker. */
type Lists = Map<string, number[]>;

/** Writes to one of some lists. An epoch becomes visible when it is committed. */
class ListWriter implements OutputWriter<number> {
  readonly name: string;
  readonly lists: Lists;
  /** What is kept of workers that this run does not have. */
  readonly left: Map<string, unknown> = new Map();
  written: number[] = [];
  prepared: { epoch: number; items: number[] }[] = [];
  closed = 0;

  constructor({ workerIndex, workerCount }: Place, resume: Positions, lists: Lists) {
    this.name = String(workerIndex);
    this.lists = lists;
    if (workerIndex > 0) return;
    restore(lists, resume);
    for (const name of resume.keys()) {
      if (Number(name) < workerCount) continue;
      this.left.set(name, { visible: lists.get(name)!.length, prepared: [] });
    }
  }

  get list(): number[] {
    const list = this.lists.get(this.name) ?? [];
    this.lists.set(this.name, list);
    return list;
  }

  write(batch: readonly number[], _epoch: number): void | Promise<void> {
    if (batch.includes(-1)) throw new Error("it does not count below zero");
    this.written.push(...batch);
  }

  prepare(epoch: number): Promise<Positions> {
    this.prepared.push({ epoch, items: this.written });
    this.written = [];
    const prepared = this.prepared.flatMap(({ items }) => items);
    const position: ListPosition = { visible: this.list.length, prepared };
    return Promise.resolve(new Map([...this.left, [this.name, position]]));
  }

  commit(epoch: number): Promise<void> {
    while (this.prepared.length > 0 && this.prepared[0].epoch <= epoch) {
      this.list.push(...this.prepared.shift()!.items);
    }
    return Promise.resolve();
  }

  settled(): Positions {
    const position: ListPosition = { visible: this.list.length, prepared: [] };
    return new Map([...this.left, [this.name, position]]);
  }

  waitingFor(): string | null {
    return null;
  }

  close(): Promise<void> {
    this.closed++;
    return Promise.resolve();
  }
}

/** Makes the lists what they are after the committed epoch. */
function restore(lists: Lists, resume: Positions): void {
  for (const name of lists.keys()) if (!resume.has(name)) lists.delete(name);
  for (const [name, state] of resume) {
    const { visible, prepared } = state as ListPosition;
    lists.set(name, [...(lists.get(name) ?? []).slice(0, visible), ...prepared]);
  }
}

/** Breaks a writer, which has been opened with `resume`. */
type Fault = (writer: ListWriter, resume: Positions) => void;

/** The lists, whose writers have a fault. */
function subjectWith(fault: Fault = () => {}): OutputSubject<number> {
  const lists: Lists = new Map();
  return {
    config: () => ({
      open: (at, resume) => {
        const writer = new ListWriter(at, resume, lists);
        fault(writer, resume);
        return Promise.resolve(writer);
      },
    }),
    itemOf: (number) => number,
    visible: () => Promise.resolve([...lists.values()].flat()),
    refused: { item: -1, message: "it does not count below zero" },
    patienceMs: 50,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  };
}

testOutput("a list in memory", () => subjectWith());

/** What a writer does wrong, and the check that has to find it. */
const FAULTS: readonly [what: string, fault: Fault, title: string][] = [
  [
    "loses an item of each batch",
    (writer) => {
      const write = writer.write.bind(writer);
      writer.write = (batch, epoch) => write(batch.slice(1), epoch);
    },
    "what was written is visible once its epoch is committed, in order",
  ],
  [
    "makes an epoch visible with the next one",
    (writer) => {
      const commit = writer.commit.bind(writer);
      writer.commit = (epoch) => commit(epoch - 1);
    },
    "what was written is visible once its epoch is committed, in order",
  ],
  [
    "never takes a batch",
    (writer) => writer.write = () => new Promise(() => {}),
    "what was written is visible once its epoch is committed, in order",
  ],
  [
    "cannot end an epoch without items",
    (writer) => {
      const prepare = writer.prepare.bind(writer);
      writer.prepare = (epoch) =>
        writer.written.length === 0 ? Promise.reject(new Error("nothing")) : prepare(epoch);
    },
    "an epoch may be empty",
  ],
  [
    "loses what is written while an epoch ends",
    (writer) => {
      Object.assign(writer, { writesAhead: true });
      const prepare = writer.prepare.bind(writer);
      writer.prepare = async (epoch) => {
        const positions = await prepare(epoch);
        writer.written = [];
        return positions;
      };
    },
    "what is written while an epoch ends belongs to the next one",
  ],
  [
    "shows with an epoch what was written after it",
    (writer) => {
      const commit = writer.commit.bind(writer);
      writer.commit = (epoch) => {
        writer.list.push(...writer.written);
        return commit(epoch);
      };
    },
    "an epoch may be written before the one before it is committed",
  ],
  [
    "has nothing that is prepared in its positions",
    (writer) => {
      const prepare = writer.prepare.bind(writer);
      writer.prepare = async (epoch) => {
        await prepare(epoch);
        return new Map([[writer.name, { visible: writer.list.length, prepared: [] }]]);
      };
    },
    "the positions of an epoch hold all that is not visible yet",
  ],
  [
    "still counts as prepared at its end what it has made visible",
    (writer) => {
      writer.settled = () => {
        const position: ListPosition = { visible: writer.list.length, prepared: writer.list };
        return new Map([[writer.name, position]]);
      };
    },
    "a run continues after the end of another: nothing is missing, and nothing comes twice",
  ],
  [
    "has unfinished work after its last commit",
    (writer) => writer.settled = () => new Map([["unfinished:0", []]]),
    "nothing is unfinished after the end of a run",
  ],
  [
    "begins anew in each run",
    (writer) => writer.lists.clear(),
    "a run continues after the last committed epoch: nothing is missing",
  ],
  [
    "shows what is not committed",
    (writer) => {
      const write = writer.write.bind(writer);
      writer.write = (batch, epoch) => {
        if (epoch === 1) writer.lists.set("early", [...batch]);
        return write(batch, epoch);
      };
      writer.close = () => {
        const early = writer.lists.get("early") ?? [];
        writer.lists.delete("early");
        writer.list.push(...early);
        return Promise.resolve();
      };
    },
    "a run continues after the last committed epoch: nothing comes twice",
  ],
  [
    "leaves the lists of other workers empty",
    (writer, resume) => {
      for (const name of resume.keys()) if (name !== writer.name) writer.lists.delete(name);
    },
    "a run continues with another number of workers: nothing is missing",
  ],
  [
    "writes again what another worker has prepared",
    (writer, resume) => {
      for (const [name, state] of resume) {
        if (name === "2") writer.list.push(...(state as ListPosition).prepared);
      }
    },
    "a run continues with another number of workers: nothing comes twice",
  ],
  [
    "has one list for all workers",
    (writer) => Object.defineProperty(writer, "list", { get: () => [] }),
    "several workers write at the same time",
  ],
  [
    "has functions in its positions",
    (writer) => writer.prepare = () => Promise.resolve(new Map([["0", () => 1]])),
    "positions are plain data",
  ],
  [
    "changes the positions that it is given",
    (writer, resume) => {
      const commit = writer.commit.bind(writer);
      writer.commit = (epoch) => {
        (resume as Map<string, unknown>).set("0", epoch);
        return commit(epoch);
      };
    },
    "the positions to resume stay as they were",
  ],
  [
    "sorts a batch in its place",
    (writer) => writer.write = (batch) => void (batch as number[]).sort(),
    "a batch stays as it was",
  ],
  [
    "drops what it cannot write",
    (writer) => writer.write = () => {},
    "an item that cannot be written is an error, and close follows",
  ],
  [
    "does not know what it waits for",
    (writer) => writer.waitingFor = () => 7 as never,
    "waitingFor and openTransactions answer whenever they may be asked",
  ],
  [
    "cannot be closed while something is not durable",
    (writer) =>
      writer.close = () => writer.written.length > 0 ? new Promise(() => {}) : Promise.resolve(),
    "close may come at any time",
  ],
  [
    "frees twice what it holds",
    (writer) =>
      writer.close = () =>
        writer.closed++ === 0 ? Promise.resolve() : Promise.reject(new Error("bad resource")),
    "a second close does nothing",
  ],
];

for (const [what, fault, title] of FAULTS) {
  Deno.test(`the suite of outputs finds a writer that ${what}`, async () => {
    const check = outputChecks.find((check) => check.title === title)!;
    await assertRejects(() => check.run(subjectWith(fault) as OutputSubject));
  });
}

Deno.test("each check of outputs is failed by some broken writer", () => {
  const failed = new Set(FAULTS.map(([, , title]) => title));
  assertEquals(outputChecks.map(({ title }) => title).filter((title) => !failed.has(title)), []);
});
