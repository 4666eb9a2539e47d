/** A flow for worker processes of a group, and the module of its log, which is in memory. */
import { Dataflow, type Keyed } from "../../../mod.ts";
import type { InputConfig } from "../../../src/graph/contracts.ts";
import { MemoryGroup, MemoryLog, NamedOutput, TopicInput } from "./memory_log.ts";

const group = new MemoryGroup();
group.topics.create("numbers", 2);
group.topics.append("numbers", 0, ["a", 1], ["a", 2]);
group.topics.append("numbers", 1, ["bad", NaN]);

const flow = new Dataflow("grouped");
flow.input("in", new TopicInput<Keyed<number>>(group.topics, ["numbers"]))
  .map((item) => {
    if (Number.isNaN(item[1])) throw new RangeError("not a number");
    return item;
  }, { id: "check" })
  .capture("out", new NamedOutput<Keyed<number>>("out", []));
group.reads("grouped.in", "numbers");

export default flow;

export function topicsOf(config: InputConfig<unknown>): readonly string[] | null {
  return config instanceof TopicInput ? config.topics : null;
}

export function openGroupLog(): Promise<MemoryLog> {
  return Promise.resolve(new MemoryLog(group));
}
