/** Workers: their share of the work, and their memory. */
import type { Status } from "../src/ops/status.ts";
import { bytesText, countText, percentText } from "../src/ops/words.ts";
import { Section } from "./parts.tsx";

/** The table of workers. */
export function Workers({ status: { workers } }: { readonly status: Status }) {
  const most = workers.reduce((sum, { work }) => Math.max(sum, work), 0);
  return (
    <Section id="workers" title="Workers" note={skewText(workers.map(({ work }) => work))}>
      <div class="scroll tall" tabIndex={0} role="group" aria-label="Table of workers">
        <table>
          <thead>
            <tr>
              <th scope="col">Worker</th>
              <th scope="col" class="number">Read/s</th>
              <th scope="col">Its work</th>
              <th scope="col" class="number">Busy</th>
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
                <td>
                  <svg
                    class="bar"
                    height="8"
                    role="img"
                    aria-label={`${countText(worker.work)} items a second`}
                  >
                    <title>{`${countText(worker.work)} items a second through its steps`}</title>
                    <rect class="idle" width="100%" height="8" rx="2" />
                    <rect
                      class="busy"
                      width={`${most === 0 ? 0 : Math.round(worker.work / most * 1_000) / 10}%`}
                      height="8"
                      rx="2"
                    />
                  </svg>
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
