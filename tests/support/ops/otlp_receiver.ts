/** Receives telemetry as Deno exports it: OTLP over HTTP, as JSON. */

/** Attributes by name. */
export type Attributes = Readonly<Record<string, string | number | boolean>>;

/** A value of a metric, as of the last export. */
export interface Point {
  readonly resource: Attributes;
  readonly name: string;
  readonly attributes: Attributes;
  readonly isCounter: boolean;
  /** For a histogram: the sum of its values. */
  readonly value: number;
  /** Only of histograms. */
  readonly count?: number;
  readonly buckets?: readonly number[];
}

/** A log line. */
export interface LogRecord {
  readonly resource: Attributes;
  readonly severity: string;
  readonly text: string;
}

/** A span. */
export interface Span {
  readonly resource: Attributes;
  readonly name: string;
  readonly traceId: string;
  readonly parentSpanId: string;
  /** In milliseconds. */
  readonly ms: number;
  readonly attributes: Attributes;
  /** As `trace id-span id`. */
  readonly links: readonly string[];
}

interface Wire {
  readonly key: string;
  readonly value: Record<string, string | number | boolean>;
}

function attributesOf(wire: readonly Wire[] = []): Attributes {
  return Object.fromEntries(wire.map(({ key, value }) => [key, Object.values(value)[0]]));
}

/** Listens, and keeps what comes. */
export class OtlpReceiver implements AsyncDisposable {
  readonly logs: LogRecord[] = [];
  readonly spans: Span[] = [];
  readonly #points = new Map<string, Point>();
  readonly #server: Deno.HttpServer<Deno.NetAddr>;

  constructor() {
    const handler = async (request: Request) => {
      this.#take(await request.json());
      return Response.json({});
    };
    this.#server = Deno.serve({ hostname: "127.0.0.1", port: 0, onListen: () => {} }, handler);
  }

  /** The environment of a process that exports to it. */
  get env(): Record<string, string> {
    return {
      OTEL_DENO: "true",
      OTEL_EXPORTER_OTLP_PROTOCOL: "http/json",
      OTEL_EXPORTER_OTLP_ENDPOINT: `http://127.0.0.1:${this.#server.addr.port}`,
    };
  }

  /** The last values of a metric. */
  points(name: string, attributes: Attributes = {}): Point[] {
    return [...this.#points.values()].filter((point) =>
      point.name === name &&
      Object.entries(attributes).every(([key, value]) => point.attributes[key] === value)
    );
  }

  /** Their sum. */
  sum(name: string, attributes: Attributes = {}): number {
    return this.points(name, attributes).reduce((sum, { value }) => sum + value, 0);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#server.shutdown();
  }

  // deno-lint-ignore no-explicit-any
  #take({ resourceMetrics = [], resourceLogs = [], resourceSpans = [] }: any): void {
    for (const { resource, scopeMetrics } of resourceMetrics) {
      for (const { metrics } of scopeMetrics) {
        for (const metric of metrics) this.#metric(attributesOf(resource.attributes), metric);
      }
    }
    for (const { resource, scopeLogs } of resourceLogs) {
      for (const { logRecords } of scopeLogs) {
        for (const { severityText, body } of logRecords) {
          this.logs.push({
            resource: attributesOf(resource.attributes),
            severity: severityText,
            text: body.stringValue.trimEnd(),
          });
        }
      }
    }
    for (const { resource, scopeSpans } of resourceSpans) {
      for (const { spans } of scopeSpans) {
        for (const span of spans) {
          this.spans.push({
            resource: attributesOf(resource.attributes),
            name: span.name,
            traceId: span.traceId,
            parentSpanId: span.parentSpanId,
            ms: Number(BigInt(span.endTimeUnixNano) - BigInt(span.startTimeUnixNano)) / 1e6,
            attributes: attributesOf(span.attributes),
            links: span.links.map((link: Record<string, string>) =>
              `${link.traceId}-${link.spanId}`
            ),
          });
        }
      }
    }
  }

  // deno-lint-ignore no-explicit-any
  #metric(resource: Attributes, { name, sum, gauge, histogram }: any): void {
    for (const point of (sum ?? gauge ?? histogram)?.dataPoints ?? []) {
      const attributes = attributesOf(point.attributes);
      const key = JSON.stringify([resource["service.instance.id"], name, attributes]);
      this.#points.set(key, {
        resource,
        name,
        attributes,
        isCounter: sum?.isMonotonic ?? false,
        value: Number(point.asDouble ?? point.asInt ?? point.sum),
        ...histogram === undefined ? {} : {
          count: Number(point.count),
          buckets: point.bucketCounts.map(Number),
        },
      });
    }
  }
}
