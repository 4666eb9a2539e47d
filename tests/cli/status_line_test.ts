import { assert, assertEquals } from "@std/assert";
import { taskOf } from "../support/ops/group.ts";
import { renderStatus, StatusLine, type StatusNumbers } from "../../src/cli/status_line.ts";

const NUMBERS: StatusNumbers = {
  items: 0,
  out: 0,
  rates: [0],
  seconds: 0,
  progress: null,
  waitingFor: [],
  tasks: null,
};

function render(numbers: Partial<StatusNumbers>): string {
  return renderStatus({ ...NUMBERS, ...numbers });
}

Deno.test("renderStatus() shows items in and out, the rate and the time", () => {
  assertEquals(
    render({ items: 12, out: 3, rates: [4.4], seconds: 65 }),
    "12 in  3 out  4/s  01:05",
  );
});

Deno.test("renderStatus() shortens large numbers, and never to 1000 of a unit", () => {
  const shown = (items: number) => render({ items }).split(" ")[0];
  assertEquals(
    [999, 1_000, 999_949, 999_950, 999_949_999, 999_950_000, 12_345_678_901].map(shown),
    ["999", "1.0k", "999.9k", "1.0M", "999.9M", "1.0G", "12.3G"],
  );
  assertEquals(render({ rates: [999.7] }), "0 in  0 out  1.0k/s  00:00");
});

Deno.test("renderStatus() counts hours once there are any", () => {
  const shown = (seconds: number) => render({ seconds }).split("  ")[3];
  assertEquals([59.9, 3_599, 3_600, 360_061].map(shown), [
    "00:59",
    "59:59",
    "1:00:00",
    "100:01:01",
  ]);
});

Deno.test("renderStatus() shows the rate of each worker if there are several", () => {
  assertEquals(render({ rates: [1_200, 800] }), "0 in  0 out  2.0k/s (1.2k + 800)  00:00");
});

Deno.test("renderStatus() begins with what the run waits for", () => {
  assertEquals(
    render({ waitingFor: ["broker", "disk"] }),
    "waiting for broker and disk  0 in  0 out  0/s  00:00",
  );
});

Deno.test("renderStatus() shows the tasks of a machine in a group, and what waits for them", () => {
  const restoring = { state: "restoring", restored: { done: 41, total: 100 } } as const;
  assertEquals(
    render({
      tasks: [
        taskOf("a_0", { inputLag: 1_000 }),
        taskOf("b_1", { shuffleLag: 234 }),
        taskOf("b_2", restoring),
      ],
    }),
    "tasks 2 running, 1 restoring 41 %  lag 1.2k  0 in  0 out  0/s  00:00",
  );
  assertEquals(render({ tasks: [] }), "tasks 0 running  lag 0  0 in  0 out  0/s  00:00");
});

Deno.test("renderStatus() shows control characters", () => {
  const [first] = render({ waitingFor: ["a\n\x1b[2J"] }).split("  ");
  assertEquals(first, "waiting for a\\n\\u001b[2J");
});

Deno.test("renderStatus() draws a bar if the inputs know their lengths", () => {
  const bar = (done: number, total: number) =>
    render({ progress: { done, total, unit: "items" } }).split("  ")[0];
  assertEquals(bar(0, 10), "[--------------------]");
  assertEquals(render({ progress: { done: 0, total: 10, unit: "items" } }).slice(22, 26), "  0%");
  assertEquals(bar(999, 1_000), "[###################-] 99%"); // not done before it is
  assertEquals(bar(10, 10), "[####################]100%");
  assertEquals(bar(12, 10), "[####################]100%");
  assertEquals(bar(0, 0), "[####################]100%");
});

/** What a terminal shows: the writes in order, with `<` where the line is cleared. */
class Screen {
  shown = "";
  columns = 80;
  time = 0;
  waitingFor: string[] = [];
  readonly line = new StatusLine((text) => this.#show(text), {
    columns: () => this.columns,
    now: () => this.time,
  });

  print(text: string): void {
    const write = (bytes: Uint8Array) => this.#show(new TextDecoder().decode(bytes));
    this.line.print(new TextEncoder().encode(text), write);
  }

  /** Shows that the input has given `items` by now. */
  update(items: number, out = items): void {
    this.line.update({
      steps: [
        { stepId: "in", kind: "input", in: 0, out: items },
        { stepId: "map-1", kind: "map", in: items, out: items },
        { stepId: "out", kind: "capture", in: out, out: 0 },
      ],
      progress: null,
      waitingFor: this.waitingFor,
      workers: [{ worker: 0, in: items, out }],
    });
  }

  /** What has been shown since the last call. */
  take(): string {
    const { shown } = this;
    this.shown = "";
    return shown;
  }

  #show(text: string): void {
    this.shown += text.replaceAll("\r\x1b[K", "<");
  }
}

