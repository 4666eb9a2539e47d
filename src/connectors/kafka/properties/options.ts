/**
 * Checks the options of the Kafka configs, at construction. It connects to nothing.
 *
 * @module
 */

/** Bootstrap brokers, each as `host:port`. */
export type Brokers = readonly string[];

/**
 * Checks a list of brokers.
 *
 * @throws {TypeError} If it is not a list of `host:port`.
 */
export function checkBrokers(config: string, brokers: unknown): Brokers {
  if (!Array.isArray(brokers) || brokers.length === 0) {
    throw new TypeError(
      `${config} needs brokers as a list such as ["localhost:9092"]; got ${Deno.inspect(brokers)}`,
    );
  }
  for (const broker of brokers) {
    if (typeof broker !== "string" || !/^[^\s:/,]+:\d{1,5}$/.test(broker) || !hasPort(broker)) {
      if (typeof broker === "string" && /^[^\s:/,]+:\d+$/.test(broker)) {
        throw new TypeError(
          `${config} needs a port from 1 to 65535 after "host:"; got ${Deno.inspect(broker)}`,
        );
      }
      const ipv6 = typeof broker === "string" && broker.includes("[");
      throw new TypeError(
        `${config} needs each broker as "host:port"; got ${Deno.inspect(broker)}` +
          (ipv6 ? " (IPv6 literals are not supported: give a host name)" : ""),
      );
    }
  }
  return Object.freeze([...brokers]);
}

function hasPort(broker: string): boolean {
  const port = Number(broker.slice(broker.indexOf(":") + 1));
  return port >= 1 && port <= 65_535;
}

/**
 * Checks a topic's name.
 *
 * @throws {TypeError} If Kafka would not allow it.
 */
export function checkTopic(config: string, topic: unknown): string {
  if (typeof topic !== "string" || !/^(?!\.{1,2}$)[\w.-]{1,249}$/.test(topic)) {
    throw new TypeError(
      `${config} needs a topic of letters, digits, ".", "_" and "-"; got ${Deno.inspect(topic)}`,
    );
  }
  return topic;
}

/**
 * Checks the name of a topic, or of each of several.
 *
 * @throws {TypeError} If Kafka would not allow one, or one is there twice.
 */
export function checkTopics(config: string, topics: unknown): readonly string[] {
  if (!Array.isArray(topics)) return Object.freeze([checkTopic(config, topics)]);
  if (topics.length === 0) throw new TypeError(`${config} needs at least one topic; got []`);
  for (const topic of topics) checkTopic(config, topic);
  const twice = topics.find((topic, i) => topics.indexOf(topic) !== i);
  if (twice !== undefined) throw new TypeError(`${config} has the topic "${twice}" twice`);
  return Object.freeze([...topics]);
}

/** How often a record is written if the run is killed and started again. */
export type Delivery = "at-least-once" | "exactly-once";

const DELIVERIES: ReadonlySet<unknown> = new Set<Delivery>(["at-least-once", "exactly-once"]);

/**
 * Checks how an output delivers. The default is `"at-least-once"`.
 *
 * @throws {TypeError} If it is not one of these.
 */
export function checkDelivery(config: string, delivery: unknown): Delivery {
  if (delivery === undefined) return "at-least-once";
  if (DELIVERIES.has(delivery)) return delivery as Delivery;
  throw new TypeError(
    `${config} needs delivery as "at-least-once" or "exactly-once"; got ${Deno.inspect(delivery)}`,
  );
}

/**
 * Checks the epoch whose output may be lost. Returns it as a setting.
 *
 * @throws {TypeError} If it is not a number of an epoch.
 */
export function checkLostEpoch(
  config: string,
  epoch: unknown,
): { readonly acceptLostEpoch?: number } {
  if (epoch === undefined) return {};
  if (Number.isSafeInteger(epoch) && epoch as number >= 0) {
    return { acceptLostEpoch: epoch as number };
  }
  throw new TypeError(
    `${config} needs acceptLostEpoch as the number of an epoch; got ${Deno.inspect(epoch)}`,
  );
}
