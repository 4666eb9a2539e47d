/**
 * Makes the pictures of the dashboard in `docs/img`, of a run of `picture_flow.ts`:
 * `deno run -A tools/dashboard_pictures.ts`. It takes a minute and a half, and needs Chromium.
 *
 * @module
 */
import { CHROMIUM, startBrowser } from "../tests/support/browser.ts";
import { startCli } from "../tests/support/cli.ts";

/** How long the flow runs before: the lines of the last minute are to be whole. */
const WARM_UP_MS = 70_000;

const PICTURES = [
  { name: "dashboard-light", colorScheme: "light", width: 1280, height: 900 },
  { name: "dashboard-dark", colorScheme: "dark", width: 1280, height: 900 },
] as const;

if (CHROMIUM === null) throw new Error("install Chromium first");
const store = await Deno.makeTempFile({ suffix: ".db" });
await Deno.remove(store);
{
  await using browser = await startBrowser();
  const options = ["--api=0", "--log-level=info", "--epoch-interval=2s", `--recovery=${store}`];
  await using cli = startCli(["tools/picture_flow.ts", "-w2", ...options], { deadlineMs: 300_000 });
  const [base] = await cli.stderr.line(/http:\/\/127\.0\.0\.1:\d+/);
  await new Promise((resolve) => setTimeout(resolve, WARM_UP_MS));
  for (const { name, colorScheme, width, height } of PICTURES) {
    await using context = await browser.newContext({ viewport: { width, height }, colorScheme });
    const page = await context.newPage();
    await page.goto(base);
    await page.locator(".box").first().waitFor();
    await page.locator(".keys li").first().waitFor({ state: "attached" });
    await page.screenshot({ path: `docs/img/${name}.png` });
  }
}
for (const suffix of ["", "-wal", "-shm", "-lock"]) {
  await Deno.remove(store + suffix).catch((error) => {
    if (!(error instanceof Deno.errors.NotFound)) throw error;
  });
}
