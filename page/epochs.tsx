/** Epochs: how long each took to end. */
import type { Status } from "../src/ops/status.ts";
import { bytesText, durationText } from "../src/ops/words.ts";
import { Section } from "./parts.tsx";
import { clockText } from "./summary.tsx";

/** The last epochs as a chart. */
export function Epochs({ status }: { readonly status: Status }) {
  const { epochs, commitAgeMs, intervalMs } = status;
  const last = epochs.at(-1);
  const most = epochs.reduce((sum, { ms }) => Math.max(sum, ms), 1);
  const mean = epochs.reduce((sum, { ms }) => sum + ms, 0) / Math.max(1, epochs.length);
  return (
    <Section
      id="epochs"
      title="Epochs"
      note={last !== undefined && (
        <span class="legend">
          <span>
            <i class="busy" />waiting for workers
          </span>
          <span>
            <i class="store" />in the store
          </span>
        </span>
      )}
    >
      {last === undefined
        ? <p class="empty">No epoch has ended yet. {intervalText(intervalMs)}</p>
        : (
          <>
            <svg
              class="epochs"
              viewBox="0 0 400 96"
              preserveAspectRatio="none"
              role="img"
              aria-label={`Durations of the last ${epochs.length} epochs: ${
                durationText(mean)
              } on average, ` +
                `${durationText(most)} at most`}
            >
              <line x1="0" x2="400" y1="95.5" y2="95.5" />
              {epochs.map(({ epoch, at, ms, storeMs, bytes }, i) => {
                const height = Math.max(2, ms / most * 90);
                const store = Math.min(height, storeMs / most * 90);
                const x = 400 - (epochs.length - i) * 10;
                return (
                  <g key={epoch}>
                    <title>
                      {`Epoch ${epoch} at ${clockText(at)}: ${
                        durationText(ms)
                      }, of which the store ` +
                        `${durationText(storeMs)}; ${bytesText(bytes)}`}
                    </title>
                    <rect class="align" x={x} y={96 - height} width="7" height={height} />
                    <rect class="store" x={x} y={96 - store} width="7" height={store} />
                  </g>
                );
              })}
            </svg>
            <dl class="facts spread">
              <div>
                <dt>number {last.epoch}</dt>
                <dd>{durationText(last.ms)}</dd>
              </div>
              <div>
                <dt>on average</dt>
                <dd>{durationText(mean)}</dd>
              </div>
              <div>
                <dt>longest</dt>
                <dd>{durationText(most)}</dd>
              </div>
              <div>
                <dt>size</dt>
                <dd>{bytesText(last.bytes)}</dd>
              </div>
              {commitAgeMs !== null && (
                <div>
                  <dt>committed</dt>
                  <dd>{durationText(commitAgeMs)} ago</dd>
                </div>
              )}
            </dl>
            <p class="note">
              {intervalText(intervalMs)} After a crash, all since the last commit is read again.
            </p>
          </>
        )}
    </Section>
  );
}

function intervalText(intervalMs: number | null): string {
  return intervalMs === null ? "" : `One begins every ${durationText(intervalMs)}.`;
}
