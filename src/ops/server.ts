/**
 * The operations port: health, metrics, the graph, state and the dashboard of a run, over HTTP.
 *
 * @module
 */
import type { Context } from "hono";
import { type Log, silentLog } from "../core/log.ts";
import { isSystemError, systemReason } from "../core/system_error.ts";
import { Access, type ApiOptions, isOwnHost, OWN_HOST, requireToken } from "./access.ts";
import type { GroupView } from "./group_view.ts";
import { type Health, liveness, LIVENESS_CHECKS, readiness, startup } from "./health.ts";
import { type Direction, type Layout, layOut } from "./layout.ts";
import { Listening } from "./listening.ts";
import { createMetrics } from "./metrics.ts";
import { EVENT_STREAM, EventStreams } from "./event_stream.ts";
import type { FlowView, RunSource } from "./run_view.ts";
import { signInPage, STYLE_SOURCE, tokenOf } from "./sign_in.ts";
import { keyOf, MOST_KEYS, NoAnswerError, pageOf, stepsOf, USUAL_KEYS } from "./state_routes.ts";
import { StatusFeed } from "./status_feed.ts";
import { StateWatches } from "./state_watch.ts";

/** Routes for probes and scrapers. */
const PROBES: readonly string[] = ["/healthz", "/readyz", "/startupz", "/metrics"];

/** What a page of this port may load, and from where: nothing from elsewhere. */
const CONTENT_POLICY = [
  "default-src 'none'",
  "script-src 'self'",
  `style-src 'self' ${STYLE_SOURCE}`,
  "connect-src 'self'",
  "img-src data:",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
].join("; ");

/** The most characters of a path with its query. */
const LONGEST_PATH = 16_384;

/** A port that answers. */
export interface ApiServer extends AsyncDisposable {
  /** Where it listens, such as `http://127.0.0.1:8080/`. */
  readonly url: string;
}

/**
 * Listens at the operations port.
 *
 * @throws {TypeError} If others could reach it, and there is no token, or one that cannot be sent.
 * @throws {Error} If the address cannot be listened at.
 */
