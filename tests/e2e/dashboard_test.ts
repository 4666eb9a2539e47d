import { assertEquals, assertStringIncludes } from "@std/assert";
import type { Page } from "playwright-core";
import type { ApiOptions } from "../../src/ops/access.ts";
import { serveApi } from "../../src/ops/server.ts";
import { barriersOf, CHROMIUM, complaintsOf, startBrowser } from "../support/browser.ts";
import { FLOW_CONFIG, folderOf, startCli } from "../support/cli.ts";
import { GROUP, taskOf } from "../support/ops/group.ts";
import { NO_PAST } from "../support/ops/idle_worker.ts";
import { MadeUpRun, SIXTY_STEPS, TWELVE_STEPS } from "../support/ops/made_up_run.ts";

const KEYS = {
  "join-customer": {
    ada: { orders: 12 },
    "a/b?c#d": "found by its whole name",
    "</script><script>document.title = 'run'</script>": 1,
    "line\nend\u0007": 2,
  },
};

/** A made-up run that has gone on for a while, and goes on. */
function madeUp(plan = TWELVE_STEPS): MadeUpRun & Disposable {
  const run = new MadeUpRun({ ...plan, keys: KEYS });
  run.pass(60_000);
  const timer = setInterval(() => run.pass(100), 100);
  return Object.assign(run, { [Symbol.dispose]: () => clearInterval(timer) });
}

function serve(run: MadeUpRun, options: Partial<ApiOptions> = {}) {
  return serveApi({ port: 0, ...options }, run);
}

/** The sentence at the top. */
function sentenceOf(page: Page) {
  return page.locator(".verdict p");
}

const ignore = CHROMIUM === null;

Deno.test({ name: "the dashboard draws a run, for everybody", ignore }, async (t) => {
  await using browser = await startBrowser();
  for (
    const [name, plan, boxes, views] of [
      ["12", TWELVE_STEPS, 7, VIEWS],
      ["60", SIXTY_STEPS, 40, [VIEWS[0], VIEWS[3]]],
    ] as const
  ) {
    using run = madeUp(plan);
    await using port = await serve(run);
    for (const [width, colorScheme] of views) {
      await t.step(`${name} steps, ${width} px, ${colorScheme}`, async () => {
        const viewport = { width, height: 800 };
        await using context = await browser.newContext({ viewport, colorScheme });
        const page = await context.newPage();
        const complaints = complaintsOf(page);
        await page.goto(port.url);
        await page.locator(".box").nth(boxes - 1).waitFor();
        await sentenceOf(page).getByText("is the bottleneck").waitFor();
        await page.getByText("join-customer (").first().waitFor({ state: "attached" });
        assertEquals(await page.locator(".box").count(), boxes);
        assertEquals(await page.locator(".tile").count(), 6);
        const overflow = await page.evaluate(
          "document.documentElement.scrollWidth - document.documentElement.clientWidth",
        );
        assertEquals(overflow, 0, "the page is wider than its window");
        assertEquals(await barriersOf(page), []);
        assertEquals(complaints, []);
      });
    }
  }
});

const VIEWS = [[1280, "light"], [1280, "dark"], [375, "light"], [375, "dark"]] as const;

