/**
 * The line at the bottom of the terminal that shows how far a run has come.
 *
 * @module
 */
import { oneLine } from "../core/safe_text.ts";
import { ItemRate } from "./item_rate.ts";
import { tasksText, type TaskView } from "../ops/group_view.ts";
import type { RunStatus } from "../runtime/process/run_status.ts";
import type { Progress } from "../graph/contracts.ts";

const CLEAR_LINE = "\r\x1b[K";
const BAR_CELLS = 20;
const STOPPING = "stopping (^C again: at once)";

/** Columns that stay free: the terminal shows a ^C at the cursor, and a line must not wrap. */
const SPARE_COLUMNS = 3;

/** Draws the status below everything else that is printed. */
export class StatusLine {
  readonly #write: (text: string) => void;
  readonly #columns: () => number;
  readonly #now: () => number;
  readonly #started: number;
  readonly #rates: ItemRate[] = []; // one for each worker: their numbers arrive at different times
  #numbers: StatusNumbers | null = null;
  #stopping = false;
  #line = "";
  #atLineStart = true; // whether the cursor is where a line may be drawn

  /** `now` returns milliseconds; `columns` returns the width of the terminal. */
  constructor(
    write: (text: string) => void,
    options: { columns: () => number; now: () => number },
  ) {
    this.#write = write;
    this.#columns = options.columns;
    this.#now = options.now;
    this.#started = options.now();
  }

  /** Shows how far the run is, with the tasks of a machine in a group. */
  update(status: RunStatus & { readonly tasks?: readonly TaskView[] }): void {
    const { items, out } = totals(status);
    const now = this.#now();
    const rates = status.workers.map((worker, i) =>
      (this.#rates[i] ??= new ItemRate()).update(now, worker.in)
    );
    const { progress, waitingFor, tasks = null } = status;
    const seconds = (now - this.#started) / 1000;
    this.#numbers = { items, out, rates, seconds, progress, waitingFor, tasks };
    this.#draw();
  }

  /** From now on, shows that the run is about to stop. */
  stopping(): void {
    this.#stopping = true;
    this.#draw();
  }

  #draw(): void {
    const parts: string[] = [];
    if (this.#stopping) parts.push(STOPPING);
    if (this.#numbers !== null) parts.push(renderStatus(this.#numbers));
    this.#line = parts.join("  ").slice(0, Math.max(0, this.#columns() - SPARE_COLUMNS));
    if (this.#atLineStart) this.#write(CLEAR_LINE + this.#line);
  }

  /** Prints something above the line. */
  print(bytes: Uint8Array, write: (bytes: Uint8Array) => void): void {
    if (bytes.length === 0) return;
    if (this.#atLineStart && this.#line !== "") this.#write(CLEAR_LINE);
    write(bytes);
    this.#atLineStart = bytes[bytes.length - 1] === 0x0a;
    if (this.#atLineStart) this.#write(this.#line);
  }

  /** Removes the line. */
  clear(): void {
    if (this.#atLineStart && this.#line !== "") this.#write(CLEAR_LINE);
    this.#line = "";
  }
}

/** The numbers that the line shows. */
export interface StatusNumbers {
  /** Items in, over all inputs. */
  readonly items: number;
  /** Items out, over all outputs. */
  readonly out: number;
  /** Items in per second, on each worker. */
  readonly rates: readonly number[];
  /** Since the start. */
  readonly seconds: number;
  /** Progress of the inputs, if their lengths are known. */
  readonly progress: Progress | null;
  /** What inputs and outputs need before they can continue. */
  readonly waitingFor: readonly string[];
  /** The tasks of a machine in a group; `null` if it runs all of the flow. */
  readonly tasks: readonly TaskView[] | null;
}

/** Returns the numbers as text. */
export function renderStatus(numbers: StatusNumbers): string {
  const { items, out, rates, seconds, progress, waitingFor, tasks } = numbers;
  const rate = short(rates.reduce((sum, each) => sum + each, 0));
  const each = rates.length > 1 ? ` (${rates.map(short).join(" + ")})` : "";
  const parts = [`${short(items)} in`, `${short(out)} out`, `${rate}/s${each}`, clock(seconds)];
  if (tasks !== null) parts.unshift(`tasks ${tasksText(tasks)}`, `lag ${short(lagOf(tasks))}`);
  if (progress !== null) parts.unshift(bar(progress));
  if (waitingFor.length > 0) parts.unshift(`waiting for ${waitingFor.map(oneLine).join(" and ")}`);
  return parts.join("  ");
}

/** Records that wait for tasks. */
function lagOf(tasks: readonly TaskView[]): number {
  return tasks.reduce((sum, { inputLag, shuffleLag }) => sum + inputLag + shuffleLag, 0);
}

function totals({ workers }: RunStatus): { items: number; out: number } {
  let items = 0;
  let out = 0;
  for (const worker of workers) {
    items += worker.in;
    out += worker.out;
  }
  return { items, out };
}

function bar({ done, total }: Progress): string {
  const share = total === 0 ? 1 : Math.min(1, done / total);
  const cells = Math.floor(share * BAR_CELLS);
  const percent = `${Math.floor(share * 100)}%`.padStart(4);
  return `[${"#".repeat(cells)}${"-".repeat(BAR_CELLS - cells)}]${percent}`;
}

function short(n: number): string {
  // The bounds are where rounding to one digit would yield 1000.0 of the smaller unit.
  if (n < 999.5) return n.toFixed(0);
  if (n < 999_950) return `${(n / 1_000).toFixed(1)}k`;
  if (n < 999_950_000) return `${(n / 1_000_000).toFixed(1)}M`;
  return `${(n / 1_000_000_000).toFixed(1)}G`;
}

function clock(seconds: number): string {
  const two = (n: number) => String(Math.floor(n)).padStart(2, "0");
  const rest = `${two(seconds / 60 % 60)}:${two(seconds % 60)}`;
  return seconds < 3_600 ? rest : `${Math.floor(seconds / 3_600)}:${rest}`;
}
