/**
 * A flow out of a module.
 *
 * @module
 */
import { messageOf, UsageError } from "../../core/errors.ts";
import { OWN_MODULE } from "../../core/own_module.ts";
import { preview } from "../../core/preview.ts";
import { type FlowGraph, graphOf, positionOf } from "../../graph/graph.ts";

/**
 * Imports a module and takes the flow that it exports. An export that is a function is called with
 * the flow's arguments, and awaited.
 *
 * @param moduleUrl The module.
 * @param exportName Which export; `null` for the default one.
 * @param args The arguments of the flow.
 * @throws {UsageError} If there is no such export, or it is not a flow.
 */
export async function loadFlow(
  moduleUrl: string,
  exportName: string | null,
  args: readonly string[],
): Promise<FlowGraph> {
  const module = await importModule(moduleUrl);
  const name = exportName ?? "default";
  if (!Object.hasOwn(module, name)) throw new UsageError(missing(moduleUrl, exportName, module));
  let flow = module[name];
  const isCalled = typeof flow === "function" && !isClass(flow);
  if (isCalled) flow = await (flow as (args: readonly string[]) => unknown)(args);
  if (positionOf(flow) === null) {
    const what = isCalled ? `what ${name}() returned` : `export ${name}`;
    const cure = flow === undefined && isCalled
      ? ": does it return the flow?"
      : name === "default" && Object.keys(module).length === 1
      ? ": export the flow instead"
      : hint(module);
    throw new UsageError(`${what} is not a Dataflow but ${preview(flow)}${cure}`);
  }
  return graphOf(flow);
}

/**
 * A class cannot be called. Its `prototype` cannot be replaced, which that of a function can be.
 */
function isClass(value: object): boolean {
  return Object.getOwnPropertyDescriptor(value, "prototype")?.writable === false;
}

async function importModule(moduleUrl: string): Promise<Record<string, unknown>> {
  try {
    return await import(moduleUrl);
  } catch (cause) {
    const unknown = /Import "(millrace|@millrace\/millrace)" not a dependency/
      .exec(messageOf(cause));
    if (unknown === null) throw cause;
    throw new UsageError(
      `the flow imports "${unknown[1]}", and no deno.json beside or above it says where that is: ` +
        `add { "imports": { "${unknown[1]}": "${OWN_MODULE}" } } to one`,
      { cause },
    );
  }
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
