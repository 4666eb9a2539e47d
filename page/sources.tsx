/** Inputs and outputs: how far they are, and which source holds back event time. */
import type { FlowView } from "../src/ops/run_view.ts";
import type { Status } from "../src/ops/status.ts";
import { countText, durationText } from "../src/ops/words.ts";
import { safe, Section } from "./parts.tsx";
import { clockText } from "./summary.tsx";

/** How many partitions are shown. */
const SHOWN = 12;

/** Inputs, outputs and event time. */
export function Sources({ status, flow }: { readonly status: Status; readonly flow: FlowView }) {
  const rows = (kind: string) =>
    flow.steps.map((step, i) => ({ ...step, rate: status.steps.out[i] }))
      .filter((step) => step.kind === kind);
  const inputs = rows("input");
  const outputs = rows("capture");
  const behind = status.partitions.filter(({ lag }) => lag > 0);
  const worst = behind[0]?.lag ?? 0;
  return (
    <Section id="sources" title="Inputs and outputs">
      <ul class="list">
        {inputs.map(({ id, rate }) => {
          const lag = status.inputs.find(({ step }) => step === id);
          return (
            <li key={id}>
              <span class="badge">in</span>
              <span class="grow step">{safe(id)}</span>
              {lag !== undefined && (
                <span class="dim">
                  {countText(lag.lag)} to read{lag.ms !== null && `, ${durationText(lag.ms)} old`},
                  {" "}
                  {partitionsText(lag.partitions)}
                </span>
              )}
              <span class="number">{countText(rate)}/s</span>
            </li>
          );
        })}
        {outputs.map(({ id, rate }) => (
          <li key={id}>
            <span class="badge">out</span>
            <span class="grow step">{safe(id)}</span>
            <span class="number">{countText(rate)}/s</span>
          </li>
        ))}
      </ul>
      {status.waiting !== null && (
        <p class="warning-line">
          Waiting for {status.waiting.what.map(safe).join(", ")} for{" "}
          {durationText(status.waiting.ms)}
        </p>
      )}
      {behind.length > 0 && (
        <>
          <h3>Partitions with the most to read</h3>
          <ul class="list bars">
            {behind.slice(0, SHOWN).map(({ step, partition, worker, lag }) => (
              <li key={`${step} ${partition}`}>
                <span class="step" title={safe(step)}>{safe(partition)}</span>
                <svg class="grow" height="8" aria-hidden="true">
                  <rect class="idle" width="100%" height="8" rx="2" />
                  <rect
                    class="busy"
                    width={`${Math.round(lag / worst * 1_000) / 10}%`}
                    height="8"
                    rx="2"
                  />
                </svg>
                <span class="number">{countText(lag)}</span>
                <span class="dim small">worker {worker}</span>
              </li>
            ))}
          </ul>
          {behind.length > SHOWN && (
            <p class="note">and {behind.length - SHOWN} more in /metrics</p>
          )}
        </>
      )}
      {status.eventTimes.length > 0 && (
        <>
          <h3>Event time</h3>
          <ul class="list">
            {status.eventTimes.map(({ step, time, behindMs, heldBy, worker }) => (
              <li key={step}>
                <span class="grow">
                  <span class="step">{safe(step)}</span>{" "}
                  <span class="dim small">
                    {heldBy === null ? "nothing holds it back" : `held back by ${safe(heldBy)}`}
                    {status.workers.length > 1 && ` on worker ${worker}`}
                  </span>
                </span>
                <span class="dim small">{dateText(time, status.point.at)}</span>
                <span class="number">
                  lags {durationText(Math.max(0, behindMs))}
                </span>
              </li>
            ))}
          </ul>
        </>
      )}
    </Section>
  );
}

function partitionsText(count: number): string {
  return count === 1 ? "1 partition" : `${count} partitions`;
}

/** A time of today without its date. */
function dateText(time: number, now: number): string {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return String(time);
  const isToday = date.toDateString() === new Date(now).toDateString();
  return isToday ? clockText(time) : `${date.toISOString().slice(0, 16).replace("T", " ")} UTC`;
}
