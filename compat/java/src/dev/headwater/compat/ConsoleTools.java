package dev.headwater.compat;

import java.util.ArrayList;
import java.util.List;

/** {@code kafka-console-producer} and {@code kafka-console-consumer}. */
final class ConsoleTools {
    private static final String PRODUCER = "org.apache.kafka.tools.ConsoleProducer";
    private static final String CONSUMER = "org.apache.kafka.tools.consumer.ConsoleConsumer";

    private ConsoleTools() {}

    static void register(Suite suite) {
        suite.tool("ConsoleProducer and ConsoleConsumer carry keys, headers and values", ConsoleTools::carriesKeys);
        suite.tool("ConsoleProducer and ConsoleConsumer carry every codec", ConsoleTools::carriesCodecs);
        suite.tool("ConsoleConsumer in a group goes on where it stopped", ConsoleTools::goesOn);
        suite.tool("ConsoleConsumer starts at an offset of a partition", ConsoleTools::startsAtOffset);
        suite.tool("ConsoleConsumer follows an expression over topics", ConsoleTools::followsExpression);
    }

    private static void produce(Kafka kafka, String topic, String lines, String... arguments) throws Exception {
        List<String> all = new ArrayList<>(List.of("--topic", topic));
        all.addAll(List.of(arguments));
        Tool.succeed(PRODUCER, lines, TopicTools.with(kafka, all.toArray(String[]::new)));
    }

    private static List<String> consume(Kafka kafka, int count, String... arguments) throws Exception {
        List<String> all = new ArrayList<>(List.of("--max-messages", Integer.toString(count), "--timeout-ms", "20000"));
        all.addAll(List.of(arguments));
        List<String> lines = Tool.succeed(CONSUMER, "", TopicTools.with(kafka, all.toArray(String[]::new))).lines();
        Expect.equal(count, lines.size());
        return lines;
    }

    private static void carriesKeys(Kafka kafka) throws Exception {
        String topic = kafka.topic(1);
        produce(kafka, topic, "color:red\tada:book\nNULL\tgrace:lamp\n", "--reader-property", "parse.key=true",
                "--reader-property", "key.separator=:", "--reader-property", "parse.headers=true",
                "--reader-property", "headers.delimiter=\t", "--reader-property", "null.marker=NULL");
        List<String> lines = consume(kafka, 2, "--topic", topic, "--from-beginning",
                "--formatter-property", "print.key=true", "--formatter-property", "key.separator=:",
                "--formatter-property", "print.headers=true", "--formatter-property", "print.offset=true",
                "--formatter-property", "print.partition=true");
        Expect.equal("Partition:0:Offset:0:color:red:ada:book", lines.get(0));
        Expect.that(lines.get(1).endsWith("grace:lamp"), lines);
    }

    private static void carriesCodecs(Kafka kafka) throws Exception {
        String topic = kafka.topic(1);
        List<String> codecs = List.of("none", "gzip", "snappy", "lz4", "zstd");
        for (String codec : codecs) {
            produce(kafka, topic, codec + "\n", "--compression-codec", codec);
        }
        Expect.equal(codecs, consume(kafka, 5, "--topic", topic, "--from-beginning"));
    }

    private static void goesOn(Kafka kafka) throws Exception {
        String topic = kafka.topic(1);
        produce(kafka, topic, "1\n2\n3\n4\n5\n");
        for (String protocol : List.of("classic", "consumer")) {
            String[] grouped = {"--topic", topic, "--from-beginning", "--group", kafka.name("group"),
                "--command-property", "group.protocol=" + protocol};
            Expect.equal(List.of("1", "2"), consume(kafka, 2, grouped));
            Expect.equal(List.of("3", "4", "5"), consume(kafka, 3, grouped));
        }
    }

    private static void startsAtOffset(Kafka kafka) throws Exception {
        String topic = kafka.topic(2);
        kafka.writeNumbers(topic, 5);
        Expect.equal(List.of("3", "4"), consume(kafka, 2, "--topic", topic, "--partition", "0", "--offset", "3"));
        Expect.equal(List.of("0"),
                consume(kafka, 1, "--topic", topic, "--partition", "0", "--offset", "earliest",
                        "--isolation-level", "read_committed"));
    }

    private static void followsExpression(Kafka kafka) throws Exception {
        String prefix = kafka.name("expression");
        for (String suffix : List.of("-a", "-b")) {
            kafka.create(prefix + suffix, 1, java.util.Map.of());
            kafka.write(prefix + suffix, suffix);
        }
        List<String> lines = consume(kafka, 2, "--include", prefix + "-.", "--from-beginning");
        Expect.that(lines.containsAll(List.of("-a", "-b")), lines);
    }
}
