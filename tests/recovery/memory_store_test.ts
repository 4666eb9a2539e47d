import { MemoryRecoveryConfig } from "../../src/recovery/memory_store.ts";
import { testRecoveryStore } from "../conformance/recovery_store.ts";

testRecoveryStore("a store in memory", () => {
  const config = new MemoryRecoveryConfig();
  return Promise.resolve({
    config: () => config,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  });
});
