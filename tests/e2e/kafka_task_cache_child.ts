/**
 * A machine that is killed when its disk is to get a commit:
 *
 *     ... BROKERS APP SOURCE FOLDER COMMITS FLUSHES
 *
 * COMMITS is how many the disk gets before that. If FLUSHES is `true`, each one is written at once.
 */
import { taskId } from "../../src/core/task_id.ts";
import { TaskCache } from "../../src/recovery/task_cache/task_cache.ts";
import { chunk, epochOf, Group, keysOf, restored, shuffled } from "../support/kafka/task_group.ts";

const [brokers, app, source, cacheFolder, commits, flushes] = Deno.args;
const group = Group.join(brokers.split(","), app, source);
const log = await group.machine({ cacheFolder });
const task = taskId("keyed", 1);
const [at] = (await restored(log, task)).offsets as bigint[];
let left = Number(commits);
const { apply } = TaskCache.prototype;
TaskCache.prototype.apply = async function (...args) {
  if (--left < 0) Deno.kill(Deno.pid, "SIGKILL");
  await apply.apply(this, args);
  if (flushes === "true") await this.flush();
};
for (let epoch = Number(at ?? 0) + 1;; epoch++) {
  const states = Object.fromEntries(
    keysOf(1, 300).map((key, i) => [key, (i + epoch) % 3 === 0 ? null : `${epoch}`]),
  );
  await log.commit(epochOf({ tasks: [shuffled(task, BigInt(epoch), [chunk("count", states)])] }));
  console.log(epoch);
}
