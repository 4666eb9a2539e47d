/** Renames, drops and imports a step until it is killed: `kill_child.ts PATH`. */
import { SqliteRecoveryConfig } from "../../../src/recovery/sqlite/sqlite_recovery.ts";
import { dropStep, renameStep } from "../../../src/recovery/tools/step_edits.ts";
import { exportLines } from "../../../src/recovery/tools/export.ts";
import { importInto, readExport } from "../../../src/recovery/tools/import.ts";

const [path] = Deno.args;
const store = await new SqliteRecoveryConfig(path).open("killed");
const text = (await Array.fromAsync(exportLines(store, { flow: "killed", step: null }))).join("");
const given = await readExport(
  (async function* () {
    yield* text.split("\n");
  })(),
  "export",
);
console.log("open");
// Each call leaves one of three states: the keys at "a", the keys at "b", or none.
for (;;) {
  const steps = (await store.steps()).map(({ step }) => step);
  if (steps.includes("a")) await renameStep(store, { from: "a", to: "b" }, { dryRun: false });
  else if (steps.includes("b")) await dropStep(store, "b", { dryRun: false });
  else await importInto(store, given, { dryRun: false, replace: true });
  console.log("done");
}
