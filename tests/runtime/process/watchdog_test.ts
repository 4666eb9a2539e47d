import { assertEquals } from "@std/assert";
import { hasGone } from "../../../src/runtime/process/watchdog.ts";

const ignore = Deno.build.os === "windows"; // children do not see their parent go there

/** Asks for a coordinator with number 7, which is the parent for this many milliseconds. */
async function askedFor(ms: number): Promise<{ gone: boolean; waited: number }> {
  let waited = 0;
  const gone = await hasGone(7, () => waited < ms ? 7 : 1, (more) => {
    waited += more;
    return Promise.resolve();
  });
  return { gone, waited };
}

Deno.test(
  { name: "a coordinator has gone whose children have another parent", ignore },
  async () => {
    assertEquals(await askedFor(0), { gone: true, waited: 0 });
  },
);

Deno.test(
  { name: "a coordinator that is ending keeps its children for a moment", ignore },
  async () => {
    assertEquals(await askedFor(30), { gone: true, waited: 30 });
  },
);

Deno.test(
  { name: "a coordinator that is still there after a second has not gone", ignore },
  async () => {
    assertEquals(await askedFor(Infinity), { gone: false, waited: 1_000 });
  },
);
