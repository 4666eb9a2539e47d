/**
 * What telemetry of a process is of: its service, and which instance of that.
 *
 * @module
 */

/** The variables of OpenTelemetry that say it. */
const SERVICE = "OTEL_SERVICE_NAME";
const RESOURCE = "OTEL_RESOURCE_ATTRIBUTES";

/** The attribute that says which instance of the service it is. */
const INSTANCE = "service.instance.id";

/** An attribute, as the variable has it. Name and value are absent where it has no `=`. */
interface Attribute {
  readonly text: string;
  readonly name?: string;
  readonly value?: string;
}

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
    const attributes = (env(RESOURCE) ?? "").split(",").filter((text) => text.trim() !== "")
      .map(attributeOf);
    const valueOf = (name: string) => attributes.find((each) => each.name === name)?.value;
    const isNamed = (env(SERVICE) ?? "") !== "" || valueOf("service.name") !== undefined;
    this.#service = isNamed ? null : fileName(moduleUrl);
    this.#instance = valueOf(INSTANCE) ?? crypto.randomUUID();
    this.#attributes = attributes.filter(({ name }) => name !== INSTANCE).map(({ text }) => text);
  }

  /** Returns the environment of a process, such as `worker-0`. */
  of(process: string): Record<string, string> {
    const instance = `${INSTANCE}=${this.#instance}-${process}`;
    return {
      [RESOURCE]: [...this.#attributes, instance].join(),
      ...this.#service === null ? {} : { [SERVICE]: this.#service },
    };
  }
}

function attributeOf(text: string): Attribute {
  const [, name, value] = /^([^=]*)=(.*)$/s.exec(text) ?? [];
  return { text, name: name?.trim(), value: value?.trim() };
}

/** The name of a module's file without its ending, not percent-encoded. */
function fileName(moduleUrl: string): string {
  const file = decoded(new URL(moduleUrl).pathname.split("/").at(-1)!);
  return file.replace(/\.[^.]*$/, "") || "millrace";
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return text; // Deno loads a file with a single "%" too
    throw error;
  }
}
