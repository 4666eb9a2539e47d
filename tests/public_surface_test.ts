import { assertEquals } from "@std/assert";
import * as millrace from "millrace";
import { VERSION } from "../src/core/version.ts";

Deno.test("mod.ts exports just these values", () => {
  assertEquals(Object.keys(millrace).sort(), [
    "Dataflow",
    "EventClockConfig",
    "FileInputConfig",
    "FileOutputConfig",
    "FlowDefinitionError",
    "ItemError",
    "KafkaInputConfig",
    "KafkaMessageInputConfig",
    "KafkaOutputConfig",
    "KafkaRecoveryConfig",
    "ManualEpochOutputConfig",
    "ManualInputConfig",
    "ManualOutputConfig",
    "MemoryRecoveryConfig",
    "PartitionedInputConfig",
    "RecoveryError",
    "SessionWindowConfig",
    "SlidingWindowConfig",
    "SqliteRecoveryConfig",
    "StdOutputConfig",
    "StepError",
    "SystemClockConfig",
    "TestingInputConfig",
    "TestingOutputConfig",
    "TumblingWindowConfig",
    "UNFINISHED",
    "UsageError",
    "createLog",
    "json",
    "run",
    "spawnCluster",
    "systemClock",
    "text",
  ]);
});

Deno.test("the version in the code is the one that is published", async () => {
  const config = JSON.parse(await Deno.readTextFile(new URL("../deno.json", import.meta.url)));
  assertEquals(VERSION, config.version);
});
