#!/usr/bin/env bash
# Apache Kafka 4.3.1 forgets to finish a committed transaction in a partition that has no leader at
# that moment.
#
# Behaviour: the broker of a partition is away when a transaction with records in it is committed.
# The coordinator logs that the partition is "likely deleted already", writes no marker for it, and
# calls the transaction complete. When the broker is back, its partition still has the transaction
# open, so readers of committed records get neither its records nor any later ones. (In the source
# of 3.9, the coordinator waits for the leader.)
#
# Output seen:
#   committed while partition 0 has no leader
#   the broker is back, and one more record is committed
#   transaction: CompleteCommit
#   partition 0: open since offset 0
#   read_uncommitted: first, second
#   read_committed: nothing
. "$(dirname "$0")/workspace.sh"
broker_settings='transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=1
broker.session.timeout.ms=3000'
. "$here/kafka-broker.sh"

# A second broker. The first one coordinates transactions and is the controller.
second=127.0.0.1:$(free_port)
sed -e 's/^process.roles=.*/process.roles=broker/; s/^node.id=.*/node.id=2/' \
  -e "s|^listeners=.*|listeners=PLAINTEXT://$second|" \
  -e "s|^advertised.listeners=.*|advertised.listeners=PLAINTEXT://$second|" \
  -e 's|^log.dirs=.*|&2|' server.properties >second.properties
start_second() {
  "${kafka_java[@]}" kafka.Kafka second.properties >second.log 2>&1 &
  echo $! >second.pid
  for _ in $(seq 300); do
    grep -q "Kafka Server started" second.log && return
    sleep 0.2
  done
  tail second.log
  return 1
}
stop_second() {
  [ ! -e second.pid ] || { kill -9 "$(cat second.pid)" && wait "$(cat second.pid)"; } 2>/dev/null || true
  rm -f second.pid
}
trap 'stop_second; stop_broker; rm -rf "$folder"' EXIT

cat >Run.java <<'JAVA'
import java.time.Duration;
import java.util.*;
import java.util.stream.*;
import org.apache.kafka.clients.admin.*;
import org.apache.kafka.clients.consumer.*;
import org.apache.kafka.clients.producer.*;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.*;

class Run {
  static final TopicPartition PARTITION = new TopicPartition("t", 0);
  static final String BROKER = System.getenv("BROKER");
  static final Scanner TOLD = new Scanner(System.in);

  /** Has the script do something, and waits until it has. */
  static void ask(String what) {
    System.err.println(what);
    TOLD.nextLine();
  }

  static KafkaProducer<String, String> producer(String id) {
    var producer = new KafkaProducer<>(Map.<String, Object>of(
        "bootstrap.servers", BROKER, "transactional.id", id), new StringSerializer(), new StringSerializer());
    producer.initTransactions();
    return producer;
  }

  static String read(String isolation) {
    var settings = Map.<String, Object>of("bootstrap.servers", BROKER, "isolation.level", isolation);
    try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer())) {
      consumer.assign(List.of(PARTITION));
      consumer.seekToBeginning(List.of(PARTITION));
      var values = new ArrayList<String>();
      for (int i = 0; i < 20; i++) {
        consumer.poll(Duration.ofMillis(250)).forEach((each) -> values.add(each.value()));
      }
      return values.isEmpty() ? "nothing" : String.join(", ", values);
    }
  }

  public static void main(String[] args) throws Exception {
    try (var admin = Admin.create(Map.<String, Object>of("bootstrap.servers", BROKER))) {
      var first = producer("first"); // before the second broker is there, so the first coordinates
      ask("start");
      admin.createTopics(List.of(new NewTopic("t", Map.of(0, List.of(2))))).all().get();
      first.beginTransaction();
      first.send(new ProducerRecord<>("t", 0, "k", "first")).get();
      ask("stop");
      while (admin.describeTopics(List.of("t")).allTopicNames().get().get("t").partitions().get(0).leader() != null) {
        Thread.sleep(100);
      }
      first.commitTransaction();
      System.out.println("committed while partition 0 has no leader");
      ask("start");
      while (admin.describeTopics(List.of("t")).allTopicNames().get().get("t").partitions().get(0).leader() == null) {
        Thread.sleep(100);
      }
      var second = producer("second");
      second.beginTransaction();
      second.send(new ProducerRecord<>("t", 0, "k", "second")).get();
      second.commitTransaction();
      System.out.println("the broker is back, and one more record is committed");
      var described = admin.describeTransactions(List.of("first")).all().get().get("first");
      String state = described.state().toString();
      System.out.println("transaction: " + state);
      long id = described.producerId();
      for (var each : admin.describeProducers(List.of(PARTITION)).all().get().get(PARTITION).activeProducers()) {
        if (each.producerId() != id) continue;
        var open = each.currentTransactionStartOffset();
        System.out.println("partition 0: " + (open.isPresent() ? "open since offset " + open.getAsLong() : "nothing open"));
      }
      System.out.println("read_uncommitted: " + read("read_uncommitted"));
      System.out.println("read_committed: " + read("read_committed"));
      first.close(Duration.ZERO);
      second.close(Duration.ZERO);
    }
  }
}
JAVA

"${kafka_java[@]}" kafka.tools.StorageTool format -t ZmluZGluZ3Mtb2Yta2Fma2E -c second.properties >format.log 2>&1
mkfifo asked told
conduct() {
  local what run
  exec 4<>told
  BROKER=$broker timeout 180 java "-Dlog4j2.configurationFile=$PWD/quiet.properties" -cp "$PWD/jars/*" \
    Run.java <told 2>asked >said &
  run=$!
  while read -r what; do
    case $what in
      start) start_second && echo done >&4 ;;
      stop) stop_second && echo done >&4 ;;
      *) echo "$what" ;;
    esac
  done <asked
  wait "$run"
  cat said
}
sed 's/INFO/OFF/' log4j2.properties >quiet.properties
expect_seen conduct
