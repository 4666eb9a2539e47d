/**
 * What telemetry of a process is of: its service, and which instance of that.
 *
 * @module
 */

/** The variables of OpenTelemetry that say it. */
const SERVICE = "OTEL_SERVICE_NAME";
const RESOURCE = "OTEL_RESOURCE_ATTRIBUTES";

/** Names the processes of a run, by variables of their environment. */
export class TelemetryNames {
  readonly #service: string | null;
  readonly #attributes: readonly string[];
  readonly #instance: string;

  /**
   * Where the user has named the service, it keeps its name. An instance that the user has named is
   * the first part of the name of each process.
   *
   * @param moduleUrl The flow's module: the service is named after its file.
   * @param env Returns a variable; `undefined` if it is not set, or may not be read.
   */
  constructor(moduleUrl: string, env: (name: string) => string | undefined) {
    const attributes = (env(RESOURCE) ?? "").split(",").filter((each) => each.trim() !== "");
    const valueOf = (name: string) =>
      attributes.map((each) => each.split("=", 2).map((part) => part.trim()))
        .find(([key]) => key === name)?.[1];
    const isNamed = (env(SERVICE) ?? "") !== "" || valueOf("service.name") !== undefined;
    this.#service = isNamed ? null : fileName(moduleUrl);
    this.#instance = valueOf("service.instance.id") ?? crypto.randomUUID();
    this.#attributes = attributes.filter((each) => !/^\s*service\.instance\.id\s*=/.test(each));
  }

  /** Returns the environment of a process, such as `worker-0`. */
  of(process: string): Record<string, string> {
    const instance = `service.instance.id=${this.#instance}-${process}`;
    return {
      [RESOURCE]: [...this.#attributes, instance].join(),
      ...this.#service === null ? {} : { [SERVICE]: this.#service },
    };
  }
}

/** The name of a module's file without its ending. Commas and the like would not be kept. */
function fileName(moduleUrl: string): string {
  const file = decodeURIComponent(new URL(moduleUrl).pathname.split("/").at(-1)!);
  return file.replace(/\.[^.]*$/, "") || "millrace";
}
