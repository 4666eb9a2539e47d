import { SqliteRecoveryConfig } from "../../../src/recovery/sqlite/sqlite_recovery.ts";
import { tempFolder } from "../../support/files/temp_folder.ts";
import { testRecoveryStore } from "../../conformance/recovery_store.ts";

testRecoveryStore("a SQLite store", async () => {
  const folder = await tempFolder();
  return {
    config: () => new SqliteRecoveryConfig(folder.at("new folder/store.db")),
    [Symbol.asyncDispose]: () => folder[Symbol.asyncDispose](),
  };
});
