/** Small parts of the page that several sections use. */
import type { ComponentChildren } from "preact";
import { oneLine, safeLines } from "../src/core/safe_text.ts";
import { percentText } from "../src/ops/words.ts";

/** A section with a heading. */
export function Section(
  { id, title, note, tools, children, wide = false }: {
    readonly id: string;
    readonly title: string;
    readonly note?: ComponentChildren;
    readonly tools?: ComponentChildren;
    readonly children: ComponentChildren;
    readonly wide?: boolean;
  },
) {
  return (
    <section id={id} class={wide ? "card wide" : "card"} aria-labelledby={`${id}-title`}>
      <header class="card-head">
        <h2 id={`${id}-title`}>{title}</h2>
        {note !== undefined && <p class="note">{note}</p>}
        {tools !== undefined && <div class="tools">{tools}</div>}
      </header>
      {children}
    </section>
  );
}

/** A text from outside, such as a name: control characters are shown, and do nothing. */
export function safe(text: string): string {
  return oneLine(text);
}

/** The same for a text that may have several lines. */
export function safeText(text: string): string {
  return safeLines(text);
}

/** The last minute as a line. It fills its box. */
export function Sparkline(
  { values, label, area = false }: {
    readonly values: readonly (number | null)[];
    readonly label: string;
    readonly area?: boolean;
  },
) {
  const known = values.filter((value) => value !== null);
  const most = Math.max(...known, 0);
  const at = (i: number) => 100 - (values.length - 1 - i) * (100 / 59);
  const points = values.flatMap((value, i) =>
    value === null
      ? []
      : [`${at(i).toFixed(1)},${(most === 0 ? 29 : 29 - value / most * 27).toFixed(1)}`]
  );
  const first = at(values.findIndex((value) => value !== null));
  return (
    <svg
      class="spark"
      viewBox="0 0 100 30"
      preserveAspectRatio="none"
      role="img"
      aria-label={label}
    >
      {area && points.length > 1 && (
        <polygon points={`${first.toFixed(1)},30 ${points.join(" ")} 100,30`} />
      )}
      {points.length > 1 && <polyline points={points.join(" ")} />}
    </svg>
  );
}

/** What a stage spends its time on, as a bar: busy, then backpressured with a hatch, then idle. */
export function Bar(
  { busy, backpressured }: { readonly busy: number; readonly backpressured: number },
) {
  const waits = Math.min(backpressured, 1 - busy);
  return (
    <svg class="bar" role="img" aria-label={barText(busy, backpressured)} height="8">
      <rect class="idle" width="100%" height="8" rx="2" />
      <rect class="busy" width={percent(busy)} height="8" rx="2" />
      <rect class="waits" x={percent(busy)} width={percent(waits)} height="8" />
      <rect fill="url(#hatch)" x={percent(busy)} width={percent(waits)} height="8" />
    </svg>
  );
}

/** The same in words. */
export function barText(busy: number, backpressured: number): string {
  const idle = Math.max(0, 1 - busy - backpressured);
  return `busy ${percentText(busy)}, backpressured ${percentText(backpressured)}, ` +
    `idle ${percentText(idle)}`;
}

/** The pattern of what is backpressured, which is told apart without colours too. */
export function Hatch() {
  return (
    <svg width="0" height="0" class="defs" aria-hidden="true">
      <defs>
        <pattern
          id="hatch"
          width="5"
          height="5"
          patternUnits="userSpaceOnUse"
          patternTransform="rotate(45)"
        >
          <rect class="hatch-line" width="2" height="5" />
        </pattern>
        <marker
          id="tip"
          viewBox="0 0 8 8"
          refX="7"
          refY="4"
          markerWidth="7"
          markerHeight="7"
          orient="auto"
        >
          <path d="M0 0.8 L7.4 4 L0 7.2 z" class="tip" />
        </marker>
      </defs>
    </svg>
  );
}

function percent(share: number): string {
  return `${Math.round(Math.max(0, share) * 1_000) / 10}%`;
}
