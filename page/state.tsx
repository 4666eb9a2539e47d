/** The state of keys, asked of the running workers. */
import { useEffect, useState } from "preact/hooks";
import type { FlowView } from "../src/ops/run_view.ts";
import type { KeyPage, ShownKey } from "../src/ops/shown_state.ts";
import { countText } from "../src/ops/words.ts";
import { load } from "./app.tsx";
import { safe, Section } from "./parts.tsx";

/** How long to wait for the next letter of a key, in milliseconds. */
const PAUSE_MS = 150;

/** How many keys a page has. */
const PAGE = 50;

interface StepKeys {
  readonly step: string;
  readonly keys: number;
}

type Found =
  | { readonly kind: "keys"; readonly keys: readonly ShownKey[]; readonly next: string | null }
  | { readonly kind: "none" }
  | { readonly kind: "problem"; readonly text: string };

/** Finds keys. */
export function StateExplorer(
  { flow, isOver }: { readonly flow: FlowView; readonly isOver: boolean },
) {
  const [steps, setSteps] = useState<readonly StepKeys[] | null>(null);
  const [step, setStep] = useState("");
  const [key, setKey] = useState("");
  const [isSearched, setSearched] = useState(false);
  const [found, setFound] = useState<Found | null>(null);
  const [round, setRound] = useState(0);
  const refresh = () => setRound(round + 1);
  useEffect(() => {
    if (isOver) return;
    void load<{ steps: StepKeys[] }>("/state").then((answer) => {
      if (answer === null) return;
      setSteps(answer.steps);
      setStep((old) => old !== "" ? old : answer.steps[0]?.step ?? "");
    });
  }, [flow, round, isOver]);
  useEffect(() => {
    if (step === "" || isOver) return;
    let isCurrent = true; // an answer that comes after the next question is dropped
    const timer = setTimeout(() => {
      void find(step, isSearched ? key : null).then((answer) => {
        if (isCurrent) setFound(answer);
      });
    }, PAUSE_MS);
    return () => {
      isCurrent = false;
      clearTimeout(timer);
    };
  }, [step, key, isSearched, round, isOver]);
  const more = async () => {
    if (found?.kind !== "keys" || found.next === null) return;
    const page = await load<KeyPage>(`${path(step)}?limit=${PAGE}&after=${found.next}`);
    if (page !== null) {
      setFound({ kind: "keys", keys: [...found.keys, ...page.keys], next: page.next });
    }
  };
  const all = steps?.find((each) => each.step === step)?.keys ?? 0;
  return (
    <Section
      id="state"
      title="State"
      tools={steps !== null && steps.length > 0 && !isOver && (
        <button type="button" class="chip" onClick={refresh}>Ask again</button>
      )}
    >
      {isOver
        ? (
          <p class="empty">
            The flow does not run any more. Its recovery store has its state:{" "}
            <code>cli.ts state</code>.
          </p>
        )
        : steps === null
        ? (
          <p class="empty">
            The workers have not told yet.{" "}
            <button type="button" class="chip" onClick={refresh}>Ask again</button>
          </p>
        )
        : steps.length === 0
        ? <p class="empty">No step of this flow has state for keys.</p>
        : (
          <>
            <div class="search">
              <label>
                <span>Step</span>
                <select value={step} onChange={({ currentTarget }) => setStep(currentTarget.value)}>
                  {steps.map((each) => (
                    <option key={each.step} value={each.step}>
                      {`${safe(each.step)} (${countText(each.keys)} keys)`}
                    </option>
                  ))}
                </select>
              </label>
              <label>
                <span>Key</span>
                <input
                  type="search"
                  placeholder="the whole key"
                  value={key}
                  onInput={({ currentTarget: { value } }) => {
                    setKey(value);
                    setSearched(value !== "");
                  }}
                />
              </label>
            </div>
            <p class="note" role="status">{foundText(found, all, isSearched)}</p>
            {found?.kind === "keys" && (
              <ul class="scroll tall keys" tabIndex={0} aria-label="Keys">
                {found.keys.map((each) => (
                  <KeyOf key={`${each.worker} ${each.key}`} found={each} isOpen={isSearched} />
                ))}
                {found.next !== null && (
                  <li>
                    <button type="button" class="chip" onClick={() => void more()}>
                      More keys
                    </button>
                  </li>
                )}
              </ul>
            )}
          </>
        )}
    </Section>
  );
}

function KeyOf({ found, isOpen }: { readonly found: ShownKey; readonly isOpen: boolean }) {
  return (
    <li>
      <details open={isOpen}>
        <summary>
          <code class="key">{found.key === "" ? <i>empty key</i> : safe(found.key)}</code>
          <span class="dim line">{safe(found.text)}</span>
        </summary>
        <pre tabIndex={0}>{safeJson(found.value)}</pre>
        <p class="note">on worker {found.worker}</p>
      </details>
    </li>
  );
}

/** Line ends of the layout stay; what is in a text is shown as JSON writes it. */
function safeJson(value: unknown): string {
  return JSON.stringify(value, null, 2).split("\n").map(safe).join("\n");
}

function foundText(found: Found | null, all: number, isSearched: boolean): string {
  switch (found?.kind) {
    case undefined:
      return "";
    case "none":
      return "The step has no state for that key.";
    case "problem":
      return found.text;
    case "keys":
      return isSearched ? "Found." : `${found.keys.length} of ${countText(all)} keys`;
  }
}

async function find(step: string, key: string | null): Promise<Found> {
  const query = key === null ? `limit=${PAGE}` : `key=${encodeURIComponent(key)}`;
  const answer = await fetch(`${path(step)}?${query}`).catch(() => null);
  if (answer === null) return { kind: "problem", text: "There is no answer." };
  if (answer.status === 404 && key !== null) return { kind: "none" };
  if (!answer.ok) return { kind: "problem", text: (await answer.text()).trim() };
  if (key !== null) return { kind: "keys", keys: [await answer.json()], next: null };
  const { keys, next }: KeyPage = await answer.json();
  return { kind: "keys", keys, next };
}

function path(step: string): string {
  return `/state/${encodeURIComponent(step)}`;
}
