/**
 * Runs all benches, each in a process of its own: `deno task bench [NAME...]`. `kafka_memory` takes
 * twenty minutes and runs only by its name. `before_after` needs another checkout and runs by
 * itself.
 */
const ALL = [
  "chain",
  "keyed_count",
  "codec",
  "files",
  "startup",
  "idle",
  "kafka_idle",
  "kafka_count",
  "kafka_orders",
  "kafka_copy",
  "kafka_latency",
  "exactly_once",
  "memory",
  "exchange",
  "workers",
  "windows",
  "backlog",
  "window_memory",
  "state_memory",
  "nexmark",
  "operations",
  "recovery_store",
  "recovery",
  "task_cache",
  "group_restore",
  "group",
  "reload",
];

const names = Deno.args.length > 0 ? Deno.args : ALL;
console.log(`deno ${Deno.version.deno}, ${navigator.hardwareConcurrency} cores`);
for (const name of names) {
  const { success } = await new Deno.Command(Deno.execPath(), {
    args: ["run", "-A", new URL(`./${name}.ts`, import.meta.url).href],
  }).spawn().status;
  if (!success) Deno.exit(1);
}
