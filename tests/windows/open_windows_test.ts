import { assertEquals, assertThrows } from "@std/assert";
import type { Windower, WindowSpan } from "../../mod.ts";
import { assignBy, type OpenWindow } from "../../src/windows/open_windows.ts";
import type { WindowFold } from "../../src/windows/window_fold.ts";

const join: WindowFold<string, string, string> = {
  first: (value) => value,
  add: (acc, value) => acc + value,
  merge: (earlier, later) => `(${earlier}+${later})`,
  result: (acc) => acc,
};

type Row = [openAt: number, closeAt: number, acc: string];

const open = (...rows: Row[]): OpenWindow<string>[] =>
  rows.map(([openAt, closeAt, acc]) => ({ span: { openAt, closeAt }, acc }));
const rowsOf = (windows: OpenWindow<string>[]): Row[] =>
  windows.map(({ span: { openAt, closeAt }, acc }) => [openAt, closeAt, acc]);

function windower(overlap: Windower["overlap"], ...spans: [number, number][]): Windower {
  const given = spans.map(([openAt, closeAt]): WindowSpan => ({ openAt, closeAt }));
  return { overlap, windowsAt: () => given };
}

/** Assigns "x" at a time; what is open then, which windows were told, and whether it was late. */
function assign(by: Windower, windows: OpenWindow<string>[], time: number, watermark = -Infinity) {
  const told: string[] = [];
  const late = assignBy(by, join)(
    windows,
    "x",
    time,
    watermark,
    ({ acc }) => told.push(acc),
  );
  return { open: rowsOf(windows), told, late };
}

Deno.test("a value goes into the open window that covers it, or into a new one in its place", () => {
  const windows = () => open([0, 10, "a"], [20, 30, "b"]);
  const at = (time: number, span: [number, number]) =>
    assign(windower("never", span), windows(), time).open;
  assertEquals(at(5, [0, 10]), [[0, 10, "ax"], [20, 30, "b"]]);
  assertEquals(at(20, [20, 30]), [[0, 10, "a"], [20, 30, "bx"]]);
  assertEquals(at(10, [10, 20]), [[0, 10, "a"], [10, 20, "x"], [20, 30, "b"]]);
  assertEquals(at(-1, [-10, 0]), [[-10, 0, "x"], [0, 10, "a"], [20, 30, "b"]]);
  assertEquals(at(30, [30, 40]), [[0, 10, "a"], [20, 30, "b"], [30, 40, "x"]]);
});

Deno.test("a value is late for a window that ends at the watermark, and not for one that ends after", () => {
  for (const overlap of ["never", "may", "merge"] as const) {
    const by = windower(overlap, [0, 10]);
    assertEquals(assign(by, [], 5, 10), { open: [], told: [], late: true });
    assertEquals(assign(by, [], 5, 9), { open: [[0, 10, "x"]], told: ["x"], late: false });
  }
});

Deno.test("a value is late for some of its windows, and goes into the others", () => {
  const by = windower("may", [0, 10], [0, 15], [5, 20]);
  assertEquals(assign(by, open([5, 20, "a"]), 5, 10), {
    open: [[0, 15, "x"], [5, 20, "ax"]],
    told: ["x", "ax"],
    late: false,
  });
});

Deno.test("windows that end together stay apart, whichever a windower returns first", () => {
  const spans: [number, number][] = [[0, 20], [3, 20], [5, 20]];
  for (const order of [[0, 1, 2], [2, 1, 0], [1, 0, 2], [2, 0, 1]]) {
    const by = windower("may", ...order.map((i) => spans[i]));
    const windows = open([3, 20, "a"]);
    assign(by, windows, 6);
    assertEquals(assign(by, windows, 6).open, [[0, 20, "xx"], [3, 20, "axx"], [5, 20, "xx"]]);
  }
});

Deno.test("a window without an end is one window", () => {
  for (const overlap of ["never", "may", "merge"] as const) {
    const by = windower(overlap, [-Infinity, Infinity]);
    const windows = open();
    for (let n = 0; n < 3; n++) assign(by, windows, n);
    assertEquals(rowsOf(windows), [[-Infinity, Infinity, "xxx"]]);
  }
});

Deno.test("sessions that only touch stay two; one millisecond more and they become one", () => {
  const by = (from: number) => windower("merge", [from, from + 10]);
  const windows = () => open([0, 10, "a"], [20, 30, "b"]);
  assertEquals(assign(by(10), windows(), 10).open, [[0, 10, "a"], [10, 20, "x"], [20, 30, "b"]]);
  assertEquals(assign(by(9), windows(), 9).open, [[0, 19, "ax"], [20, 30, "b"]]);
  assertEquals(assign(by(11), windows(), 11).open, [[0, 10, "a"], [11, 30, "bx"]]);
  const near = open([0, 12, "a"], [20, 30, "b"]);
  assertEquals(assign(by(11), near, 11).open, [[0, 30, "(a+b)x"]]);
});

Deno.test("a window that spans several merges them all, the earlier first", () => {
  const windows = open([0, 10, "a"], [10, 20, "b"], [20, 30, "c"], [30, 40, "d"]);
  assertEquals(assign(windower("merge", [5, 25]), windows, 5), {
    open: [[0, 30, "((a+b)+c)x"], [30, 40, "d"]],
    told: ["((a+b)+c)x"],
    late: false,
  });
});

Deno.test("a value that joins an open session is not late, though by itself it would be", () => {
  const windows = open([0, 30, "a"]);
  assertEquals(assign(windower("merge", [5, 15]), windows, 5, 20).late, false);
  assertEquals(rowsOf(windows), [[0, 30, "ax"]]);
});

Deno.test("a windower that breaks its contract gets an error that shows what it returned", () => {
  const cases: [Windower["overlap"], unknown][] = [
    ["never", []],
    ["never", undefined],
    ["never", null],
    ["never", [{ openAt: 0, closeAt: 5 }]], // ends where the value is
    ["never", [{ openAt: 6, closeAt: 10 }]],
    ["never", [{ openAt: NaN, closeAt: 10 }]],
    ["never", [{ openAt: 0 }]],
    ["never", [{ openAt: 0, closeAt: 10 }, { openAt: 5, closeAt: 15 }]],
    ["merge", [{ openAt: 0, closeAt: 10 }, { openAt: 5, closeAt: 15 }]],
    ["may", []],
    ["may", [{ openAt: 5, closeAt: 15 }, { openAt: 0, closeAt: 10 }]], // the later end first
    ["may", [{ openAt: 0, closeAt: 10 }, { openAt: 0, closeAt: 10 }]], // twice
    ["may", [{ openAt: 0, closeAt: 10 }, { openAt: 5, closeAt: NaN }]],
    ["may", [{ openAt: 0, closeAt: 10 }, null]],
  ];
  for (const [overlap, spans] of cases) {
    const by: Windower = { overlap, windowsAt: () => spans as WindowSpan[] };
    const error = assertThrows(() => assign(by, [], 5), TypeError) as TypeError;
    const shown = Deno.inspect(spans);
    assertEquals(error.message.startsWith(`windowsAt(5) of a windower whose windows`), true, shown);
    assertEquals(error.message.endsWith(`got ${shown}`), true, error.message);
  }
});
