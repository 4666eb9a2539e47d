/**
 * The operations port: health, metrics and the graph of a run, over HTTP.
 *
 * @module
 */
import { messageOf } from "../core/errors.ts";
import { isSystemError, systemReason } from "../core/system_error.ts";
import { Access, type ApiOptions, isOwnHost, OWN_HOST } from "./access.ts";
import { type Health, liveness, readiness, startup } from "./health.ts";
import { createMetrics } from "./metrics.ts";
import type { RunSource } from "./run_view.ts";

/** Routes for probes and scrapers. */
const PROBES: readonly string[] = ["/healthz", "/readyz", "/startupz", "/metrics"];

/** A port that answers. */
export interface ApiServer extends AsyncDisposable {
  /** Where it listens, such as `http://127.0.0.1:8080/`. */
  readonly url: string;
}

/**
 * Listens at the operations port.
 *
 * @throws {TypeError} If others could reach it, and there is no token.
 * @throws {Error} If the address cannot be listened at.
 */
export async function serveApi(options: ApiOptions, source: RunSource): Promise<ApiServer> {
  const { host = OWN_HOST, port, token } = options;
  if (!isOwnHost(host) && (token === undefined || token === "")) {
    throw new TypeError(
      `others can reach ${host}, so the operations port needs a token: set MILLRACE_API_TOKEN, or ` +
        `leave the host out`,
    );
  }
  const [{ Hono }, metrics] = await Promise.all([import("hono"), createMetrics(source)]);
  const stop = new AbortController();
  const server = listen({ host, port, signal: stop.signal }, (request) => app.fetch(request));
  const access = new Access(options, server.addr.port);
  const app = new Hono();
  app.use(async (context, next) => {
    context.header("Cache-Control", "no-store");
    context.header("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'");
    context.header("X-Content-Type-Options", "nosniff");
    const refusal = access.refusal(context.req.raw.headers, PROBES.includes(context.req.path));
    if (refusal !== null) return context.text(`${refusal.text}\n`, refusal.status);
    await next();
    return undefined;
  });
  const answer = ({ isOk, checks }: Health): [object, 200 | 503] => [
    { ok: isOk, checks: checks.map(({ name, isOk: ok, found }) => ({ name, ok, found })) },
    isOk ? 200 : 503,
  ];
  app.get("/healthz", (context) => context.json(...answer(liveness(source))));
  app.get("/readyz", (context) => context.json(...answer(readiness(source.view()))));
  app.get("/startupz", (context) => context.json(...answer(startup(source.view()))));
  app.get("/metrics", async (context) => {
    const text = await metrics.text();
    return context.body(text, 200, { "Content-Type": metrics.contentType });
  });
  app.get("/graph", (context) => {
    const { graph } = source.view();
    if (graph !== null) return context.json(graph as object);
    return context.text("the flow is not loaded yet\n", 503);
  });
  app.get("/", (context) => context.text(`${[...PROBES, "/graph"].join("\n")}\n`));
  app.onError((error, context) => context.text(`${messageOf(error)}\n`, 500));
  const named = host.includes(":") ? `[${host}]` : host;
  return {
    url: `http://${named}:${server.addr.port}/`,
    // Not `shutdown`, which waits for clients that never leave.
    [Symbol.asyncDispose]: async () => {
      stop.abort();
      await server.finished;
    },
  };
}

function listen(
  { host, port, signal }: { host: string; port: number; signal: AbortSignal },
  handler: (request: Request) => Response | Promise<Response>,
): Deno.HttpServer<Deno.NetAddr> {
  try {
    return Deno.serve({ hostname: host, port, signal, onListen: () => {} }, handler);
  } catch (cause) {
    if (!isSystemError(cause)) throw cause;
    throw new Error(`cannot listen at ${host}:${port}: ${systemReason(cause)}`, { cause });
  }
}
