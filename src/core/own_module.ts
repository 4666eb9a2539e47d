/**
 * Where this copy of Millrace is.
 *
 * @module
 */
import { fileURLToPath } from "node:url";

/** What a flow's project can say our package is: the path of a clone, or the URL of a release. */
export const OWN_MODULE: string = pathOrUrl(new URL("../../mod.ts", import.meta.url));

function pathOrUrl(url: URL): string {
  return url.protocol === "file:" ? fileURLToPath(url) : url.href;
}