Deno.test(
  { name: "the dashboard follows a run, and can be used by keyboard", ignore },
  async (t) => {
    await using browser = await startBrowser();
    using run = madeUp();
    let port = await serve(run);
    await using context = await browser.newContext();
    const page = await context.newPage();
    const complaints = complaintsOf(page);
    await page.goto(port.url);

    await t.step("a key is found by its whole name, and is shown as text", async () => {
      const key = page.getByLabel("Key", { exact: true });
      await key.fill("a/b?c#d");
      await page.getByText("found by its whole name").first().waitFor();
      await key.fill("nobody");
      await page.getByText("The step has no state for that key.").waitFor();
      await key.fill("");
      await page.getByText("</script><script>document.title = 'run'</script>").first().waitFor();
      await page.getByText("line\\nend\\u0007").first().waitFor();
      assertEquals(await page.title(), "made up – Millrace");
    });

    await t.step("a box is chosen by keyboard, and the table has its steps", async () => {
      await page.locator(".box").nth(2).focus();
      await page.keyboard.press("Enter");
      const rows = page.locator("#steps tbody tr");
      await page.getByText("1 of 12 steps").waitFor();
      assertStringIncludes(await rows.first().innerText(), "enrich-customer");
      await page.keyboard.press("Enter");
      await page.getByText("12 steps", { exact: true }).waitFor();
    });

    await t.step("a restart of the flow is shown, and then its numbers", async () => {
      run.change = { phase: "restarting", past: { ...NO_PAST, errors: [ERROR] }, restarts: 1 };
      await sentenceOf(page).getByText("parse has failed on worker 2: TypeError: no price.")
        .waitFor();
      await page.locator("#errors").getByText('{"id":12}').waitFor();
      run.change = { restarts: 1 };
      await sentenceOf(page).getByText("is the bottleneck").waitFor();
      await page.locator(".facts").getByText("restarts").waitFor();
    });

    await t.step("no worker is asked when a run is over, and its error has its lines", async () => {
      const error = { ...ERROR, at: 2, message: "SyntaxError: Expression expected\n  const x = ;" };
      const past = {
        ...NO_PAST,
        outcome: "failed",
        errors: [error],
        waitsForChange: true,
      } as const;
      run.change = { phase: "over", past };
      await page.locator("#state").getByText("The flow does not run any more.").waitFor();
      await sentenceOf(page).getByText("It goes on when the code of the flow changes.").waitFor();
      const shown = page.locator("#errors").getByText("SyntaxError: Expression expected");
      await shown.waitFor();
      assertStringIncludes(await shown.innerText(), "expected\n  const x = ;");
      run.change = {};
      await sentenceOf(page).getByText("is the bottleneck").waitFor();
    });

    await t.step("the end of a run is shown, and another run at the same port", async () => {
      run.change = { phase: "over", past: { ...NO_PAST, outcome: "failed", errors: [ERROR] } };
      await port[Symbol.asyncDispose]();
      await page.getByText("The run has ended. What is below is its last state.").or(
        page.getByText("No answer since"),
      ).first().waitFor();
      run.change = {};
      port = await serve(run, { port: Number(new URL(port.url).port) });
      await sentenceOf(page).getByText("is the bottleneck").waitFor();
    });

    // A browser itself notes that a key was not found, and that there was nobody to connect to.
    const own = /404 \(Not Found\)|net::ERR_/;
    assertEquals(complaints.filter((text) => !own.test(text)), []);
    await port[Symbol.asyncDispose]();
  },
);

const ERROR = {
  at: 1,
  message: "TypeError: no price",
  step: "parse",
  worker: 2,
  item: '{"id":12}',
  origin: null,
};

Deno.test({ name: "the dashboard has a table of the tasks of a group", ignore }, async (t) => {
  await using browser = await startBrowser();
  using run = madeUp();
  const restoring = taskOf("totals_2", { state: "restoring", restored: { done: 41, total: 100 } });
  const tasks = [taskOf("orders_0", { inputLag: 12_000 }), restoring, taskOf("totals_1")];
  run.change = { group: { ...GROUP, tasks } };
  await using port = await serve(run);
  for (const [width, colorScheme] of VIEWS) {
    await t.step(`${width} px, ${colorScheme}`, async () => {
      await using context = await browser.newContext({
        viewport: { width, height: 800 },
        colorScheme,
      });
      const page = await context.newPage();
      const complaints = complaintsOf(page);
      await page.goto(port.url);
      await page.getByText("2 running, 1 restoring 41 %; group orders.1 (streams)").waitFor();
      const rows = page.locator("#tasks tbody tr");
      await rows.nth(2).waitFor();
      const texts = await rows.allInnerTexts();
      assertStringIncludes(texts[0], "restoring 41 %"); // what does not run comes first
      assertStringIncludes(texts[1], "12.0 k");
      assertEquals(await barriersOf(page), []);
      assertEquals(complaints, []);
    });
  }
  await t.step("what keeps the group from running is told", async () => {
    const page = await browser.newPage();
    run.change = { group: { ...GROUP, tasks: [], status: "waits for\u001b topics" } };
    await page.goto(port.url);
    await page.locator("#tasks").getByText("waits for\\u001b topics").waitFor();
    await page.getByText("The group has assigned no task to this machine.").waitFor();
    await page.close();
  });
});

