/**
 * A flow whose cluster wants tokens, and a module that finds that cluster, both in one file. With a
 * file as its argument, a process ends at its second token, unless the file is there already.
 */
import type { LocatedCluster, LogModule } from "../../../src/group/log_module.ts";
import flow from "./process_flow.ts";

let tokens = 0;

export function locateCluster(): Promise<LocatedCluster> {
  const token = () => {
    if (++tokens === 2) endOnce(Deno.args[0]);
    return Promise.resolve(`token ${tokens} of ${Deno.pid}`);
  };
  return Promise.resolve({ place: { brokers: ["k1:9092"] }, token });
}

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

({ locateCluster }) satisfies Pick<LogModule, "locateCluster">;

export default flow;
