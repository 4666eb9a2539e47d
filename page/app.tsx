/** The whole page. */
import { useEffect, useState } from "preact/hooks";
import type { FlowView } from "../src/ops/run_view.ts";
import type { Status } from "../src/ops/status.ts";
import { Epochs } from "./epochs.tsx";
import type { Feed, Known } from "./feed.ts";
import { Graph } from "./graph.tsx";
import { Errors, LogLines } from "./log.tsx";
import { Hatch } from "./parts.tsx";
import { Sources } from "./sources.tsx";
import { StateExplorer } from "./state.tsx";
import { Steps } from "./steps.tsx";
import { Header, Tiles, VerdictLine } from "./summary.tsx";
import { Tasks } from "./tasks.tsx";
import { Workers } from "./workers.tsx";

/** The page of a run. */
export function App({ feed }: { readonly feed: Feed }) {
  const [known, setKnown] = useState<Known>(feed.known);
  const [flow, setFlow] = useState<FlowView | null>(null);
  const [chosen, setChosen] = useState<number | null>(null);
  useEffect(() => feed.start(setKnown), []);
  const { status } = known;
  const graph = status?.graph ?? 0;
  useEffect(() => {
    if (graph === 0) return;
    let isCurrent = true;
    void load<FlowView>("/graph").then((found) => {
      if (isCurrent && found !== null) setFlow(found);
    });
    return () => isCurrent = false;
  }, [graph]);
  useEffect(() => {
    document.title = flow === null ? "Millrace" : `${flow.name} – Millrace`;
  }, [flow]);
  const isFitting = flow !== null && status !== null &&
    status.steps.out.length === flow.steps.length;
  return (
    <>
      <Hatch />
      <a class="skip" href="#steps">Skip to the table of steps</a>
      <Header known={known} flow={flow} />
      <main>
        <VerdictLine known={known} />
        {status !== null && <Tiles known={known} status={status} />}
        {status !== null && <Tasks status={status} />}
        {isFitting
          ? <Sections {...{ known, status, flow, graph, chosen, setChosen }} />
          : <p class="empty">The graph and the steps appear when the flow is loaded.</p>}
        <Errors errors={known.errors} />
        <LogLines lines={known.lines} />
      </main>
    </>
  );
}

function Sections({ known, status, flow, graph, chosen, setChosen }: {
  readonly known: Known;
  readonly status: Status;
  readonly flow: FlowView;
  readonly graph: number;
  readonly chosen: number | null;
  readonly setChosen: (stage: number | null) => void;
}) {
  return (
    <>
      <Graph {...{ status, flow, graph, chosen, setChosen }} />
      <Steps {...{ known, status, flow, chosen, setChosen }} />
      <div class="columns">
        <div class="column">
          <Sources status={status} flow={flow} />
          <Workers status={status} />
        </div>
        <div class="column">
          <Epochs status={status} />
          <StateExplorer flow={flow} isOver={status.phase === "over"} />
        </div>
      </div>
    </>
  );
}

/** Returns an answer of the port; `null` if there is none. */
export async function load<T>(path: string): Promise<T | null> {
  const answer = await fetch(path).catch(() => null);
  return answer?.ok ? await answer.json() as T : null;
}