Deno.test("StatusLine draws in place of what it drew before", () => {
  const screen = new Screen();
  screen.update(1, 0);
  assertEquals(screen.take(), "<1 in  0 out  0/s  00:00");
  screen.time = 1_000;
  screen.update(11, 9);
  assertEquals(screen.take(), "<11 in  9 out  10/s  00:01");
});

Deno.test("StatusLine shows what the run waits for, as long as it waits", () => {
  const screen = new Screen();
  screen.waitingFor = ["broker"];
  screen.update(1);
  assertEquals(screen.take(), "<waiting for broker  1 in  1 out  0/s  00:00");
  screen.waitingFor = [];
  screen.update(1);
  assertEquals(screen.take(), "<1 in  1 out  0/s  00:00");
});

Deno.test("StatusLine shows no negative rate after a restart", () => {
  const screen = new Screen();
  screen.update(100);
  screen.time = 1_000;
  screen.take();
  screen.update(10);
  assertEquals(screen.take(), "<10 in  10 out  0/s  00:01");
});

Deno.test("StatusLine shows the rate of the last two seconds", () => {
  const screen = new Screen();
  screen.update(0);
  const rates = [100, 100, 100, 100].map((items, i, all) => {
    screen.time += 1_000;
    screen.take();
    screen.update(i === 0 ? items : all[0]); // nothing more comes
    return screen.take().split("  ")[2];
  });
  assertEquals(rates, ["100/s", "50/s", "0/s", "0/s"]);
});

Deno.test("StatusLine shows each worker's rate, also when they report right after one another", () => {
  const screen = new Screen();
  const items = [0, 0];
  const shown: string[] = [];
  for (let ms = 0; ms <= 4_000; ms += 250) {
    for (const [worker, perSecond] of [1_000, 3_000].entries()) {
      screen.time = ms + worker; // a millisecond apart
      items[worker] = ms * perSecond / 1_000;
      screen.take();
      screen.line.update({
        steps: [],
        progress: null,
        waitingFor: [],
        workers: items.map((into, index) => ({ worker: index, in: into, out: 0 })),
      });
    }
    shown.push(screen.take().split("  ")[2]);
  }
  assertEquals(shown[0], "0/s (0 + 0)");
  for (const rates of shown.slice(1)) {
    const [one, two] = rates.match(/[\d.]+k?(?= \+|\))/g)!
      .map((rate) => parseFloat(rate) * (rate.endsWith("k") ? 1_000 : 1));
    assert(one >= 800 && one <= 1_000, rates);
    assert(two >= 2_600 && two <= 3_000, rates);
  }
});

Deno.test("StatusLine prints above itself", () => {
  const screen = new Screen();
  screen.print("first\n");
  assertEquals(screen.take(), "first\n");
  screen.update(1);
  screen.take();
  screen.print("second\nthird\n");
  assertEquals(screen.take(), "<second\nthird\n1 in  1 out  0/s  00:00");
});

Deno.test("StatusLine waits for the end of a line that is printed in parts", () => {
  const screen = new Screen();
  screen.update(1);
  screen.take();
  screen.print("half ");
  screen.update(2);
  screen.print("a ");
  assertEquals(screen.take(), "<half a ");
  screen.print("line\n");
  assertEquals(screen.take(), "line\n2 in  2 out  0/s  00:00");
});

Deno.test("StatusLine shows nothing for nothing printed", () => {
  const screen = new Screen();
  screen.update(1);
  screen.take();
  screen.print("");
  assertEquals(screen.take(), "");
});

Deno.test("StatusLine is gone once cleared, and what is printed then stands alone", () => {
  const screen = new Screen();
  screen.line.clear();
  assertEquals(screen.take(), "");
  screen.update(1);
  screen.take();
  screen.line.clear();
  assertEquals(screen.take(), "<");
  screen.print("error: no\n");
  assertEquals(screen.take(), "error: no\n");
});

Deno.test("StatusLine leaves alone a line that was never finished when it is cleared", () => {
  const screen = new Screen();
  screen.update(1);
  screen.print("no newline");
  screen.take();
  screen.line.clear();
  assertEquals(screen.take(), "");
});

Deno.test("StatusLine stays narrower than the terminal, also after that has changed", () => {
  const screen = new Screen();
  screen.columns = 12;
  screen.update(1);
  assertEquals(screen.take(), "<1 in  1 o");
  screen.columns = 2;
  screen.update(1);
  assertEquals(screen.take(), "<");
});

Deno.test("StatusLine shows that the run is stopping, at once and from then on", () => {
  const screen = new Screen();
  screen.line.stopping();
  assertEquals(screen.take(), "<stopping (^C again: at once)");
  screen.update(1);
  assertEquals(screen.take(), "<stopping (^C again: at once)  1 in  1 out  0/s  00:00");
});
