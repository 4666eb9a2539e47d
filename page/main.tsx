/** The dashboard: begins here. `tools/bundle_page.ts` makes `src/ops/page.gen.ts` of it. */
import { render } from "preact";
import { App } from "./app.tsx";
import { Feed } from "./feed.ts";

render(<App feed={new Feed()} />, document.getElementById("page")!);
