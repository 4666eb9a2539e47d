/** A cluster under the test's control, for creating, checking and deleting topics. */
import type { KafkaConnection } from "../../../src/connectors/kafka/client/connection.ts";
import type { ConfigEntry } from "../../../src/connectors/kafka/client/kafkajs.ts";
import { errorOfCode } from "../../../src/connectors/kafka/wire/error_codes.ts";

const CODES = {
  UNKNOWN_TOPIC_OR_PARTITION: 3,
  TOPIC_AUTHORIZATION_FAILED: 29,
  TOPIC_ALREADY_EXISTS: 36,
  INVALID_REPLICATION_FACTOR: 38,
  INVALID_CONFIG: 40,
  INVALID_REQUEST: 42,
  POLICY_VIOLATION: 44,
} as const;

const NODE_ID = 1;

/** The protocol's number for a broker as a resource with settings. */
const BROKER = 4;

export type Code = keyof typeof CODES;

/** The requested properties of a new topic. */
export interface AskedTopic {
  readonly topic: string;
  readonly numPartitions: number;
  readonly replicationFactor: number;
  readonly configEntries: readonly ConfigEntry[];
}

export class FakeTopics {
  /** The topics that are visible. */
  readonly topics = new Map<string, AskedTopic>();
  /** Topics that are not visible any more, with how often their names are still taken. */
  readonly beingDeleted = new Map<string, number>();
  /** Topics that are gone, with how often they are still visible. */
  readonly stale = new Map<string, number>();
  /** Why a topic is refused, if it is. */
  refuse: (asked: AskedTopic) => Code | null = () => null;
  /** Brokers' own settings, if they may be read. */
  readonly brokerSettings = new Map<string, string>();
  readonly deleted: string[] = [];
  /** Topics that lose their settings as they are created, with how often. */
  readonly losing = new Map<string, number>();
  /** Topics that are created without an answer, with how often. */
  readonly unanswered = new Map<string, number>();
  /** Topics whose settings a broker does not know yet, with how often it is asked meanwhile. */
  readonly unknownSettings = new Map<string, number>();
  /** Why settings of topics cannot be changed, if they cannot. */
  refuseSettings: Code | null = null;
  /** The topics whose settings were changed. */
  readonly altered: string[] = [];

  readonly connection = this.#connection();

  #connection(): KafkaConnection {
    const broker = {
      metadata: ([topic]: string[]) => Promise.resolve(this.#look(topic)),
      createTopics: ({ topics: [asked], validateOnly = false }: {
        topics: AskedTopic[];
        validateOnly?: boolean;
      }) => Promise.resolve(this.#create(asked, validateOnly)),
      deleteTopics: ({ topics }: { topics: string[] }) => {
        for (const topic of topics) {
          this.topics.delete(topic);
          this.deleted.push(topic);
        }
        return Promise.resolve();
      },
      describeConfigs: ({ resources: [{ type, name }] }: {
        resources: { type: number; name: string }[];
      }) => Promise.resolve(this.#describe(type, name)),
      alterConfigs: ({ resources: [{ name, configEntries }] }: {
        resources: { name: string; configEntries: ConfigEntry[] }[];
      }) => Promise.resolve(this.#alter(name, configEntries)),
    };
    return {
      anyBroker: () => Promise.resolve(broker),
      controller: () => Promise.resolve(broker),
      metadata: () => Promise.resolve({ brokers: [{ nodeId: NODE_ID }] }),
      broker: (nodeId: number) =>
        nodeId === NODE_ID ? Promise.resolve(broker) : Promise.reject(new Error("unknown broker")),
      // As the real one does: all again after an error, for a while.
      open: async <R>(ask: () => Promise<R>) => {
        for (let tries = 1;; tries++) {
          try {
            return await ask();
          } catch (error) {
            if (tries === 20) throw error;
          }
        }
      },
    } as unknown as KafkaConnection;
  }

  #look(topic: string): void {
    if (this.topics.has(topic) || takeOne(this.stale, topic)) return;
    throw errorOfCode(CODES.UNKNOWN_TOPIC_OR_PARTITION);
  }

  #create(asked: AskedTopic, validateOnly: boolean): void {
    const { topic } = asked;
    const refused = this.refuse(asked);
    const may = refused !== "TOPIC_AUTHORIZATION_FAILED";
    const taken = this.topics.has(topic) || takeOne(this.beingDeleted, topic);
    const code = may && taken ? "TOPIC_ALREADY_EXISTS" : refused;
    if (code !== null) {
      throw Object.assign(new Error("Topic creation errors"), {
        errors: [errorOfCode(CODES[code])],
      });
    }
    if (validateOnly) return;
    const configEntries = takeOne(this.losing, topic) ? [] : asked.configEntries;
    this.topics.set(topic, { ...asked, configEntries });
    if (takeOne(this.unanswered, topic)) throw new Error("the connection broke");
  }

  #alter(topic: string, configEntries: readonly ConfigEntry[]): void {
    if (this.refuseSettings !== null) throw errorOfCode(CODES[this.refuseSettings]);
    const asked = this.topics.get(topic);
    if (asked === undefined) throw errorOfCode(CODES.UNKNOWN_TOPIC_OR_PARTITION);
    this.topics.set(topic, { ...asked, configEntries });
    this.altered.push(topic);
  }

  #describe(type: number, name: string) {
    if (type === BROKER && name !== String(NODE_ID)) throw errorOfCode(CODES.INVALID_REQUEST);
    const settings = type === BROKER ? this.brokerSettings : this.#settingsOf(name);
    const configEntries = Array.from(settings, ([configName, configValue]) => ({
      configName,
      configValue,
    }));
    return { resources: [{ configEntries }] };
  }

  #settingsOf(topic: string): ReadonlyMap<string, string> {
    const { configEntries } = this.topics.get(topic) ?? {};
    if (configEntries === undefined) throw errorOfCode(CODES.UNKNOWN_TOPIC_OR_PARTITION);
    const given = takeOne(this.unknownSettings, topic) ? [] : configEntries;
    return new Map([
      ["cleanup.policy", "delete"], // the broker's own
      ...given.map(({ name, value }) => [name, value] as const),
    ]);
  }
}

function takeOne(left: Map<string, number>, topic: string): boolean {
  const count = left.get(topic) ?? 0;
  left.set(topic, count - 1);
  return count > 0;
}
