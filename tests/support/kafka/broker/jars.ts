/**
 * The folder where `broker.sh` keeps Apache Kafka once Maven has fetched it.
 *
 * @throws {Error} If `pom.xml` has no version of Kafka.
 */
export function jarFolder(): string {
  const pom = Deno.readTextFileSync(`${import.meta.dirname}/pom.xml`);
  const version = pom.match(/<kafka.version>(.*)<\/kafka.version>/)?.[1];
  if (version === undefined) throw new Error("pom.xml has no kafka.version");
  const cache = Deno.env.get("XDG_CACHE_HOME") || `${Deno.env.get("HOME") || "/tmp"}/.cache`;
  return `${cache}/millrace-tests/kafka-${version}`;
}
