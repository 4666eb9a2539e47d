/** A real browser for tests of the dashboard: Chromium, as the system has it. */
import axe from "axe-core" with { type: "text" };
import { type Browser, chromium, type Page } from "playwright-core";

/** Where Chromium is; `null` if it is not installed. `tools/run_tests.ts` installs it. */
export const CHROMIUM: string | null = (Deno.env.get("PATH") ?? "").split(":")
  .map((folder) => `${folder}/chromium`).find(isFile) ?? null;

/** Starts it. Close it with `await using`: a test that fails would leave its processes. */
export function startBrowser(): Promise<Browser> {
  return chromium.launch({ executablePath: CHROMIUM! });
}

/** Collects what a page complains about. */
export function complaintsOf(page: Page): string[] {
  const complaints: string[] = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
  });
  return complaints;
}

/** What makes a page hard to use for some, in a line each. */
export async function barriersOf(page: Page): Promise<string[]> {
  await page.evaluate(axe);
  const { violations } = await page.evaluate("axe.run()") as {
    violations: { id: string; impact: string; nodes: { html: string; failureSummary: string }[] }[];
  };
  return violations.filter(({ impact }) => impact === "serious" || impact === "critical")
    .map(({ id, nodes }) => `${id}: ${nodes[0].html} ${nodes[0].failureSummary}`);
}

function isFile(path: string): boolean {
  try {
    return Deno.statSync(path).isFile;
  } catch (error) {
    if (error instanceof Deno.errors.NotFound || error instanceof Deno.errors.NotADirectory) {
      return false;
    }
    throw error;
  }
}
