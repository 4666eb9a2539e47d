/**
 * The dashboard's files: a page, its script and its style, all from this package.
 *
 * @module
 */
import { script, style } from "./page.gen.ts";

/** A file. */
export interface PageFile {
  readonly contentType: string;
  readonly body: string;
}

const HTML = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<link rel="icon" href="data:,">
<link rel="stylesheet" href="/page.css">
<title>Millrace</title>
</head>
<body>
<div id="page"></div>
<noscript>This page needs JavaScript. The same numbers are at <a href="/metrics">/metrics</a>.</noscript>
<script type="module" src="/page.js"></script>
</body>
</html>
`;

/** By path. */
export const PAGE_FILES: Readonly<Record<string, PageFile>> = {
  "/": { contentType: "text/html; charset=utf-8", body: HTML },
  "/page.js": { contentType: "text/javascript; charset=utf-8", body: script },
  "/page.css": { contentType: "text/css; charset=utf-8", body: style },
};
