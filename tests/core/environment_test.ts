import { assertEquals, assertThrows } from "@std/assert";
import { environmentVariable } from "../../src/core/environment.ts";

const NAME = "MILLRACE_ENVIRONMENT_TEST";

Deno.test({
  name: "environmentVariable() returns nothing for what is not set, or may not be read",
  permissions: { env: [NAME] },
  fn(): void {
    assertEquals(environmentVariable(NAME), undefined);
    Deno.env.set(NAME, "set");
    try {
      assertEquals(environmentVariable(NAME), "set");
    } finally {
      Deno.env.delete(NAME);
    }
    assertThrows(() => Deno.env.get("PATH"), Deno.errors.NotCapable);
    assertEquals(environmentVariable("PATH"), undefined);
  },
});
