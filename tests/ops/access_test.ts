import { assertEquals, assertStringIncludes, assertThrows } from "@std/assert";
import { Access, type ApiOptions, isOwnHost } from "../../src/ops/access.ts";

const PORT = 8080;

/** The status with which a request is refused; `null` if it is answered. */
function refused(
  headers: Record<string, string>,
  options: Partial<ApiOptions> = {},
  isProbe = false,
): number | null {
  const access = new Access({ port: PORT, ...options }, PORT);
  return access.refusal(new Headers(headers), isProbe)?.status ?? null;
}

Deno.test("requests for this machine's own names are answered", () => {
  for (const host of ["127.0.0.1:8080", "localhost:8080", "LOCALHOST:8080", "[::1]:8080"]) {
    assertEquals(refused({ host }), null);
  }
});

Deno.test("requests under other names are refused, and those without one", () => {
  for (const host of ["evil.example:8080", "127.0.0.1:9090", "127.0.0.1", "localhost", ""]) {
    assertEquals(refused({ host }), 421);
  }
  assertEquals(refused({}), 421);
  const access = new Access({ port: 8080 }, 8080);
  const { text } = access.refusal(new Headers({ host: "evil.example" }), false)!;
  assertStringIncludes(text, "ask 127.0.0.1:8080, or set MILLRACE_API_TOKEN");
});

Deno.test("probes may ask at any address, but under no name that a page could have", () => {
  const addresses = [
    "10.1.2.3:8080",
    "10.1.2.3",
    "[fe80::1]:9000",
    "localhost:9000",
    "localhost",
    "",
  ];
  for (const host of addresses) assertEquals(refused({ host }, {}, true), null, host);
  const names = [
    "evil.example:8080",
    "10.1.2.3.evil.example",
    "localhost.evil.example",
    "a b",
    "1.2.3",
  ];
  for (const host of names) {
    assertEquals(refused({ host }, {}, true), 421, host);
    assertEquals(
      refused({ host, authorization: "Bearer s3cret" }, { token: "s3cret" }, true),
      null,
    );
  }
});

Deno.test("an empty token is none: the name is looked at", () => {
  assertEquals(refused({ host: "evil.example:8080" }, { token: "" }), 421);
  assertEquals(refused({ host: "127.0.0.1:8080" }, { token: "" }), null);
});

Deno.test("a token that no client could send is refused", () => {
  for (const token of ["a token", "a", "!~"]) {
    assertEquals(refused({ authorization: `Bearer ${token}` }, { token }), null);
  }
  for (const token of [" ", "ab ", "s3cret\n", "žluť", "\0"]) {
    assertThrows(() => refused({}, { token }), TypeError, "neither line ends nor a space");
  }
});

Deno.test("requests of other sites' pages are refused, also to probes", () => {
  const host = "127.0.0.1:8080";
  for (const isProbe of [false, true]) {
    for (const origin of ["http://evil.example", "null", "http://127.0.0.1:9090"]) {
      assertEquals(refused({ host, origin }, {}, isProbe), 403);
    }
    assertEquals(refused({ host, origin: "http://127.0.0.1:8080" }, {}, isProbe), null);
  }
});

Deno.test("where there is a token, each request needs it, under whatever name", () => {
  const options = { host: "0.0.0.0", token: "s3cret" };
  const host = "millrace.example:8080";
  for (const isProbe of [false, true]) {
    assertEquals(refused({ host }, options, isProbe), 401);
    for (const authorization of ["Bearer wrong", "Bearer ", "s3cret", "Basic s3cret"]) {
      assertEquals(refused({ host, authorization }, options, isProbe), 401);
    }
    for (const authorization of ["Bearer s3cret", "bearer s3cret"]) {
      assertEquals(refused({ host, authorization }, options, isProbe), null);
    }
  }
});

Deno.test("only addresses of this machine need no token", () => {
  const own = ["127.0.0.1", "127.1.2.3", "localhost", "::1"];
  const others = [
    "0.0.0.0",
    "::",
    "10.0.0.1",
    "1270.0.0.1",
    "example.org",
    "127.0.0.1.example.org",
  ];
  assertEquals(own.filter(isOwnHost), own);
  assertEquals(others.filter(isOwnHost), []);
});
