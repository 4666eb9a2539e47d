/**
 * Where the boxes and arrows of a flow's graph are.
 *
 * @module
 */
import type { FlowView } from "./run_view.ts";

/** Which way items go. */
export type Direction = "right" | "down";

/** A drawing. Lengths are in pixels, from the top left. */
export interface Layout {
  readonly width: number;
  readonly height: number;
  readonly boxes: readonly Box[];
  readonly arrows: readonly Arrow[];
}

/** A stage. */
export interface Box {
  readonly stage: number;
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

/** From a stage to another one. */
export interface Arrow {
  readonly from: number;
  readonly to: number;
  /** Whether items change workers there. */
  readonly isExchanged: boolean;
  /** A Bézier curve: its start, and three points for each piece. The last point is the tip. */
  readonly points: readonly (readonly [x: number, y: number])[];
}

/** What a box is made of, in pixels. The page draws it by the same numbers. */
export const BOX = {
  width: 208,
  /** Above the first step, and below the last with the bar. */
  top: 10,
  bottom: 26,
  step: 20,
  /** The most steps of a box that are drawn, and one line for the others. */
  steps: 10,
} as const;

/** Graphviz has 72 points to an inch. A point is a pixel here. */
const INCH = 72;

/** Returns how many lines a stage's box has. */
export function linesOf(steps: number): number {
  return steps > BOX.steps ? BOX.steps + 1 : steps;
}

/**
 * Lays a flow out. Loads Graphviz, 1.5 MB, the first time.
 *
 * Names stay out of it: boxes have one width, and are known by numbers.
 */
export async function layOut({ steps }: FlowView, direction: Direction): Promise<Layout> {
  const { instance } = await import("@viz-js/viz");
  const stages = new Map<number, number>();
  const stageOf = new Map<string, number>();
  for (const { id, stage } of steps) {
    stages.set(stage, (stages.get(stage) ?? 0) + 1);
    stageOf.set(id, stage);
  }
  const arrows = new Map<string, { from: number; to: number; isExchanged: boolean }>();
  for (const { stage: to, from } of steps) {
    for (const { step, isExchanged } of from) {
      const source = stageOf.get(step);
      if (source === undefined || source === to) continue;
      const name = `s${source} -> s${to}`;
      const known = arrows.get(name)?.isExchanged ?? false;
      arrows.set(name, { from: source, to, isExchanged: isExchanged || known });
    }
  }
  const inputs = steps.filter(({ kind }) => kind === "input").map(({ stage }) => `s${stage}`);
  const dot = [
    "digraph {",
    `rankdir=${direction === "right" ? "LR" : "TB"}; nodesep=0.3; ranksep=0.85;`,
    'node [shape=box, fixedsize=true, label=""]; edge [arrowhead=none];',
    ...[...stages].map(([stage, count]) => {
      const height = BOX.top + BOX.bottom + BOX.step * linesOf(count);
      return `s${stage} [width=${BOX.width / INCH}, height=${height / INCH}];`;
    }),
    `{ rank=source; ${[...new Set(inputs)].join("; ")} }`,
    ...arrows.keys(),
    "}",
  ];
  const drawn = (await instance()).renderJSON(dot.join("\n")) as Drawing;
  const [, , width, height] = drawn.bb.split(",").map(Number);
  const point = (text: string): [number, number] => {
    const [x, y] = text.split(",").map(Number);
    return [round(x), round(height - y)];
  };
  const objects = (drawn.objects ?? []).filter(({ pos }) => pos !== undefined);
  const nameOf = new Map(objects.map(({ _gvid, name }) => [_gvid, name]));
  return {
    width: Math.ceil(width),
    height: Math.ceil(height),
    boxes: objects.map((object) => {
      const [x, y] = point(object.pos!);
      const size = [object.width!, object.height!].map((inches) => Number(inches) * INCH);
      return {
        stage: Number(object.name.slice(1)),
        x: round(x - size[0] / 2),
        y: round(y - size[1] / 2),
        width: round(size[0]),
        height: round(size[1]),
      };
    }),
    arrows: (drawn.edges ?? []).map(({ tail, head, pos }) => ({
      ...arrows.get(`${nameOf.get(tail)} -> ${nameOf.get(head)}`)!,
      points: pos.split(" ").map(point),
    })),
  };
}

/** What Graphviz returns, as far as it is used. A subgraph is an object too, without a place. */
interface Drawing {
  readonly bb: string;
  readonly objects?: readonly {
    readonly _gvid: number;
    readonly name: string;
    readonly pos?: string;
    readonly width?: string;
    readonly height?: string;
  }[];
  readonly edges?: readonly {
    readonly tail: number;
    readonly head: number;
    readonly pos: string;
  }[];
}

function round(pixels: number): number {
  return Math.round(pixels * 10) / 10;
}
