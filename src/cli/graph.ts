/**
 * Draws a flow.
 *
 * @module
 */
import { describeModule } from "../runtime/process/describe_flow.ts";
import type {
  FlowDescription,
  StepDescription,
  StreamDescription,
} from "../runtime/flow_description.ts";
import type { GraphCommand } from "./arguments.ts";
import { locateFlow } from "./flow_location.ts";

/**
 * Loads a flow and draws it.
 *
 * @throws {UsageError} If there is no such flow.
 * @throws {Error} If it cannot be loaded.
 */
export async function drawGraph(command: GraphCommand): Promise<string> {
  const { moduleUrl, exportName } = locateFlow(command.flow);
  const { flowArgs: args, workers, workerFlags, stages, format } = command;
  const flags = workerFlags === undefined ? {} : { workerFlags };
  const flow = await describeModule(moduleUrl, { exportName, args, workers, ...flags });
  switch (format) {
    case "mermaid":
      return mermaid(flow, { stages });
    case "dot":
      return dot(flow, { stages });
    case "json":
      return JSON.stringify(flow, null, 2) + "\n";
    case "svg":
      return await svg(dot(flow, { stages }));
  }
}

/** What else to show. */
interface Shown {
  /** Whether steps that run in one loop stand in one box. */
  readonly stages: boolean;
}

/** Returns a flow as a Mermaid flowchart. */
export function mermaid(flow: FlowDescription, { stages }: Shown): string {
  const names = namesOf(flow);
  const node = ({ id, kind }: StepDescription) => {
    const text = mermaidText(labelOf({ id, kind }));
    const shape = kind === "input" || kind === "capture" ? `([${text}])` : `[${text}]`;
    return `${names.get(id)}${shape}`;
  };
  const lines = stages
    ? stagesOf(flow).flatMap(({ number, steps }) =>
      steps.length === 1
        ? [node(steps[0])]
        : [`subgraph stage${number} [" "]`, ...steps.map((step) => `  ${node(step)}`), "end"]
    )
    : flow.steps.map(node);
  for (const { id, from } of flow.steps) {
    for (const stream of from) {
      const label = streamLabel(stream, { stages });
      const arrow = label === "" ? "-->" : `-- ${label} -->`;
      lines.push(`${names.get(stream.step)} ${arrow} ${names.get(id)}`);
    }
  }
  return ["flowchart LR", ...lines.map((line) => `  ${line}`), ""].join("\n");
}

/** Returns a flow in Graphviz's language. */
export function dot(flow: FlowDescription, { stages }: Shown): string {
  const names = namesOf(flow);
  const node = ({ id, kind }: StepDescription) => {
    const isEnd = kind === "input" || kind === "capture";
    const label = dotText(labelOf({ id, kind }));
    return `${names.get(id)} [label=${label}${isEnd ? ', style="rounded,filled"' : ""}];`;
  };
  const lines = [
    "rankdir=LR;",
    'node [shape=box, style=filled, fillcolor="#f6f7f9", color="#565f6b", fontname="sans-serif"];',
    'edge [color="#565f6b", fontname="sans-serif", fontsize=10];',
  ];
  for (const { number, steps } of stagesOf(flow)) {
    const nodes = steps.map(node);
    if (!stages || steps.length === 1) lines.push(...nodes);
    else {
      const style = 'style=rounded; color="#a3adba";';
      lines.push(`subgraph cluster${number} {`, `  ${style}`, ...nodes.map((n) => `  ${n}`), "}");
    }
  }
  for (const { id, from } of flow.steps) {
    for (const stream of from) {
      const label = streamLabel(stream, { stages });
      const shown = label === "" ? "" : ` [label=${dotText(label)}]`;
      lines.push(`${names.get(stream.step)} -> ${names.get(id)}${shown};`);
    }
  }
  return [`digraph ${dotText(flow.name)} {`, ...lines.map((line) => `  ${line}`), "}", ""]
    .join("\n");
}

/** Lets Graphviz lay it out. */
async function svg(source: string): Promise<string> {
  const { instance } = await import("@viz-js/viz"); // 1.5 MB that only this format needs
  return (await instance()).renderString(source, { format: "svg" });
}

/** Both languages have words of their own, such as `end`. So steps get other names. */
function namesOf({ steps }: FlowDescription): ReadonlyMap<string, string> {
  return new Map(steps.map(({ id }, i) => [id, `s${i}`]));
}

function stagesOf(
  { steps }: FlowDescription,
): { readonly number: number; readonly steps: readonly StepDescription[] }[] {
  const numbers = [...new Set(steps.map(({ stage }) => stage))];
  return numbers.map((number) => ({
    number,
    steps: steps.filter(({ stage }) => stage === number),
  }));
}

/** The id, and the kind of step if that says more. */
function labelOf({ id, kind }: Pick<StepDescription, "id" | "kind">): string {
  return id === kind || id.startsWith(`${kind}-`) ? id : `${id}\n${kind}`;
}

function streamLabel({ stream, isExchanged }: StreamDescription, { stages }: Shown): string {
  return [stream, stages && isExchanged ? "to other workers" : null]
    .filter((text) => text !== null).join(", ");
}

function mermaidText(text: string): string {
  const escaped = text.replace(/[&<>"#;`\\]/g, (char) => `#${char.codePointAt(0)};`);
  return `"${escaped.replaceAll("\n", "<br>")}"`;
}

function dotText(text: string): string {
  const escaped = text.replaceAll("\\", "\\\\").replaceAll('"', '\\"').replaceAll("\n", "\\n");
  return `"${escaped}"`;
}
