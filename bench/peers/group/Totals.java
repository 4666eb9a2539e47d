import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.processor.api.FixedKeyProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyProcessorContext;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;

/**
 * The flow of flow.ts in Kafka Streams: `Totals STATE_DIR THREADS SHARDS`. The cache of the store is on, so
 * that the changelog gets the last total of each user and commit, as ours does. Prints when its first record came.
 */
public class Totals {
  public record Order(long id, String user, double amount) {}
  public record Total(long count, double sum) {}
  public record Result(String user, long count, double sum) {}

  static final ObjectMapper JSON = new ObjectMapper();
  static volatile boolean started = false;

  static void seen() {
    if (started) return;
    started = true;
    System.out.println("first " + System.currentTimeMillis());
  }

  static <T> Serde<T> json(Class<T> type) {
    Serializer<T> to = (topic, v) -> {
      try {
        return v == null ? null : JSON.writeValueAsBytes(v);
      } catch (IOException e) {
        throw new RuntimeException(e);
      }
    };
    Deserializer<T> from = (topic, b) -> {
      try {
        return b == null ? null : JSON.readValue(b, type);
      } catch (IOException e) {
        throw new RuntimeException(e);
      }
    };
    return Serdes.serdeFrom(to, from);
  }

  static final Serde<Total> TOTAL = Serdes.serdeFrom(
      (topic, t) -> t == null ? null : ByteBuffer.allocate(16).putLong(t.count()).putDouble(t.sum()).array(),
      (topic, b) -> {
        if (b == null) return null;
        ByteBuffer bytes = ByteBuffer.wrap(b);
        return new Total(bytes.getLong(), bytes.getDouble());
      });

  static class Adding implements FixedKeyProcessor<String, Order, Result> {
    private FixedKeyProcessorContext<String, Result> context;
    private KeyValueStore<String, Total> totals;

    @Override
    public void init(FixedKeyProcessorContext<String, Result> context) {
      this.context = context;
      this.totals = context.getStateStore("totals");
    }

    @Override
    public void process(FixedKeyRecord<String, Order> record) {
      Total before = totals.get(record.key());
      double sum = record.value().amount() + (before == null ? 0 : before.sum());
      Total after = new Total(before == null ? 1 : before.count() + 1, sum);
      totals.put(record.key(), after);
      context.forward(record.withValue(new Result(record.key(), after.count(), after.sum())));
    }
  }

  public static void main(String[] args) throws Exception {
    Properties p = new Properties();
    p.put(StreamsConfig.APPLICATION_ID_CONFIG, "totals-" + System.getenv("PEERS_RUN"));
    p.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, System.getenv("PEERS_BROKER"));
    p.put(StreamsConfig.STATE_DIR_CONFIG, args[0]);
    p.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, Integer.parseInt(args[1]));
    p.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
    p.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 1000);
    p.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
    p.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 131072);
    p.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 20);

    StreamsBuilder b = new StreamsBuilder();
    b.addStateStore(
        Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore("totals"), Serdes.String(), TOTAL)
            .withCachingEnabled());
    b.stream(System.getenv("PEERS_IN"), Consumed.with(Serdes.ByteArray(), json(Order.class)))
        .peek((k, v) -> seen())
        .selectKey((k, v) -> v.user())
        .repartition(Repartitioned.with(Serdes.String(), json(Order.class))
            .withName("by-user")
            .withNumberOfPartitions(Integer.parseInt(args[2])))
        .processValues(Adding::new, "totals")
        .to(System.getenv("PEERS_OUT"), Produced.with(Serdes.String(), json(Result.class)));

    KafkaStreams streams = new KafkaStreams(b.build(), p);
    streams.setUncaughtExceptionHandler(e -> {
      e.printStackTrace();
      Runtime.getRuntime().halt(1);
      return null;
    });
    streams.start();
    Thread.currentThread().join();
  }
}
