/**
 * The form in which a browser sends the token: it can add no header to a page's own requests.
 *
 * @module
 */
import { createHash } from "node:crypto";

/** The most bytes of a form. */
const MOST_BYTES = 8_192;

const STYLE = `
:root { color-scheme: light dark; font: 16px/1.5 system-ui, sans-serif; }
body { margin: 0; min-height: 100vh; display: grid; place-items: center;
  background: light-dark(#f6f7f9, #14171c); color: light-dark(#1b1f24, #e8eaed); }
form { display: grid; gap: 12px; width: min(320px, 84vw); padding: 28px; border-radius: 12px;
  background: light-dark(#fff, #1c2027); border: 1px solid light-dark(#dfe3e8, #2e353f); }
h1 { margin: 0 0 4px; font-size: 20px; }
p { margin: 0; color: light-dark(#565f6b, #a3adba); font-size: 14px; }
p.wrong { color: light-dark(#a43a00, #f0a04b); }
label { display: grid; gap: 4px; font-size: 14px; font-weight: 600; }
input, button { font: inherit; padding: 8px 12px; border-radius: 8px; }
input { border: 1px solid light-dark(#8a939e, #5d6672); background: light-dark(#fff, #14171c);
  color: inherit; }
button { border: 0; background: light-dark(#0062a0, #56b4e9); color: light-dark(#fff, #10141a);
  font-weight: 600; cursor: pointer; }
:focus-visible { outline: 3px solid light-dark(#0072b2, #56b4e9); outline-offset: 2px; }
`;

/** What a `Content-Security-Policy` calls the form's style, which is in the page itself. */
export const STYLE_SOURCE = `'sha256-${createHash("sha256").update(STYLE).digest("base64")}'`;

/** Returns the form. */
export function signInPage(isWrong: boolean): string {
  const message = isWrong
    ? '<p class="wrong" role="alert">That is not the token of this port.</p>'
    : "<p>This port needs its token: the value of <code>MILLRACE_API_TOKEN</code>.</p>";
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<link rel="icon" href="data:,">
<title>Millrace: sign in</title>
<style>${STYLE}</style>
<main><form method="post" action="/sign-in">
<h1>Millrace</h1>
${message}
<label>Token <input type="password" name="token" required autofocus
  autocomplete="current-password"></label>
<button>Sign in</button>
</form></main>
</html>
`;
}

/** Returns the token of a form that was sent; empty if there is none. */
export async function tokenOf(request: Request): Promise<string> {
  const type = request.headers.get("content-type") ?? "";
  if (!type.startsWith("application/x-www-form-urlencoded")) return "";
  const chunks: Uint8Array[] = [];
  let bytes = 0;
  for await (const chunk of request.body ?? []) {
    bytes += chunk.length;
    if (bytes > MOST_BYTES) return "";
    chunks.push(chunk);
  }
  const text = await new Blob(chunks as BlobPart[]).text();
  return new URLSearchParams(text).get("token") ?? "";
}
