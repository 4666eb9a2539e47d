/** The warnings of the runtime that code under test causes. */
import process from "node:process";

/** Does `work`. Returns the names of the warnings that a user would see on the terminal. */
export async function warningsOf(work: () => Promise<unknown>): Promise<string[]> {
  const names: string[] = [];
  const note = ({ name }: Error) => void names.push(name);
  process.on("warning", note);
  try {
    await work();
    await new Promise((resolve) => setTimeout(resolve)); // a warning comes at the next tick
  } finally {
    process.off("warning", note);
  }
  return names;
}
