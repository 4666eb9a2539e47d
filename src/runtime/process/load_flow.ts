/**
 * A flow out of a module.
 *
 * @module
 */
import { UsageError } from "../../core/errors.ts";
import { preview } from "../../core/preview.ts";
import { type FlowGraph, graphOf, positionOf } from "../../graph/graph.ts";

/**
 * Imports a module and takes the flow that it exports. An export that is a function is called with
 * the flow's arguments, and awaited.
 *
 * @param moduleUrl The module.
 * @param exportName Which export; `null` for the default one.
 * @param args The arguments of the flow.
 * @throws {UsageError} If there is no such export, or it is no flow.
 */
export async function loadFlow(
  moduleUrl: string,
  exportName: string | null,
  args: readonly string[],
): Promise<FlowGraph> {
  const module: Record<string, unknown> = await import(moduleUrl);
  const name = exportName ?? "default";
  if (!Object.hasOwn(module, name)) throw new UsageError(missing(moduleUrl, exportName, module));
  let flow = module[name];
  if (typeof flow === "function") flow = await flow(args);
  if (positionOf(flow) === null) {
    const what = typeof module[name] === "function" ? `what ${name}() returned` : `export ${name}`;
    const cure = flow === undefined && typeof module[name] === "function"
      ? ": does it return the flow?"
      : name === "default" && Object.keys(module).length === 1
      ? ""
      : hint(module);
    throw new UsageError(`${what} is no Dataflow but ${preview(flow)}${cure}`);
  }
  return graphOf(flow);
}

function missing(url: string, name: string | null, module: Record<string, unknown>): string {
  const file = url.slice(url.lastIndexOf("/") + 1);
  if (name !== null) return `${file} has no export ${name}${hint(module)}`;
  const flows = Object.keys(module).filter((key) => positionOf(module[key]) !== null);
  return flows.length > 0
    ? `${file} has no default export; say which flow: ${
      flows.map((key) => `${file}:${key}`).join(" or ")
    }`
    : `${file} exports no flow: end it with \`export default flow;\`${hint(module)}`;
}

function hint(module: Record<string, unknown>): string {
  const names = Object.keys(module);
  return names.length === 0 ? " (it exports nothing)" : ` (it exports ${names.join(", ")})`;
}
