import { fileURLToPath } from "node:url";
import { requireOptions } from "../../core/options.ts";
import { preview } from "../../core/preview.ts";

/**
 * Returns the `path` of a config's options, as a path of this system.
 *
 * @param config The config's name, for errors.
 * @param others The names of its other options.
 * @throws {TypeError} If `path` is neither a text nor a `file:` URL, or if there are other options.
 */
export function pathOption(
  config: string,
  options: unknown,
  others: readonly string[] = [],
): string {
  if (typeof options !== "object" || options === null) {
    throw new TypeError(`${config} needs { path }; got ${preview(options)}`);
  }
  requireOptions(config, options, ["path", ...others]);
  const { path } = options as { path?: unknown };
  if (path instanceof URL) return toPath(config, path);
  if (typeof path !== "string" || path === "") {
    throw new TypeError(
      `path of ${config} must be a text that is not empty, or a URL; got ${preview(path)}`,
    );
  }
  return path;
}

function toPath(config: string, url: URL): string {
  try {
    return fileURLToPath(url);
  } catch (cause) {
    throw new TypeError(`path of ${config} must be a file: URL; got ${url}`, { cause });
  }
}
