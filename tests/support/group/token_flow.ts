/**
 * A flow whose cluster wants tokens, and a module that finds that cluster, both in one file. With a
 * file as its argument, a process ends at its second token, unless the file is there already. No
 * group is prepared then.
 */
import { existsSync } from "node:fs";
import type { LocatedCluster, LogModule, PreparedGroup } from "../../../src/group/log_module.ts";
import flow, { topicsOf } from "./process_flow.ts";

let tokens = 0;

export function locateCluster(): Promise<LocatedCluster> {
  const token = () => {
    if (++tokens === 2) endOnce(Deno.args[0]);
    return Promise.resolve(`token ${tokens} of ${Deno.pid}`);
  };
  return Promise.resolve({ place: { brokers: ["k1:9092"] }, token });
}

export async function prepareGroup(): Promise<PreparedGroup> {
  const [file] = Deno.args;
  if (file !== undefined && existsSync(file)) throw new Error("the group is prepared already");
  return {
    ...await locateCluster(),
    groupId: "orders.1",
    protocol: "streams",
    failedAt: null,
  };
}

export function checkFlow(): void {}

function endOnce(file: string | undefined): void {
  if (file === undefined) return;
  try {
    Deno.writeTextFileSync(file, "", { createNew: true });
  } catch (error) {
    if (error instanceof Deno.errors.AlreadyExists) return;
    throw error;
  }
  Deno.exit(3);
}

export { topicsOf };

({ topicsOf, checkFlow, prepareGroup, locateCluster }) satisfies Partial<LogModule>;

export default flow;
