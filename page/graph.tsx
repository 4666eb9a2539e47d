/** The flow as a graph: a box for each stage, a line in it for each step. */
import { useEffect, useLayoutEffect, useRef, useState } from "preact/hooks";
import { type Arrow, BOX, type Box, type Layout } from "../src/ops/layout.ts";
import type { FlowView } from "../src/ops/run_view.ts";
import type { StageStatus, Status } from "../src/ops/status.ts";
import { countText, percentText } from "../src/ops/words.ts";
import { load } from "./app.tsx";
import { barText, safe, Section } from "./parts.tsx";

/** Below this width, items go down. */
const NARROW = 700;

/** Below this scale the text is too small: then one has to scroll. */
const LEAST_SCALE = 0.75;

/** Below this share of what would have to be seen, text is left out. */
const LEAST_SHARE = 0.5;

/** Beside the drawing, in pixels: a ring is wider than its box. */
const MARGIN = 6;

/** The graph. */
export function Graph({ status, flow, graph, chosen, setChosen }: {
  readonly status: Status;
  readonly flow: FlowView;
  readonly graph: number;
  readonly chosen: number | null;
  readonly setChosen: (stage: number | null) => void;
}) {
  const [layout, setLayout] = useState<Layout | null>(null);
  const [width, setWidth] = useState(0);
  const frame = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const observer = new ResizeObserver(() => setWidth(frame.current?.clientWidth ?? 0));
    observer.observe(frame.current!);
    return () => observer.disconnect();
  }, []);
  const direction = width < NARROW ? "down" : "right";
  useEffect(() => {
    if (width === 0) return;
    let isCurrent = true;
    void load<Layout>(`/graph/layout?direction=${direction}`).then((found) => {
      if (isCurrent) setLayout(found);
    });
    return () => isCurrent = false;
  }, [graph, direction, width === 0]);
  const bottleneck = status.verdict.stage;
  const fitting = layout === null ? 1 : Math.min(1, width / (layout.width + 2 * MARGIN));
  const isMap = fitting < LEAST_SCALE * LEAST_SHARE;
  const scale = isMap ? fitting : Math.max(LEAST_SCALE, fitting);
  useEffect(() => {
    const box = layout?.boxes.find(({ stage }) => stage === bottleneck);
    if (box === undefined) return;
    frame.current?.scrollTo({ left: (box.x + box.width / 2) * scale - width / 2 });
  }, [bottleneck, layout]);
  return (
    <Section
      id="graph"
      title="Graph"
      wide
      note={
        <span class="legend">
          <span>
            <i class="busy" />busy
          </span>
          <span>
            <i class="waits" />backpressured
          </span>
          <span>
            <i class="idle" />idle
          </span>
          <span>
            <b class="dashes" />between workers
          </span>
        </span>
      }
    >
      <div class="scroll graph" ref={frame} tabIndex={0} role="group" aria-label="Graph of stages">
        {layout !== null && (
          <svg
            viewBox={`${-MARGIN} -26 ${layout.width + 2 * MARGIN} ${layout.height + 36}`}
            width={(layout.width + 2 * MARGIN) * scale}
            height={(layout.height + 36) * scale}
          >
            {layout.arrows.map((arrow) => (
              <ArrowOf key={`${arrow.from} ${arrow.to}`} {...{ arrow, flow, status, isMap }} />
            ))}
            {layout.boxes.map((box) => (
              <BoxOf
                key={box.stage}
                {...{ box, flow, status, isMap }}
                isBottleneck={box.stage === bottleneck}
                isChosen={box.stage === chosen}
                onChoose={() => setChosen(box.stage === chosen ? null : box.stage)}
              />
            ))}
          </svg>
        )}
      </div>
    </Section>
  );
}

