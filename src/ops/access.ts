/**
 * Who may ask the operations port.
 *
 * @module
 */
import { createHash, createHmac, timingSafeEqual } from "node:crypto";

/** Where the port is, and who may ask. */
export interface ApiOptions {
  /**
   * The address to listen at.
   *
   * @default {"127.0.0.1"}
   */
  readonly host?: string;
  /** The port; 0 for any that is free. */
  readonly port: number;
  /**
   * What clients have to send as `Authorization: Bearer …`. Needed unless the address is this
   * machine's own. An empty one is none; else it has characters of ASCII, on one line.
   */
  readonly token?: string;
}

/** Why a request is refused. */
export interface Refusal {
  readonly status: 401 | 403 | 421;
  readonly text: string;
}

/** The address at which nobody else can ask. */
export const OWN_HOST = "127.0.0.1";

/** Returns whether only this machine can reach an address. */
export function isOwnHost(host: string): boolean {
  return host === "localhost" || host === "::1" || /^127(\.\d{1,3}){3}$/.test(host);
}

/**
 * Returns the token that clients need; `null` if they need none.
 *
 * @param name What to call it in the error.
 * @throws {TypeError} If no client could send it in a header.
 */
export function requireToken(token: string | undefined, name: string): string | null {
  if (token === undefined || token === "") return null;
  if (/^[!-~]([ -~]*[!-~])?$/.test(token)) return token;
  throw new TypeError(
    `${name} is sent in a header, so it must have only letters, digits and signs of ASCII, with ` +
      `neither line ends nor a space at its beginning or end`,
  );
}

/**
 * A `Host` that a page from elsewhere cannot have: it needs a name that can be pointed to this
 * machine. A probe without a `Host` does not come from a browser.
 */
const UNNAMED = /^((localhost|\d{1,3}(\.\d{1,3}){3}|\[[\da-f:.]+\])(:\d+)?)?$/i;

/** Decides which requests are answered. */
export class Access {
  readonly #names: ReadonlySet<string>;
  readonly #token: Uint8Array | null;
  readonly #cookie: { readonly name: string; readonly value: string } | null;

  /** `port` is the one that is listened at. */
  constructor({ host = OWN_HOST, ...options }: ApiOptions, port: number) {
    const token = requireToken(options.token, "the token");
    const named = host.includes(":") ? `[${host}]` : host;
    this.#names = new Set(
      [OWN_HOST, "localhost", "[::1]", named.toLowerCase()].map((name) => `${name}:${port}`),
    );
    this.#token = token === null ? null : digest(token);
    // Cookies are shared by all ports of a machine.
    this.#cookie = token === null ? null : { name: `millrace_${port}`, value: sessionOf(token) };
  }

  /**
   * Returns why a request is refused; `null` if it is answered.
   *
   * A page from elsewhere may let a browser ask under a name of its own, which leads here (DNS
   * rebinding). So the name in `Host` must be one of ours, and so must an `Origin`. Probes may come
   * to any address, as through a tunnel, but not to a name: metrics have names of steps and topics.
   *
   * @param isProbe Whether the route is one for probes and scrapers.
   */
  refusal(headers: Headers, isProbe: boolean): Refusal | null {
    const foreign = this.foreign(headers, isProbe);
    if (foreign !== null) return foreign;
    if (this.#token === null || this.#hasToken(headers) || this.#hasCookie(headers)) return null;
    return { status: 401, text: "send Authorization: Bearer and the token of this port" };
  }

  /** The same, without regard to the token: for what signs in. */
  foreign(headers: Headers, isProbe: boolean): Refusal | null {
    const host = headers.get("host") ?? "";
    const origin = headers.get("origin");
    if (origin !== null && !this.#isOwnOrigin(origin, host)) {
      return { status: 403, text: "requests of other sites are refused" };
    }
    const isExpected = this.#isOurs(host) || (isProbe && UNNAMED.test(host));
    if (this.#token === null && !isExpected) {
      const text = "the Host of the request is not an address of this port: ask " +
        `${[...this.#names][0]}, or set MILLRACE_API_TOKEN, with which any name is answered`;
      return { status: 421, text };
    }
    return null;
  }

  /** Whether there is a token that somebody can sign in with. */
  get needsToken(): boolean {
    return this.#token !== null;
  }

  /**
   * Returns the cookie for a browser that has sent the token; `null` if it is a wrong one. A page
   * cannot read the cookie, and no other site can have it sent.
   */
  signIn(token: string): string | null {
    if (this.#token === null || !timingSafeEqual(digest(token), this.#token)) return null;
    return `${this.#cookie!.name}=${this.#cookie!.value}; ${COOKIE}`;
  }

  /** Returns what removes the cookie. */
  signOut(): string {
    return `${this.#cookie?.name ?? "millrace"}=; ${COOKIE}; Max-Age=0`;
  }

  /**
   * With a token, the port may have any name, such as that of a proxy. A page under a name that
   * leads here has no cookie of ours.
   */
  #isOwnOrigin(origin: string, host: string): boolean {
    const name = /^https?:\/\/(.+)$/.exec(origin)?.[1] ?? "";
    return this.#isOurs(name) ||
      (this.#token !== null && name !== "" && name.toLowerCase() === host.toLowerCase());
  }

  #isOurs(name: string): boolean {
    return this.#names.has(name.toLowerCase());
  }

  /** A wrong token is not found out sooner than the right one. */
  #hasToken(headers: Headers): boolean {
    const given = /^Bearer (.+)$/i.exec(headers.get("authorization") ?? "")?.[1] ?? "";
    return timingSafeEqual(digest(given), this.#token!);
  }

  #hasCookie(headers: Headers): boolean {
    const { name, value } = this.#cookie!;
    const pairs = (headers.get("cookie") ?? "").split(";").map((pair) => pair.trim());
    const given = pairs.find((pair) => pair.startsWith(`${name}=`))?.slice(name.length + 1) ?? "";
    return timingSafeEqual(digest(given), digest(value));
  }
}

const COOKIE = "Path=/; HttpOnly; SameSite=Strict";

/** What a cookie holds in place of the token, as long as the port has that token. */
function sessionOf(token: string): string {
  return createHmac("sha256", token).update("millrace dashboard").digest("hex");
}

/** Of one length, whatever the text: only such can be compared in constant time. */
function digest(text: string): Uint8Array {
  return createHash("sha256").update(text).digest();
}
