# Runs an Apache Kafka 4.3.1 of one node on the loopback interface, for the scripts beside this file.
#
# They source it behind workspace.sh, with lines for server.properties in `broker_settings` if they
# need some. It sets `broker` (host:port) and defines `stop_broker`.
# Java 17 or newer and Maven have to be on PATH.
cat >pom.xml <<'XML'
<project>
  <modelVersion>4.0.0</modelVersion>
  <groupId>findings</groupId>
  <artifactId>kafka-broker</artifactId>
  <version>1</version>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>4.3.1</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId>
      <artifactId>log4j-slf4j-impl</artifactId>
      <version>2.25.1</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId>
      <artifactId>log4j-core</artifactId>
      <version>2.25.1</version>
    </dependency>
  </dependencies>
</project>
XML
mvn -q -B dependency:copy-dependencies -DincludeScope=runtime -DoutputDirectory="$PWD/jars"

cat >log4j2.properties <<'P'
appender.out.type=Console
appender.out.name=out
appender.out.layout.type=PatternLayout
appender.out.layout.pattern=%p %m (%c)%n
rootLogger.level=INFO
rootLogger.appenderRef.out.ref=out
P

free_port() {
  node -e 'const s = require("node:net").createServer().listen(0, "127.0.0.1", () => { console.log(s.address().port); s.close(); })'
}
port=$(free_port) controller=$(free_port)
broker=127.0.0.1:$port
cat >server.properties <<P
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$controller
controller.listener.names=CONTROLLER
listeners=PLAINTEXT://$broker,CONTROLLER://127.0.0.1:$controller
advertised.listeners=PLAINTEXT://$broker
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=CONTROLLER:PLAINTEXT,PLAINTEXT:PLAINTEXT
log.dirs=$PWD/data
auto.create.topics.enable=false
offsets.topic.replication.factor=1
${broker_settings:-}
P

kafka_java=(java -Xmx512m -XX:-UsePerfData "-Djava.io.tmpdir=$PWD"
  "-Dlog4j2.configurationFile=$PWD/log4j2.properties" -cp "$PWD/jars/*")
"${kafka_java[@]}" kafka.tools.StorageTool format -t ZmluZGluZ3Mtb2Yta2Fma2E -c server.properties >format.log 2>&1 ||
  { cat format.log; exit 1; }
"${kafka_java[@]}" kafka.Kafka server.properties >broker.log 2>&1 &
broker_pid=$!
stop_broker() {
  [ -z "$broker_pid" ] || { kill -9 "$broker_pid"; wait "$broker_pid"; } 2>/dev/null || true
  broker_pid=
}
for _ in $(seq 300); do
  grep -q "Kafka Server started" broker.log && break
  kill -0 "$broker_pid" || { tail broker.log; exit 1; }
  sleep 0.2
done
grep -q "Kafka Server started" broker.log || { tail broker.log; exit 1; }