function BoxOf({ box, flow, status, isMap, isBottleneck, isChosen, onChoose }: {
  readonly box: Box;
  readonly flow: FlowView;
  readonly status: Status;
  readonly isMap: boolean;
  readonly isBottleneck: boolean;
  readonly isChosen: boolean;
  readonly onChoose: () => void;
}) {
  const { x, y, width, height } = box;
  const stage = status.stages.find((each) => each.stage === box.stage) ?? NONE;
  const steps = flow.steps.map((step, i) => ({ ...step, rate: status.steps.out[i] }))
    .filter((step) => step.stage === box.stage);
  const shown = steps.slice(0, BOX.steps);
  const more = steps.length - shown.length;
  const isEnd = steps.some(({ kind }) => kind === "input" || kind === "capture");
  const label = `Stage of ${steps.map(({ id }) => safe(id)).join(", ")}: ` +
    barText(stage.busy, stage.backpressured) + (isBottleneck ? ", the bottleneck" : "");
  const inner = width - 24;
  const bar = (part: number) => Math.round(part * inner * 10) / 10;
  const waits = Math.min(stage.backpressured, 1 - stage.busy);
  return (
    <g
      class={`box${isBottleneck ? " bottleneck" : ""}${isChosen ? " chosen" : ""}`}
      transform={`translate(${x} ${y})`}
      role="button"
      tabindex={0}
      aria-label={isMap ? label : undefined}
      aria-description={isMap ? undefined : barText(stage.busy, stage.backpressured)}
      aria-pressed={isChosen}
      onClick={onChoose}
      onKeyDown={(event) => {
        if (event.key !== "Enter" && event.key !== " ") return;
        event.preventDefault();
        onChoose();
      }}
    >
      <title>{`${label}. ${countText(stage.queued)} items wait in front of it.`}</title>
      <rect class="face" width={width} height={height} rx={isEnd ? 16 : 8} />
      {isMap
        ? (
          <>
            <rect
              class="busy"
              x="0"
              y={height * (1 - stage.busy)}
              width={width}
              height={height * stage.busy}
            />
            <rect class="waits" y="0" width={width} height={height * waits} />
            <rect fill="url(#hatch)" y="0" width={width} height={height * waits} />
          </>
        )
        : (
          <>
            {shown.map((step, i) => (
              <g key={step.id} transform={`translate(12 ${BOX.top + BOX.step * i + 14})`}>
                <text
                  class={step.kind === "input" || step.kind === "capture" ? "name end" : "name"}
                >
                  {cut(safe(step.id), step.rate >= 99.5 ? 18 : 20)}
                </text>
                <text class="rate" x={inner} text-anchor="end">{countText(step.rate)}/s</text>
              </g>
            ))}
            {more > 0 && (
              <text class="rate" x="12" y={BOX.top + BOX.step * BOX.steps + 14}>
                and {more} more
              </text>
            )}
            <g transform={`translate(12 ${height - BOX.bottom + 8})`}>
              <rect class="idle" width={inner} height="8" rx="2" />
              <rect class="busy" width={bar(stage.busy)} height="8" rx="2" />
              <rect class="waits" x={bar(stage.busy)} width={bar(waits)} height="8" />
              <rect fill="url(#hatch)" x={bar(stage.busy)} width={bar(waits)} height="8" />
            </g>
            {isBottleneck && (
              <text class="flag" x={width / 2} y="-8" text-anchor="middle">
                ▲ bottleneck, busy {percentText(stage.most.busy)}
              </text>
            )}
          </>
        )}
    </g>
  );
}

const NONE: StageStatus = {
  stage: 0,
  busy: 0,
  backpressured: 0,
  most: { worker: 0, busy: 0 },
  queued: 0,
};

function ArrowOf({ arrow, flow, status, isMap }: {
  readonly arrow: Arrow;
  readonly flow: FlowView;
  readonly status: Status;
  readonly isMap: boolean;
}) {
  const [start, ...rest] = arrow.points;
  const path = `M${start} C${rest.join(" ")}`;
  const [x, y] = middleOf(arrow.points);
  const rate = rateOf(arrow, flow, status);
  return (
    <g class={`arrow${arrow.isExchanged ? " exchanged" : ""}${rate > 0 ? "" : " still"}`}>
      <path d={path} marker-end="url(#tip)" />
      {!isMap && <text x={x} y={y - 6} text-anchor="middle">{countText(rate)}/s</text>}
    </g>
  );
}

/** What goes along an arrow, in items a second. */
function rateOf({ from, to }: Arrow, { steps }: FlowView, status: Status): number {
  const stageOf = new Map(steps.map((step) => [step.id, step.stage]));
  const outOf = new Map(steps.map(({ id }, i) => [id, status.steps.out[i]]));
  let sum = 0;
  for (const [i, step] of steps.entries()) {
    if (step.stage !== to) continue;
    const sources = step.from.filter((each) => stageOf.get(each.step) === from);
    if (sources.length === 0) continue;
    // What one stream brings is counted where it arrives; of several, where each begins.
    sum += step.from.length === 1
      ? status.steps.in[i]
      : sources.reduce((total, each) => total + (outOf.get(each.step) ?? 0), 0);
  }
  return sum;
}

/** The point in the middle of a curve. */
function middleOf(points: Arrow["points"]): readonly [number, number] {
  const pieces = (points.length - 1) / 3;
  const piece = Math.floor(pieces / 2);
  const [a, b, c, d] = points.slice(piece * 3, piece * 3 + 4);
  if (pieces % 2 === 0) return a;
  const mean = (i: 0 | 1) => (a[i] + 3 * b[i] + 3 * c[i] + d[i]) / 8;
  return [mean(0), mean(1)];
}

function cut(text: string, most: number): string {
  return text.length > most ? `${text.slice(0, most - 1)}…` : text;
}
