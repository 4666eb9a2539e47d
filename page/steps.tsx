/** The table of steps. */
import { useState } from "preact/hooks";
import type { FlowView } from "../src/ops/run_view.ts";
import type { Status } from "../src/ops/status.ts";
import { bytesText, countText, durationText } from "../src/ops/words.ts";
import type { Known } from "./feed.ts";
import { Bar, safe, Section, Sparkline } from "./parts.tsx";

/** With more steps than this, the busiest come first. */
const MANY = 20;

interface Row {
  readonly at: number;
  readonly id: string;
  readonly kind: string;
  readonly stage: number;
  readonly in: number;
  readonly out: number;
  readonly busy: number;
  readonly backpressured: number;
  readonly queued: number;
  readonly behindMs: number | null;
  readonly late: number;
  readonly keys: number | null;
  readonly bytes: number | null;
}

type Column =
  | "at"
  | "id"
  | "kind"
  | "in"
  | "out"
  | "busy"
  | "queued"
  | "behindMs"
  | "late"
  | "keys";

const COLUMNS: readonly {
  readonly key: Column;
  readonly title: string;
  readonly isExtra: boolean;
}[] = [
  { key: "id", title: "Step", isExtra: false },
  { key: "kind", title: "Kind", isExtra: true },
  { key: "in", title: "In/s", isExtra: false },
  { key: "out", title: "Out/s", isExtra: false },
  { key: "busy", title: "Its stage", isExtra: false },
  { key: "queued", title: "Waiting", isExtra: true },
  { key: "behindMs", title: "Time lag", isExtra: true },
  { key: "late", title: "Late", isExtra: true },
  { key: "keys", title: "Keys", isExtra: true },
];

/** The table. */
export function Steps({ known, status, flow, chosen, setChosen }: {
  readonly known: Known;
  readonly status: Status;
  readonly flow: FlowView;
  readonly chosen: number | null;
  readonly setChosen: (stage: number | null) => void;
}) {
  const [order, setOrder] = useState<{ column: Column; isDown: boolean }>(
    flow.steps.length > MANY ? { column: "busy", isDown: true } : { column: "at", isDown: false },
  );
  const [filter, setFilter] = useState("");
  const rows = sorted(rowsOf(status, flow), order).filter(({ id, kind, stage }) =>
    (chosen === null || stage === chosen) &&
    `${id} ${kind}`.toLowerCase().includes(filter.toLowerCase())
  );
  const onSort = (column: Column) =>
    setOrder({
      column,
      isDown: order.column === column ? !order.isDown : column !== "id" && column !== "kind",
    });
  return (
    <Section
      id="steps"
      title="Steps"
      wide
      note={`${
        rows.length === flow.steps.length ? rows.length : `${rows.length} of ${flow.steps.length}`
      } steps`}
      tools={
        <>
          {chosen !== null && (
            <button type="button" class="chip" onClick={() => setChosen(null)}>
              one stage <span aria-hidden="true">×</span>
            </button>
          )}
          <input
            type="search"
            placeholder="Filter"
            aria-label="Filter steps by name or kind"
            value={filter}
            onInput={({ currentTarget }) => setFilter(currentTarget.value)}
          />
        </>
      }
    >
      <div class="scroll" tabIndex={0} role="group" aria-label="Table of steps">
        <table>
          <thead>
            <tr>
              {COLUMNS.map(({ key, title, isExtra }) => (
                <th
                  key={key}
                  scope="col"
                  class={`${isExtra ? "extra " : ""}${isText(key) ? "" : "number"}`}
                  aria-sort={order.column !== key
                    ? "none"
                    : order.isDown
                    ? "descending"
                    : "ascending"}
                >
                  <button type="button" onClick={() => onSort(key)}>
                    {title}
                    <span aria-hidden="true">
                      {order.column !== key ? "" : order.isDown ? " ↓" : " ↑"}
                    </span>
                  </button>
                </th>
              ))}
              <th scope="col" class="extra">Last minute</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row.id} class={row.stage === status.verdict.stage ? "bottleneck" : ""}>
                <th scope="row">
                  <span class="step" title={safe(row.id)}>{safe(row.id)}</span>
                  {status.verdict.stage !== null && isNamed(status, row.id) && (
                    <span class="tag">bottleneck</span>
                  )}
                </th>
                <td class="extra dim">{row.kind}</td>
                <td class="number">{row.kind === "input" ? "" : countText(row.in)}</td>
                <td class="number">{row.kind === "capture" ? "" : countText(row.out)}</td>
                <td>
                  <Bar busy={row.busy} backpressured={row.backpressured} />
                </td>
                <td class="extra number">{row.queued === 0 ? "" : countText(row.queued)}</td>
                <td class="extra number">
                  {row.behindMs === null ? "" : durationText(row.behindMs)}
                </td>
                <td class={`extra number${row.late > 0 ? " warning" : ""}`}>
                  {row.late === 0 ? "" : countText(row.late)}
                </td>
                <td class="extra number">
                  {row.keys === null ? "" : countText(row.keys)}
                  {row.bytes !== null && <small class="dim">{`, ${bytesText(row.bytes)}`}</small>}
                </td>
                <td class="extra">
                  <Sparkline
                    values={known.points.map(({ steps }) =>
                      steps[row.at] ?? 0
                    )}
                    label={`Items a second of ${safe(row.id)}, the last minute`}
                  />
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {rows.length === 0 && <p class="empty">No step has such a name.</p>}
    </Section>
  );
}

/** Whether the sentence at the top names the step. */
function isNamed({ verdict }: Status, id: string): boolean {
  return verdict.parts.some((part) => typeof part !== "string" && part.step === id);
}

function rowsOf(status: Status, { steps }: FlowView): Row[] {
  const times = new Map(status.eventTimes.map(({ step, behindMs }) => [step, behindMs]));
  return steps.map(({ id, kind, stage }, at) => {
    const own = status.stages.find((each) => each.stage === stage);
    return {
      at,
      id,
      kind,
      stage,
      in: status.steps.in[at],
      out: status.steps.out[at],
      busy: own?.busy ?? 0,
      backpressured: own?.backpressured ?? 0,
      queued: own?.queued ?? 0,
      behindMs: times.get(id) ?? null,
      late: status.steps.late[at],
      keys: status.steps.keys[at],
      bytes: status.steps.bytes[at],
    };
  });
}

function sorted(rows: Row[], { column, isDown }: { column: Column; isDown: boolean }): Row[] {
  const sign = isDown ? -1 : 1;
  return rows.toSorted((a, b) => {
    const [left, right] = [a[column] ?? -1, b[column] ?? -1];
    const order = typeof left === "string"
      ? left.localeCompare(String(right))
      : left - Number(right);
    return order * sign || a.at - b.at;
  });
}

function isText(column: Column): boolean {
  return column === "id" || column === "kind" || column === "busy";
}
