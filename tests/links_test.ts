/** Links of the pages lead somewhere, also from the published package. */
import { assertEquals } from "@std/assert";
import { dirname, join, relative } from "node:path";
import { exists } from "./support/files/exists.ts";

const ROOT = join(import.meta.dirname!, "..");
const PAGES = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "bench/README.md"];
for (const { name, isFile } of Deno.readDirSync(join(ROOT, "docs"))) {
  if (isFile) PAGES.push(`docs/${name}`);
}

interface Link {
  readonly page: string;
  /** Relative to the root. */
  readonly path: string;
  readonly heading: string;
}

Deno.test("each link of a page leads to a file, and to a heading that it has", () => {
  const broken = PAGES.flatMap(linksOf).filter(({ path, heading }) => {
    if (!exists(join(ROOT, path))) return true;
    return heading !== "" && !headingsOf(path).has(heading);
  });
  assertEquals(broken, []);
});

Deno.test("each link of the README leads to a file that is published", async () => {
  const { publish } = JSON.parse(await Deno.readTextFile(join(ROOT, "deno.json")));
  const isPublished = (path: string) =>
    publish.include.some((each: string) => path === each || path.startsWith(`${each}/`));
  assertEquals(linksOf("README.md").filter(({ path }) => !isPublished(path)), []);
});

/** The links of a page to files of the repository. */
function linksOf(page: string): Link[] {
  const text = withoutCode(Deno.readTextFileSync(join(ROOT, page)));
  return [...text.matchAll(/\]\(([^()\s]+)\)/g)]
    .map(([, target]) => target)
    .filter((target) => !/^[a-z]+:/.test(target))
    .map((target) => {
      const [file, heading = ""] = target.split("#");
      const path = file === "" ? page : relative(ROOT, join(ROOT, dirname(page), file));
      return { page, path, heading };
    });
}

/** The headings of a page, as links name them. */
function headingsOf(page: string): Set<string> {
  const text = withoutCode(Deno.readTextFileSync(join(ROOT, page)));
  return new Set(
    [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading]) =>
      heading.toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-")
    ),
  );
}

function withoutCode(text: string): string {
  return text.replaceAll(/^```.*?^```/gms, "");
}