export async function serveApi(
  options: ApiOptions,
  source: RunSource,
  log: Log = silentLog,
): Promise<ApiServer> {
  const { host = OWN_HOST, port, token } = options;
  if (requireToken(token, "the token of the operations port") === null && !isOwnHost(host)) {
    throw new TypeError(
      `others can reach ${host}, so the operations port needs a token: set MILLRACE_API_TOKEN, or ` +
        `leave the host out`,
    );
  }
  const [{ Hono }, { EventsRoute }, { PAGE_FILES }, metrics] = await Promise.all([
    import("hono"),
    import("./events_route.ts"),
    import("./dashboard.ts"),
    createMetrics(source),
  ]);
  const streams = new EventStreams();
  const watches = new StateWatches(source);
  const listening = new Listening(
    (port, signal) => listen({ host, port, signal }, (request) => app.fetch(request)),
    { port, log },
  );
  const access = new Access(options, listening.port);
  const feed = new StatusFeed(source);
  const events = new EventsRoute(feed);
  const app = new Hono();
  app.use(async (context, next) => {
    context.header("Cache-Control", "no-store");
    context.header("Content-Security-Policy", CONTENT_POLICY);
    context.header("X-Content-Type-Options", "nosniff");
    context.header("Referrer-Policy", "same-origin");
    const { path, raw: { headers, url } } = context.req;
    if (url.length > LONGEST_PATH) return context.text("the path is too long\n", 414);
    const refusal = path === "/sign-in"
      ? access.foreign(headers, false)
      : access.refusal(headers, PROBES.includes(path));
    if (refusal === null) await next();
    else if (refusal.status === 401 && path === "/") return context.html(signInPage(false), 401);
    else return context.text(`${refusal.text}\n`, refusal.status);
    return undefined;
  });
  app.post("/sign-in", async (context) => {
    const cookie = access.signIn(await tokenOf(context.req.raw));
    if (cookie === null) return context.html(signInPage(true), 401);
    return context.body(null, 303, { "Set-Cookie": cookie, Location: "/" });
  });
  app.post(
    "/sign-out",
    (context) => context.body(null, 303, { "Set-Cookie": access.signOut(), Location: "/" }),
  );
  for (const [path, { body, contentType }] of Object.entries(PAGE_FILES)) {
    app.get(path, (context) => context.body(body, 200, { "Content-Type": contentType }));
  }
  app.get("/events", (context) => events.answer(context));
  const answer = ({ isOk, checks }: Health): [object, 200 | 503] => [
    { ok: isOk, checks: checks.map(({ name, isOk: ok, found }) => ({ name, ok, found })) },
    isOk ? 200 : 503,
  ];
  app.get("/healthz", (context) => {
    const excluded = context.req.queries("exclude") ?? [];
    const unknown = excluded.find((name) => !LIVENESS_CHECKS.includes(name));
    if (unknown === undefined) return context.json(...answer(liveness(source, excluded)));
    return context.text(`exclude must be one of ${LIVENESS_CHECKS.join(", ")}\n`, 400);
  });
  app.get("/readyz", (context) => context.json(...answer(readiness(source))));
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
  app.get("/tasks", (context) => {
    const { group } = source.view();
    if (group !== null) return context.json(tasksJson(group, source.now()));
    return context.text("the flow does not run in a group: this machine runs all of it\n", 404);
  });
  const layouts = new LayoutCache();
  app.get("/graph/layout", async (context) => {
    const { graph } = source.view();
    if (graph === null) return context.text("the flow is not loaded yet\n", 503);
    const direction = context.req.query("direction") === "down" ? "down" : "right";
    return context.json(await layouts.of(graph, direction) as object);
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
    const missing = await withoutState(step);
    if (missing !== null) return context.text(missing, 404);
    return context.json(await pageOf(source, step, after ?? null, most));
  });
  app.get("/state/:step/:key", async (context) => {
    const { step, key } = context.req.param();
    return await answerKey(context, step, key);
  });
  /** What to say where a step has no state; `null` if it has. */
  const withoutState = async (step: string): Promise<string | null> => {
    const steps = (await stepsOf(source)).map((each) => each.step);
    if (steps.includes(step)) return null;
    const others = steps.length === 0 ? "no step of the flow has" : `these have: ${quoted(steps)}`;
    return `no step of the name ${quoted([step])} has state; ${others}\n`;
  };
  const answerKey = async (context: Context, step: string, key: string) => {
    const isWatched = context.req.query("watch") !== undefined;
    const found = isWatched ? null : await keyOf(source, step, key);
    if (found !== null) return context.json(found);
    const missing = await withoutState(step);
    if (missing !== null) return context.text(missing, 404);
    if (isWatched) {
      return context.body(streams.open(watches.watch(step, key)), 200, EVENT_STREAM);
    }
    context.header("Millrace-Missing", "key"); // tells it from a step that is not there
    return context.text("the step has no state for that key\n", 404);
  };
  app.onError((error, context) => {
    const status = error instanceof NoAnswerError ? 504 : 503;
    return context.text(`${error.message}\n`, status);
  });
  const named = host.includes(":") ? `[${host}]` : host;
  return {
    url: `http://${named}:${listening.port}/`,
    // Not `shutdown`, which waits for clients that never leave.
    [Symbol.asyncDispose]: async () => {
      feed[Symbol.dispose]();
      await Promise.all([events.left(), streams.close()]);
      await listening[Symbol.asyncDispose]();
    },
  };
}

/** A machine's tasks, with ages in place of times of its clock. */
function tasksJson({ members, idleSince: _, ...group }: GroupView, now: number): object {
  return {
    ...group,
    members: members.map(({ commit, ...member }) => ({
      ...member,
      commit: commit === null
        ? null
        : { epoch: commit.epoch, ageMs: Math.round(now - commit.at), ms: Math.round(commit.ms) },
    })),
  };
}

/** Names in a text. They are from users, and may hold anything. */
function quoted(names: readonly string[]): string {
  return names.map((name) => JSON.stringify(name)).join(", ");
}

/** Lays a flow out once for each direction. */
class LayoutCache {
  #text = "";
  readonly #layouts = new Map<Direction, Promise<Layout>>();

  of(flow: FlowView, direction: Direction): Promise<Layout> {
    const text = JSON.stringify(flow);
    if (text !== this.#text) this.#layouts.clear();
    this.#text = text;
    const layout = this.#layouts.get(direction) ?? layOut(flow, direction);
    this.#layouts.set(direction, layout);
    layout.catch(() => this.#layouts.delete(direction)); // the next question tries again
    return layout;
  }
}

function listen(
  { host, port, signal }: { host: string; port: number; signal: AbortSignal },
  handler: (request: Request) => Response | Promise<Response>,
): Deno.HttpServer<Deno.NetAddr> {
  try {
    return Deno.serve({ hostname: host, port, signal, onListen: () => {} }, handler);
  } catch (cause) {
    if (!isSystemError(cause)) throw cause;
    const cure = cause instanceof Deno.errors.AddrInUse ? "; choose another port" : "";
    throw new Error(`cannot listen at ${host}:${port}: ${systemReason(cause)}${cure}`, { cause });
  }
}
