/** What one sees first: the name, a sentence, and six numbers. */
import type { ComponentChildren } from "preact";
import type { FlowView } from "../src/ops/run_view.ts";
import type { Point, Status } from "../src/ops/status.ts";
import { bytesText, countText, durationText, percentText } from "../src/ops/words.ts";
import type { Known } from "./feed.ts";
import { safe, Sparkline } from "./parts.tsx";

const PHASES: Readonly<Record<Status["phase"], string>> = {
  starting: "starting",
  running: "running",
  stopping: "stopping",
  restarting: "failed, restarting",
  reloading: "reloading",
  over: "over",
};

/** The header. */
export function Header({ known, flow }: { readonly known: Known; readonly flow: FlowView | null }) {
  const { status, link, version } = known;
  const phase = status === null
    ? "connecting"
    : link.kind === "lost"
    ? "no answer"
    : phaseOf(status);
  const answering = status?.workers.filter(({ silent }) => silent <= 5).length ?? 0;
  const all = status?.workers.length ?? 0;
  return (
    <header class="top">
      <div class="title">
        <svg class="logo" viewBox="0 0 32 32" aria-hidden="true">
          <path d="M3 11c4.3 0 4.3 4 8.7 4s4.3-4 8.6-4 4.4 4 8.7 4M3 19c4.3 0 4.3 4 8.7 4s4.3-4 8.6-4 4.4 4 8.7 4" />
        </svg>
        <h1>{safe(flow?.name ?? "Millrace")}</h1>
        <span class={`phase ${toneOfPhase(known)}`}>{phase}</span>
      </div>
      {status !== null && (
        <dl class="facts">
          {status.upMs !== null && <Fact name="up">{durationText(status.upMs)}</Fact>}
          <Fact name={all === 1 ? "worker" : "workers"}>
            {answering === all ? all : `${answering} of ${all}`}
          </Fact>
          {status.restarts > 0 && <Fact name="restarts">{status.restarts}</Fact>}
          <Fact name="Millrace">{version}</Fact>
        </dl>
      )}
      <nav aria-label="Page">
        <a href="#graph">Graph</a>
        <a href="#steps">Steps</a>
        <a href="#state">State</a>
        <a href="#log">Log</a>
        <a href="/metrics">Metrics</a>
      </nav>
    </header>
  );
}

function phaseOf({ phase, outcome }: Status): string {
  return phase === "over" ? outcome ?? "over" : PHASES[phase];
}

function toneOfPhase({ status, link }: Known): string {
  if (status === null || link.kind === "lost") return "warning";
  if (status.phase === "running") return "good";
  if (status.phase === "restarting" || status.outcome === "failed") return "bad";
  return status.outcome === "finished" ? "good" : "neutral";
}

function Fact({ name, children }: { readonly name: string; readonly children: ComponentChildren }) {
  return (
    <div>
      <dt>{name}</dt>
      <dd>{children}</dd>
    </div>
  );
}

const ICONS: Readonly<Record<string, string>> = {
  good: "M5 12.5l4.5 4.5L19 7.5",
  busy: "M12 5v7l4.5 3",
  warning: "M12 6v7.5M12 17.4v.2",
  bad: "M7 7l10 10M17 7L7 17",
  neutral: "M7 12h10",
};

/** How the run is, in a sentence. */
export function VerdictLine({ known: { status, link } }: { readonly known: Known }) {
  const tone = link.kind === "lost" ? "warning" : status?.verdict.tone ?? "neutral";
  return (
    <div class={`verdict ${tone}`}>
      <svg viewBox="0 0 24 24" aria-hidden="true">
        <path d={ICONS[tone]} />
      </svg>
      <p role="status">
        {link.kind === "lost"
          ? `No answer since ${
            clockText(link.since)
          }: the process has ended, or cannot be reached. ` +
            "This page tries again each second."
          : status === null
          ? "Connecting to the run."
          : status.verdict.parts.map((part) =>
            typeof part === "string"
              ? safe(part)
              : <strong key={part.step}>{safe(part.step)}</strong>
          )}
        {link.kind === "ended" && " What is below is its last state."}
      </p>
    </div>
  );
}

interface Tile {
  readonly name: string;
  readonly value: string;
  readonly unit?: string;
  readonly note: string;
  readonly values: readonly (number | null)[];
  readonly tone?: "warning" | "bad";
}

/** Six numbers with their last minute: the first that this run has. */
export function Tiles({ known, status }: { readonly known: Known; readonly status: Status }) {
  return (
    <div class="tiles">
      {tilesOf(known.points, status).slice(0, 6).map((tile) => (
        <section class={`tile ${tile.tone ?? ""}`} key={tile.name} aria-label={tile.name}>
          <h2>{tile.name}</h2>
          <p class="value">
            {tile.value}
            {tile.unit !== undefined && <small>{tile.unit}</small>}
          </p>
          <p class="note">{tile.note}</p>
          <Sparkline area values={tile.values} label={`${tile.name}, the last minute`} />
        </section>
      ))}
    </div>
  );
}

function tilesOf(points: readonly Point[], status: Status): Tile[] {
  const { point, totals, epochs, commitAgeMs, intervalMs } = status;
  const isOverdue = commitAgeMs !== null && commitAgeMs > Math.max(30_000, 3 * (intervalMs ?? 0));
  const busiest = status.stages.reduce((most, { most: { busy } }) => Math.max(most, busy), 0);
  const tiles: (Tile | null)[] = [
    {
      name: "Items in",
      value: countText(point.in),
      unit: "/s",
      note: `${countText(totals.in)} in all`,
      values: points.map((each) => each.in),
    },
    {
      name: "Items out",
      value: countText(point.out),
      unit: "/s",
      note: `${countText(totals.out)} in all`,
      values: points.map((each) => each.out),
    },
    point.lag === null ? null : {
      name: "Lag",
      value: countText(point.lag),
      note: point.lag === 1 ? "item to read" : "items to read",
      values: points.map((each) => each.lag),
    },
    point.behindMs === null ? null : {
      name: "Event-time lag",
      value: durationText(point.behindMs),
      note: "of the last window step",
      values: points.map((each) => each.behindMs),
    },
    {
      name: "Epoch",
      value: point.epochMs === null ? "–" : durationText(point.epochMs),
      note: commitAgeMs === null
        ? "none yet"
        : `${epochs.length === 0 ? "no commit yet," : "committed"} ${durationText(commitAgeMs)} ${
          epochs.length === 0 ? "since the start" : "ago"
        }`,
      values: points.map((each) => each.epochMs),
      ...isOverdue ? { tone: "bad" } : {},
    },
    point.behindMs === null && totals.late === 0 ? null : {
      name: "Late values",
      value: countText(totals.late),
      note: point.late > 0 ? `${countText(point.late)} a second` : "none in the last 5 s",
      values: points.map((each) => each.late),
      ...point.late > 0 ? { tone: "warning" } : {},
    },
    point.rss === null ? null : {
      name: "Memory",
      value: bytesText(point.rss),
      note: status.workers.length === 1 ? "of the worker" : `of ${status.workers.length} workers`,
      values: points.map((each) => each.rss),
    },
    {
      name: "In queues",
      value: countText(status.stages.reduce((sum, { queued }) => sum + queued, 0)),
      note: "items between stages",
      values: [],
    },
    {
      name: "Busiest stage",
      value: percentText(busiest),
      note: "of the time at work",
      values: [],
    },
  ];
  return tiles.filter((tile) => tile !== null);
}

/** Returns a time of the day. */
export function clockText(at: number): string {
  return new Date(at).toTimeString().slice(0, 8);
}
