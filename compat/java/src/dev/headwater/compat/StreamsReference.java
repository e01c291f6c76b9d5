package dev.headwater.compat;

import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.TaskMetadata;
import org.apache.kafka.streams.ThreadMetadata;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;

/**
 * What Kafka Streams makes of topics that are filled before: runs a topology of {@link StreamsTopologies} until it has
 * read all that its inputs hold, then ends.
 *
 * <p>Its settings leave nothing to chance or the clock: no cache, every update emitted, outer joins and closed windows
 * told at once, one thread, and of several inputs the record with the lowest time first.
 *
 * <p>Arguments: the bootstrap servers; then those of one {@link Job}, or none, and a job is read from each line of the
 * standard input, run, and answered by a line: {@code done APPLICATION} or {@code failed APPLICATION REASON}.
 */
public final class StreamsReference {
    private static final Duration LIMIT = Duration.ofSeconds(180);
    /** Jobs that run beside each other: most of a short one is waiting for its group. */
    private static final int JOBS = 4;
    /** How long an input that has no more is waited for, should the broker have told of none by mistake. */
    private static final long TASK_IDLE_MS = 200;

    /**
     * An application to run.
     *
     * @param inputs topics, with how many records each holds at the end
     * @param guarantee of {@code processing.guarantee}
     */
    private record Job(String topology, String application, Map<String, Long> inputs, List<String> names, String output,
            String guarantee, String stateDir) {
        /** Of {@code TOPOLOGY APPLICATION INPUT:RECORDS,... OUTPUT GUARANTEE STATE_DIR}. */
        static Job parse(String... words) {
            Map<String, Long> inputs = new HashMap<>();
            List<String> names = new ArrayList<>();
            for (String input : words[2].split(",")) {
                int colon = input.lastIndexOf(':');
                names.add(input.substring(0, colon));
                inputs.put(input.substring(0, colon), Long.valueOf(input.substring(colon + 1)));
            }
            return new Job(words[0], words[1], inputs, names, words[3], words[4], words[5]);
        }

        Properties settings(String bootstrap) {
            Properties settings = new Properties();
            settings.put("bootstrap.servers", bootstrap);
            settings.put("application.id", application);
            settings.put("state.dir", stateDir);
            settings.put("processing.guarantee", guarantee);
            settings.put("num.stream.threads", 1);
            settings.put("commit.interval.ms", 100);
            settings.put("max.task.idle.ms", TASK_IDLE_MS);
            settings.put("statestore.cache.max.bytes", 0);
            settings.put("__emit.interval.ms.kstreams.outer.join.spurious.results.fix__", 0L);
            settings.put("__emit.interval.ms.kstreams.windowed.aggregation__", 0L);
            // What went from part to part is compared, too.
            settings.put("repartition.purge.interval.ms", Duration.ofHours(1).toMillis());
            // A table's topic is its changelog: nothing is written twice.
            settings.put("topology.optimization", "reuse.ktable.source.topics");
            settings.put("consumer.auto.offset.reset", "earliest");
            settings.put("consumer.fetch.max.wait.ms", 50);
            return settings;
        }
    }

    private StreamsReference() {}

    public static void main(String[] arguments) throws Exception {
        String bootstrap = arguments[0];
        if (arguments.length > 1) {
            run(bootstrap, Job.parse(List.of(arguments).subList(1, arguments.length).toArray(String[]::new)));
            return;
        }
        ExecutorService jobs = Executors.newFixedThreadPool(JOBS);
        try (var lines = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.UTF_8))) {
            for (String line = lines.readLine(); line != null; line = lines.readLine()) {
                Job job = Job.parse(line.split(" "));
                jobs.execute(() -> System.out.println(answer(bootstrap, job)));
            }
        }
        // Who has no more jobs has their answers.
        jobs.shutdownNow();
    }

    private static String answer(String bootstrap, Job job) {
        try {
            run(bootstrap, job);
            return "done " + job.application;
        } catch (Exception | AssertionError e) {
            return "failed " + job.application + " " + Expect.shown(e).replace('\n', ' ');
        }
    }

    private static void run(String bootstrap, Job job) throws Exception {
        Properties settings = job.settings(bootstrap);
        StreamsBuilder builder = new StreamsBuilder();
        StreamsTopologies.build(job.topology, builder, job.names, job.output);
        AtomicReference<Throwable> failure = new AtomicReference<>();
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap));
                KafkaStreams streams = new KafkaStreams(builder.build(settings), settings)) {
            streams.setUncaughtExceptionHandler(thrown -> {
                failure.set(thrown);
                return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
            });
            streams.start();
            long deadline = System.nanoTime() + LIMIT.toNanos();
            while (!finished(admin, streams, job)) {
                if (failure.get() != null) {
                    throw new AssertionError(job.topology + " failed", failure.get());
                }
                Expect.that(System.nanoTime() < deadline, job.topology + " did not end within " + LIMIT);
                Thread.sleep(50);
            }
        }
    }

    /**
     * Whether all that the inputs and the topics between its parts hold was read and committed.
     *
     * <p>Ends are asked before and after the commits: a commit follows what was written because of it.
     */
    private static boolean finished(Admin admin, KafkaStreams streams, Job job) throws Exception {
        Set<TopicPartition> read = new HashSet<>();
        for (ThreadMetadata thread : streams.metadataForLocalThreads()) {
            for (TaskMetadata task : thread.activeTasks()) {
                read.addAll(task.topicPartitions());
            }
        }
        if (streams.state() != KafkaStreams.State.RUNNING || read.isEmpty()) {
            return false;
        }
        Map<TopicPartition, Long> before = ends(admin, read);
        for (Map.Entry<String, Long> input : job.inputs.entrySet()) {
            long records = before.entrySet().stream()
                    .filter(end -> end.getKey().topic().equals(input.getKey()))
                    .mapToLong(Map.Entry::getValue)
                    .sum();
            // A global table's topic is not among them: it is read before all others.
            boolean global = read.stream().noneMatch(partition -> partition.topic().equals(input.getKey()));
            if (!global && records < input.getValue()) {
                return false;
            }
        }
        Map<TopicPartition, OffsetAndMetadata> committed =
                admin.listConsumerGroupOffsets(job.application).partitionsToOffsetAndMetadata().get();
        for (Map.Entry<TopicPartition, Long> end : before.entrySet()) {
            OffsetAndMetadata offset = committed.get(end.getKey());
            if (end.getValue() != (offset == null ? 0 : offset.offset())) {
                return false;
            }
        }
        return before.equals(ends(admin, read));
    }

    private static Map<TopicPartition, Long> ends(Admin admin, Set<TopicPartition> partitions) throws Exception {
        Map<TopicPartition, OffsetSpec> asked = new HashMap<>();
        partitions.forEach(partition -> asked.put(partition, OffsetSpec.latest()));
        Map<TopicPartition, Long> ends = new HashMap<>();
        admin.listOffsets(asked).all().get().forEach((partition, end) -> ends.put(partition, end.offset()));
        return ends;
    }
}
