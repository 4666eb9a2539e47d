import { assertEquals, assertMatch } from "@std/assert";
import { TelemetryNames } from "../../../src/runtime/process/telemetry_names.ts";

function names(env: Record<string, string>, file = "orders.ts"): TelemetryNames {
  return new TelemetryNames(`file:///flows/${file}`, (name) => env[name]);
}

Deno.test("a service is named after the flow's file, and each process has an id of its own", () => {
  const run = names({}, "d%C3%A9mo.flow.ts");
  const worker = run.of("worker-1");
  assertEquals(worker.OTEL_SERVICE_NAME, "démo.flow");
  assertMatch(worker.OTEL_RESOURCE_ATTRIBUTES, /^service\.instance\.id=[0-9a-f-]{36}-worker-1$/);
  assertEquals(
    run.of("coordinator").OTEL_RESOURCE_ATTRIBUTES,
    worker.OTEL_RESOURCE_ATTRIBUTES.replace("worker-1", "coordinator"),
  );
});

Deno.test("a service is named after a file whose URL has a single %", () => {
  assertEquals(names({}, "100%.ts").of("worker-0").OTEL_SERVICE_NAME, "100%");
});

Deno.test("the user's names of the service stay", () => {
  assertEquals("OTEL_SERVICE_NAME" in names({ OTEL_SERVICE_NAME: "shop" }).of("worker-0"), false);
  const attributes = { OTEL_RESOURCE_ATTRIBUTES: "region=north, service.name = shop" };
  assertEquals("OTEL_SERVICE_NAME" in names(attributes).of("worker-0"), false);
});

Deno.test("the user's name of the instance is the first part of those of its processes", () => {
  const env = { OTEL_RESOURCE_ATTRIBUTES: "a=b=c,service.instance.id=pod-7,region=north" };
  assertEquals(
    names(env).of("worker-0").OTEL_RESOURCE_ATTRIBUTES,
    "a=b=c,region=north,service.instance.id=pod-7-worker-0",
  );
});

Deno.test("the user's name of the instance may have an equals sign", () => {
  const env = { OTEL_RESOURCE_ATTRIBUTES: "service.instance.id = zone=b " };
  assertEquals(
    names(env).of("worker-0").OTEL_RESOURCE_ATTRIBUTES,
    "service.instance.id=zone=b-worker-0",
  );
});
