/** The log's last lines, and the last errors. */
import { useState } from "preact/hooks";
import type { LogLine, RunError } from "../src/ops/run_view.ts";
import { safe, safeText, Section } from "./parts.tsx";
import { clockText } from "./summary.tsx";

/** Errors, newest first. */
export function Errors({ errors }: { readonly errors: readonly RunError[] }) {
  if (errors.length === 0) return null;
  return (
    <Section id="errors" title="Errors" wide note="newest first">
      <ul class="errors">
        {errors.toReversed().map((error) => (
          <li key={`${error.at} ${error.message}`}>
            <p>
              <time>{clockText(error.at)}</time> {error.step !== null && (
                <>
                  step <strong>{safe(error.step)}</strong>
                  {error.worker !== null && ` on worker ${error.worker}`}:{" "}
                </>
              )}
              {safeText(error.message)}
            </p>
            {error.item !== null && (
              <dl>
                <dt>item</dt>
                <dd>
                  <code>{safe(error.item)}</code>
                </dd>
                {error.origin !== null && (
                  <>
                    <dt>from</dt>
                    <dd>{safe(error.origin)}</dd>
                  </>
                )}
              </dl>
            )}
          </li>
        ))}
      </ul>
    </Section>
  );
}

/** The log, newest first. */
export function LogLines({ lines }: { readonly lines: readonly LogLine[] }) {
  const [isShort, setShort] = useState(false);
  const shown = isShort
    ? lines.filter(({ level }) => level === "warn" || level === "error")
    : lines;
  return (
    <Section
      id="log"
      title="Log"
      wide
      note="newest first"
      tools={
        <label class="check">
          <input
            type="checkbox"
            checked={isShort}
            onChange={({ currentTarget }) => setShort(currentTarget.checked)}
          />
          warnings and errors only
        </label>
      }
    >
      {shown.length === 0
        ? <p class="empty">{isShort ? "No warning and no error." : "Nothing was logged yet."}</p>
        : (
          <ol class="scroll log" tabIndex={0} aria-label="Log lines" reversed>
            {shown.map(({ number, at, level, message, fields }) => (
              <li key={number} class={level}>
                <time>{clockText(at)}</time>
                <span class="level">{level}</span>
                <span class="message">
                  {safe(message)}
                  {Object.entries(fields).map(([name, value]) => (
                    <span class="field" key={name}>
                      {` ${safe(name)}=`}
                      <b>{safe(typeof value === "string" ? value : JSON.stringify(value))}</b>
                    </span>
                  ))}
                </span>
              </li>
            ))}
          </ol>
        )}
    </Section>
  );
}
