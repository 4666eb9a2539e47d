/**
 * The operations port: health, metrics and the graph of a run, over HTTP.
 *
 * @module
 */
import type { Context } from "hono";
import { isSystemError, systemReason } from "../core/system_error.ts";
import { Access, type ApiOptions, isOwnHost, OWN_HOST } from "./access.ts";
import { type Health, liveness, readiness, startup } from "./health.ts";
import { createMetrics } from "./metrics.ts";
import type { RunSource } from "./run_view.ts";
import { keyOf, MOST_KEYS, NoAnswerError, pageOf, stepsOf, USUAL_KEYS } from "./state_routes.ts";

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
  app.get("/state", async (context) => context.json({ steps: await stepsOf(source) }));
  app.get("/state/:step", async (context) => {
    const { key, after, limit } = context.req.query();
    const step = context.req.param("step");
    if (key !== undefined) return await answerKey(context, step, key);
    const most = limit === undefined ? USUAL_KEYS : Number(limit);
    if (!Number.isInteger(most) || most < 1 || most > MOST_KEYS) {
      return context.text(`limit must be a whole number from 1 to ${MOST_KEYS}\n`, 400);
    }
    if (after !== undefined && !/^\d{1,4}-\d{1,15}$/.test(after)) {
      return context.text(`after must be the "next" of an answer\n`, 400);
    }
    if (!await hasState(step)) return context.text("no step of that name has state\n", 404);
    return context.json(await pageOf(source, step, after ?? null, most));
  });
  app.get("/state/:step/:key", async (context) => {
    const { step, key } = context.req.param();
    return await answerKey(context, step, key);
  });
  const hasState = async (step: string) =>
    (await stepsOf(source)).some((each) => each.step === step);
  const answerKey = async (context: Context, step: string, key: string) => {
    const found = await keyOf(source, step, key);
    return found === null
      ? context.text("the step has no state for that key\n", 404)
      : context.json(found);
  };
  app.get("/", (context) => context.text(`${[...PROBES, "/graph", "/state"].join("\n")}\n`));
  app.onError((error, context) => {
    const status = error instanceof NoAnswerError ? 504 : 503;
    return context.text(`${error.message}\n`, status);
  });
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
