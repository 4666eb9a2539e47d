import { isGzip } from "./chunks.ts";
import { cutRange, type Range, unreadBytes } from "./ranges.ts";

/** No piece that is cut is smaller: finding its first line has a cost, too. */
const SMALLEST = 64 * 1024;

/** How far a share may begin from its ideal place, in shares, if that saves a cut. */
const SLACK = 1 / 16;

type Ordered = [order: number, range: Range];

/**
 * Deals out ranges so that every worker has about the same number of bytes to read.
 *
 * gzip files cannot be cut, so they are dealt out first, the largest first, each to the worker that
 * has least. The rest is laid end to end, and each worker gets a stretch of it that makes the
 * shares even. A stretch begins where a range does if there is one nearby. So cuts are far apart,
 * and do not become more with every restart.
 *
 * @param ranges In the order to read them.
 * @param smallest The smallest range that may be cut off another, in bytes.
 * @returns For each worker its ranges, in the same order.
 */
export function shareOut(
  ranges: readonly Range[],
  workerCount: number,
  smallest: number = SMALLEST,
): Range[][] {
  const shares: Ordered[][] = Array.from({ length: workerCount }, () => []);
  const ordered = [...ranges.entries()];
  const loads = dealPacked(ordered.filter(([, { path }]) => isGzip(path)), shares);
  const plain = ordered.filter(([, { path }]) => !isGzip(path));
  const total = plain.reduce((sum, [, range]) => sum + unreadBytes(range), 0);
  const near = Math.max(smallest, Math.floor(total / workerCount * SLACK));
  dealPlain(plain, shares, endsOf(loads, total), near);
  return shares.map((share) => share.sort(([a], [b]) => a - b).map(([, range]) => range));
}

/** Deals out the packed ranges; returns how many bytes each worker then has. */
function dealPacked(ranges: readonly Ordered[], shares: Ordered[][]): number[] {
  const loads = shares.map(() => 0);
  for (const [order, range] of ranges.toSorted(([, a], [, b]) => b.bytes - a.bytes)) {
    const least = loads.indexOf(Math.min(...loads));
    shares[least].push([order, range]);
    loads[least] += range.bytes;
  }
  return loads;
}

/** Returns where the stretches of the workers should end, in bytes from the start of the first. */
function endsOf(loads: readonly number[], total: number): number[] {
  const level = levelOf(loads.toSorted((a, b) => a - b), total);
  let end = 0;
  return loads.map((load) => Math.round(end += Math.max(0, level - load)));
}

/** Returns the level of the workers that have less, if `total` were poured out over them. */
function levelOf(ascending: readonly number[], total: number): number {
  let sum = total;
  for (let n = 1; n < ascending.length; n++) {
    sum += ascending[n - 1];
    if (sum / n <= ascending[n]) return sum / n;
  }
  return (sum + ascending[ascending.length - 1]) / ascending.length;
}

function dealPlain(
  ranges: readonly Ordered[],
  shares: Ordered[][],
  ends: readonly number[],
  near: number,
): void {
  let worker = 0;
  let stop = 0;
  for (const [order, range] of ranges) {
    let rest = range;
    let start = stop;
    stop += unreadBytes(range);
    while (worker < shares.length - 1 && ends[worker] < stop) {
      const cut = cutNear(ends[worker], start, stop, near);
      if (cut === stop) break;
      if (cut > start) {
        const [head, tail] = cutRange(rest, cut - start);
        shares[worker].push([order, head]);
        rest = tail;
        start = cut;
      }
      worker++;
    }
    shares[worker].push([order, rest]);
  }
}

function cutNear(ideal: number, start: number, stop: number, near: number): number {
  const [before, behind] = [ideal - start, stop - ideal];
  if (Math.min(before, behind) >= near) return ideal;
  return before < behind ? start : stop;
}
