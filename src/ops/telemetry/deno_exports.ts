/**
 * Whether Deno exports telemetry by OTLP, which it does if `OTEL_DENO` is set.
 *
 * @module
 */

/** Where `@opentelemetry/api` looks for what implements it. */
const API: unique symbol = Symbol.for("opentelemetry.js.api.1");

interface Registered {
  [API]?: { readonly trace?: unknown; readonly metrics?: unknown };
}

/** Whether Deno exports metrics or spans of this process. An SDK of the program does not count. */
export function denoExports(): boolean {
  return exportsMetrics() || exportsSpans();
}

/** Whether Deno exports metrics of this process. */
export function exportsMetrics(): boolean {
  const registered = (globalThis as Registered)[API];
  return registered?.metrics === Deno.telemetry.meterProvider;
}

/** Whether Deno exports spans of this process. */
export function exportsSpans(): boolean {
  const registered = (globalThis as Registered)[API];
  return registered?.trace === Deno.telemetry.tracerProvider;
}