Deno.test({ name: "a seventh tab loads while six others are hidden", ignore }, async () => {
  await using browser = await startBrowser();
  using run = madeUp();
  await using port = await serve(run);
  await using context = await browser.newContext();
  for (let tab = 1; tab <= 7; tab++) {
    const page = await context.newPage();
    await page.goto(port.url);
    await sentenceOf(page).getByText("is the bottleneck").waitFor();
    if (tab === 7) break;
    // Without a window, every tab counts as visible.
    await page.evaluate(`Object.defineProperty(document, "hidden", { value: true });
      document.dispatchEvent(new Event("visibilitychange"));`);
  }
});

Deno.test({ name: "with a token, a browser signs in, and stays signed in", ignore }, async () => {
  await using browser = await startBrowser();
  using run = madeUp();
  await using port = await serve(run, { token: "s3cret" });
  await using context = await browser.newContext();
  const page = await context.newPage();
  const token = page.getByLabel("Token");
  await page.goto(port.url);
  assertEquals(await barriersOf(page), []);
  await token.fill("wrong");
  await page.keyboard.press("Enter");
  await page.getByRole("alert").getByText("not the token").waitFor();
  await token.fill("s3cret");
  await page.getByRole("button", { name: "Sign in" }).click();
  await sentenceOf(page).getByText("is the bottleneck").waitFor();
  const [cookie] = await context.cookies();
  assertEquals([cookie.httpOnly, cookie.sameSite, cookie.value.includes("s3cret")], [
    true,
    "Strict",
    false,
  ]);
  await page.reload();
  await page.getByText("join-customer (").first().waitFor({ state: "attached" });
});

Deno.test({ name: "a real run that fails tells the page its step and item", ignore }, async () => {
  await using folder = await folderOf({
    "deno.json": FLOW_CONFIG,
    "flow.ts": `
      import { Dataflow, ManualInputConfig, StdOutputConfig } from "millrace";
      import { existsSync } from "node:fs";
      const numbers = new ManualInputConfig(async function* () {
        for (let n = 0;; n++) {
          await new Promise((resolve) => setTimeout(resolve, 20));
          const isWrong = n > 20 && existsSync(new URL("wrong", import.meta.url));
          yield [null, isWrong ? "a wrong one" : "a right one"];
        }
      });
      export default new Dataflow("orders").input("numbers", numbers)
        .map(function check(order) {
          if (order === "a wrong one") throw new TypeError("no such order");
          return order;
        })
        .filter(function none() { return false; })
        .capture("out", new StdOutputConfig());
    `,
  });
  await using browser = await startBrowser();
  const args = [`${folder.path}/flow.ts`, "-w2", "--restart=1", "--api=0", "--log-level=info"];
  await using cli = startCli(args, { deadlineMs: 40_000 });
  const [base] = await cli.stderr.line(/http:\/\/127\.0\.0\.1:\d+/);
  const page = await browser.newPage();
  await page.goto(base);
  await page.locator(".box").first().waitFor();
  await Deno.writeTextFile(`${folder.path}/wrong`, "");
  await sentenceOf(page).getByText("The run has ended. What is below is its last state.").waitFor();
  const text = await page.locator("#errors").innerText();
  assertStringIncludes(text, "check");
  assertStringIncludes(text, "TypeError: no such order");
  assertStringIncludes(text, "a wrong one");
  await page.locator(".facts").getByText("restarts").waitFor();
  assertStringIncludes(await page.locator("#log").innerText(), "flow running");
  assertEquals((await cli.finished()).code, 1);
});
