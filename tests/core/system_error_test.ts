import { assertEquals } from "@std/assert";
import { isSystemError, systemReason } from "../../src/core/system_error.ts";

async function thrownBy(work: () => Promise<unknown>): Promise<unknown> {
  try {
    await work();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

Deno.test("systemReason() explains a system error, and quotes it", async () => {
  const missing = await thrownBy(() => Deno.stat("/nonexistent"));
  assertEquals(
    systemReason(missing),
    "it is not there (No such file or directory (os error 2): stat '/nonexistent')",
  );
  const below = await thrownBy(() => Deno.open("/dev/null/file"));
  assertEquals(systemReason(below).split(" (")[0], "a part of its path is a file, not a folder");
  const unknown = Object.assign(new Error("Something (os error 999)"), { code: "EODD" });
  assertEquals(systemReason(unknown), "Something (os error 999)");
  const denied = new Deno.errors.NotCapable("Requires read access");
  assertEquals(systemReason(denied), "Requires read access (with --worker-flags, give it there)");
  assertEquals(systemReason(new TypeError("no")), "TypeError: no");
});

Deno.test("isSystemError() tells errors of the system from others", async () => {
  assertEquals(isSystemError(await thrownBy(() => Deno.stat("/nonexistent"))), true);
  assertEquals(isSystemError(new Deno.errors.NotCapable("Requires read access")), true);
  for (
    const other of [
      new Deno.errors.NotFound("there is no file"),
      Object.assign(new Error("no"), { code: "ERR_INVALID_ARG_TYPE" }),
      Object.assign(new Error("no"), { code: 7 }),
      new Error("no"),
      "ENOENT",
      null,
    ]
  ) {
    assertEquals(isSystemError(other), false);
  }
});
