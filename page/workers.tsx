/** Workers: their share of the work, and their memory. */
import type { Status } from "../src/ops/status.ts";
import { bytesText, countText, percentText } from "../src/ops/words.ts";
import { Bar, Section } from "./parts.tsx";

/** The table of workers. */
export function Workers({ status: { workers } }: { readonly status: Status }) {
  return (
    <Section id="workers" title="Workers" note={skewText(workers.map(({ work }) => work))}>
      <div class="scroll tall" tabIndex={0} role="group" aria-label="Table of workers">
        <table>
          <thead>
            <tr>
              <th scope="col">Worker</th>
              <th scope="col" class="number">Read/s</th>
              <th scope="col" class="number extra">Items/s</th>
              <th scope="col" colspan={2}>Busy</th>
              <th scope="col" class="number">Memory</th>
              <th scope="col" class="number extra">Heap</th>
            </tr>
          </thead>
          <tbody>
            {workers.map((worker, i) => (
              <tr key={i}>
                <th scope="row">
                  {i}
                  {worker.silent > 5 && <span class="tag bad">no answer for {worker.silent} s
                  </span>}
                </th>
                <td class="number">{countText(worker.in)}</td>
                <td class="number extra" title="items a second into all its steps">
                  {countText(worker.work)}
                </td>
                <td>
                  <Bar busy={worker.busy ?? 0} backpressured={0} />
                </td>
                <td class="number">{worker.busy === null ? "–" : percentText(worker.busy)}</td>
                <td class="number">{worker.rss === null ? "–" : bytesText(worker.rss)}</td>
                <td class="number extra">
                  {worker.heapUsed === null ? "–" : bytesText(worker.heapUsed)}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
    </Section>
  );
}

/** Whether one worker has much more to do than the others. */
function skewText(work: readonly number[]): string {
  const mean = work.reduce((sum, each) => sum + each, 0) / Math.max(1, work.length);
  const most = Math.max(0, ...work);
  if (work.length < 2 || mean === 0) return "";
  return most > 1.5 * mean
    ? `worker ${work.indexOf(most)} has ${(most / mean).toFixed(1)} times the work of the average`
    : "they share the work evenly";
}
