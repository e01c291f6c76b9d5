package dev.headwater.bench;

import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;

/**
 * A job of Kafka Streams, measured from outside. Arguments are {@code key=value}: bootstrap, job, guarantee, application,
 * state, warm, records, hold.
 *
 * <p>First the topics whose names begin with {@code warm-} are run through the same topology, so that the JVM is warm;
 * nothing is printed of that. Then the others: {@code first} at the first record, {@code done} when {@code records} were
 * taken, {@code quiet MILLIS} when nothing follows, {@code end} when it has closed in order. With {@code hold=true} it
 * stays until it is killed.
 */
public final class StreamsBench {
  private final Map<String, String> arguments;

  private StreamsBench(Map<String, String> arguments) {
    this.arguments = arguments;
  }

  /** Runs the warm-up, if one is asked for, and the measured part. */
  public static void main(String[] words) throws InterruptedException {
    Map<String, String> arguments = new HashMap<>();
    for (String word : words) {
      String[] parts = word.split("=", 2);
      arguments.put(parts[0], parts[1]);
    }
    StreamsBench bench = new StreamsBench(arguments);
    long warm = Long.parseLong(arguments.getOrDefault("warm", "0"));
    if (warm > 0) {
      bench.run("warm-", warm, false);
    }
    bench.run("", Long.parseLong(arguments.get("records")), true);
  }

  private void run(String prefix, long records, boolean measured) throws InterruptedException {
    Progress progress = new Progress(records, measured);
    String application = prefix + arguments.get("application");
    KafkaStreams streams =
        new KafkaStreams(
            Jobs.topology(arguments.get("job"), prefix, application + "-out", progress),
            properties(application));
    streams.setUncaughtExceptionHandler(
        error -> {
          error.printStackTrace();
          Runtime.getRuntime().halt(1);
          return null;
        });
    streams.start();
    progress.awaitQuiet(2 * commitMillis() + 200);
    if (measured && Boolean.parseBoolean(arguments.get("hold"))) {
      Thread.sleep(Long.MAX_VALUE);
    }
    streams.close(Duration.ofMinutes(2));
    progress.mark("end");
  }

  private boolean exactlyOnce() {
    return arguments.get("guarantee").equals("exactly-once");
  }

  private long commitMillis() {
    return exactlyOnce() ? 100 : 1000;
  }

  /** What is not named here is Kafka Streams' default: the cache of 10 MiB, RocksDB, the consumer's fetch sizes. */
  private Properties properties(String application) {
    Properties properties = new Properties();
    properties.put(StreamsConfig.APPLICATION_ID_CONFIG, application);
    properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments.get("bootstrap"));
    properties.put(StreamsConfig.STATE_DIR_CONFIG, arguments.get("state"));
    properties.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 1);
    properties.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, commitMillis());
    properties.put(
        StreamsConfig.PROCESSING_GUARANTEE_CONFIG,
        exactlyOnce() ? StreamsConfig.EXACTLY_ONCE_V2 : StreamsConfig.AT_LEAST_ONCE);
    properties.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
    properties.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
    properties.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
    // A static member: without it an application that was killed waits for its own session of 45 s to end.
    properties.put(ConsumerConfig.GROUP_INSTANCE_ID_CONFIG, "bench");
    return properties;
  }
}
