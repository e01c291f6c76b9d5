package dev.headwater.compat;

import com.fasterxml.jackson.core.json.JsonReadFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.json.JsonMapper;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.InputStream;
import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.Method;
import java.nio.ByteBuffer;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import java.util.Random;
import java.util.Set;
import org.apache.kafka.common.Uuid;
import org.apache.kafka.common.protocol.ByteBufferAccessor;
import org.apache.kafka.common.protocol.Message;
import org.apache.kafka.common.protocol.MessageUtil;
import org.apache.kafka.common.protocol.Readable;

/**
 * Headwater's wire formats and persisted records against Kafka's: each field against the schemas in Kafka's jars, and
 * random messages through Kafka's generated codec and through ours.
 *
 * <p>Arguments: the program that speaks for our codec, and how many random messages of each version.
 */
public final class Codec {
    private static final long SEED = 4;
    private static final String SCHEMAS = "common/message/";
    private static final List<String> CLASSES = List.of(
            "org.apache.kafka.common.message.%sData",
            "org.apache.kafka.common.message.%s",
            "org.apache.kafka.coordinator.group.generated.%s",
            "org.apache.kafka.coordinator.transaction.generated.%s");

    private final ObjectMapper json =
            JsonMapper.builder().enable(JsonReadFeature.ALLOW_JAVA_COMMENTS).build();
    private final String ours;
    private final int samples;
    private final List<String> failures = new ArrayList<>();
    private int fields;

    private Codec(String ours, int samples) {
        this.ours = ours;
        this.samples = samples;
    }

    public static void main(String[] arguments) throws Exception {
        System.exit(new Codec(arguments[0], Integer.parseInt(arguments[1])).run() ? 0 : 1);
    }

    private boolean run() throws Exception {
        List<JsonNode> formats = new ArrayList<>();
        for (String line : ask(null, "describe")) {
            formats.add(json.readTree(line));
        }
        Map<String, Theirs> theirs = new HashMap<>();
        int versions = 0;
        for (JsonNode format : formats) {
            String name = format.get("name").asText();
            JsonNode schema = schema(name);
            theirs.put(name, new Theirs(name));
            new Comparison(name, schema).compare(format);
            versions += format.get("last").asInt() - format.get("first").asInt() + 1;
        }
        int read = readByUs(formats, theirs);
        int written = writtenByUs(theirs);
        failures.stream().limit(40).forEach(failure -> System.out.println("FAIL  codec: " + failure));
        System.out.printf(
                "%d messages, %d versions, %d fields; %d random messages of Kafka's, %d of ours; %d differ%n",
                formats.size(), versions, fields, read, written, failures.size());
        return failures.isEmpty();
    }

    private JsonNode schema(String name) throws Exception {
        try (InputStream input = Codec.class.getClassLoader().getResourceAsStream(SCHEMAS + name + ".json")) {
            if (input == null) {
                throw new IllegalStateException("Kafka has no schema " + name);
            }
            return json.readTree(input);
        }
    }

    /** Runs our program; what it printed, line by line. */
    private List<String> ask(Path input, String... arguments) throws Exception {
        List<String> command = new ArrayList<>(List.of(arguments));
        command.add(0, ours);
        ProcessBuilder builder = new ProcessBuilder(command).redirectError(ProcessBuilder.Redirect.INHERIT);
        if (input != null) {
            builder.redirectInput(input.toFile());
        }
        Process process = builder.start();
        List<String> lines = process.inputReader().lines().toList();
        if (process.waitFor() != 0) {
            throw new IllegalStateException(command + " failed");
        }
        return lines;
    }

    /** Random messages written by Kafka: we read them, and write the same bytes. */
    private int readByUs(List<JsonNode> formats, Map<String, Theirs> theirs) throws Exception {
        List<String> lines = new ArrayList<>();
        for (JsonNode format : formats) {
            String name = format.get("name").asText();
            Sampler sampler = new Sampler(schema(name), new Random(SEED + name.hashCode()));
            for (int version = format.get("first").asInt(); version <= format.get("last").asInt(); version++) {
                for (int i = 0; i < samples; i++) {
                    byte[] bytes = theirs.get(name).fromJson(sampler.message(version), (short) version);
                    lines.add(name + " " + version + " " + HexFormat.of().formatHex(bytes));
                }
            }
        }
        Path input = Files.createTempFile("codec", ".txt");
        List<String> recoded;
        try {
            Files.write(input, lines);
            recoded = ask(input, "recode");
        } finally {
            Files.delete(input);
        }
        for (int i = 0; i < lines.size(); i++) {
            String expected = lines.get(i).substring(lines.get(i).lastIndexOf(' ') + 1);
            if (!expected.equals(recoded.get(i))) {
                failures.add("written by Kafka: " + lines.get(i) + ", by us " + recoded.get(i));
            }
        }
        return lines.size();
    }

    /** Random messages of ours: Kafka reads them, and writes the same bytes. */
    private int writtenByUs(Map<String, Theirs> theirs) throws Exception {
        List<String> lines = ask(null, "sample", Long.toString(SEED), Integer.toString(samples));
        for (String line : lines) {
            String[] words = line.split(" ", 3);
            String recoded;
            try {
                byte[] bytes = HexFormat.of().parseHex(words[2]);
                recoded = HexFormat.of().formatHex(theirs.get(words[0]).recode(bytes, Short.parseShort(words[1])));
            } catch (InvocationTargetException e) {
                recoded = String.valueOf(e.getCause());
            } catch (RuntimeException e) {
                recoded = e.toString();
            }
            if (!words[2].equals(recoded)) {
                failures.add("written by us: " + line + ", by Kafka " + recoded);
            }
        }
        return lines.size();
    }

    /** Kafka's generated class of one message. */
    private static final class Theirs {
        private final Constructor<?> read;
        private final Method fromJson;

        Theirs(String name) throws ReflectiveOperationException {
            Class<?> type = null;
            for (String pattern : CLASSES) {
                try {
                    type = Class.forName(String.format(pattern, name));
                    break;
                } catch (ClassNotFoundException e) {
                    // It is in another of Kafka's packages.
                }
            }
            if (type == null) {
                throw new ClassNotFoundException(name);
            }
            read = type.getConstructor(Readable.class, short.class);
            fromJson = Class.forName(type.getName() + "JsonConverter").getMethod("read", JsonNode.class, short.class);
        }

        byte[] fromJson(JsonNode message, short version) throws ReflectiveOperationException {
            return write((Message) fromJson.invoke(null, message, version), version);
        }

        byte[] recode(byte[] bytes, short version) throws ReflectiveOperationException {
            ByteBuffer buffer = ByteBuffer.wrap(bytes);
            Message message = (Message) read.newInstance(new ByteBufferAccessor(buffer), version);
            if (buffer.hasRemaining()) {
                throw new IllegalStateException(buffer.remaining() + " bytes left");
            }
            return write(message, version);
        }

        private static byte[] write(Message message, short version) {
            return MessageUtil.byteBufferToArray(
                    MessageUtil.toByteBufferAccessor(message, version).buffer());
        }
    }

    /** Versions as schemas write them: {@code none}, {@code 3}, {@code 0-4} or {@code 2+}. */
    private record Versions(int first, int last) {
        static Versions of(JsonNode node) {
            String text = node == null ? "none" : node.asText();
            if (text.equals("none")) {
                return new Versions(1, 0);
            }
            if (text.endsWith("+")) {
                return new Versions(Integer.parseInt(text.substring(0, text.length() - 1)), Short.MAX_VALUE);
            }
            String[] ends = text.split("-");
            return new Versions(Integer.parseInt(ends[0]), Integer.parseInt(ends[ends.length - 1]));
        }

        boolean contain(int version) {
            return first <= version && version <= last;
        }
    }

    /** A schema, with the structs that it names once and uses in several places. */
    private static class SchemaWalk {
        static final Set<String> SCALARS = Set.of(
                "bool", "int8", "int16", "int32", "int64", "uint16", "uint32", "float64", "uuid", "string", "bytes",
                "records");
        final JsonNode schema;

        SchemaWalk(JsonNode schema) {
            this.schema = schema;
        }

        boolean flexible(int version) {
            return Versions.of(schema.get("flexibleVersions")).contain(version);
        }

        static boolean present(JsonNode field, int version) {
            // Fields that are always tagged need not say it twice.
            return Versions.of(field.has("versions") ? field.get("versions") : field.get("taggedVersions"))
                    .contain(version);
        }

        static boolean nullable(JsonNode field, int version) {
            return Versions.of(field.get("nullableVersions")).contain(version);
        }

        static boolean tagged(JsonNode field, int version) {
            return Versions.of(field.get("taggedVersions")).contain(version);
        }

        /** The type, or that of its elements. */
        static String element(JsonNode field) {
            String type = field.get("type").asText();
            return type.startsWith("[]") ? type.substring(2) : type;
        }

        /** The fields of a struct's type, also of one declared elsewhere in the schema. */
        JsonNode fieldsOf(JsonNode field) {
            if (field.has("fields")) {
                return field.get("fields");
            }
            for (JsonNode struct : schema.path("commonStructs")) {
                if (struct.get("name").asText().equals(element(field))) {
                    return struct.get("fields");
                }
            }
            throw new IllegalStateException("no struct " + element(field));
        }
    }

    /** Random values for a schema's fields, as Kafka's JSON converters take them. */
    private static final class Sampler extends SchemaWalk {
        private static final String SYMBOLS = "aZ-0é日\u0000 ";
        private final Random random;

        Sampler(JsonNode schema, Random random) {
            super(schema);
            this.random = random;
        }

        ObjectNode message(int version) {
            return struct(schema.get("fields"), version);
        }

        private ObjectNode struct(JsonNode fields, int version) {
            ObjectNode node = JsonNodeFactory.instance.objectNode();
            for (JsonNode field : fields) {
                if (present(field, version) && !(tagged(field, version) && random.nextBoolean())) {
                    String name = field.get("name").asText();
                    node.set(Character.toLowerCase(name.charAt(0)) + name.substring(1), value(field, version));
                }
            }
            return node;
        }

        private JsonNode value(JsonNode field, int version) {
            if (nullable(field, version) && random.nextInt(4) == 0) {
                return JsonNodeFactory.instance.nullNode();
            }
            if (!field.get("type").asText().startsWith("[]")) {
                return element(field, version);
            }
            ArrayNode array = JsonNodeFactory.instance.arrayNode();
            for (int i = random.nextInt(4); i > 0; i--) {
                array.add(element(field, version));
            }
            return array;
        }

        private JsonNode element(JsonNode field, int version) {
            JsonNodeFactory nodes = JsonNodeFactory.instance;
            return switch (element(field)) {
                case "bool" -> nodes.booleanNode(random.nextBoolean());
                case "int8" -> nodes.numberNode((byte) random.nextInt());
                case "int16" -> nodes.numberNode((short) random.nextInt());
                case "int32" -> nodes.numberNode(random.nextInt());
                case "int64" -> nodes.numberNode(random.nextLong());
                case "uint16" -> nodes.numberNode(random.nextInt(1 << 16));
                case "uint32" -> nodes.numberNode(random.nextLong(1L << 32));
                case "float64" -> nodes.numberNode(random.nextGaussian());
                case "uuid" -> nodes.textNode(new Uuid(random.nextLong(), random.nextLong()).toString());
                case "string" -> nodes.textNode(text());
                case "bytes", "records" -> nodes.binaryNode(bytes());
                default -> struct(fieldsOf(field), version);
            };
        }

        private String text() {
            StringBuilder text = new StringBuilder();
            for (int i = random.nextInt(12); i > 0; i--) {
                text.append(SYMBOLS.charAt(random.nextInt(SYMBOLS.length())));
            }
            return text.toString();
        }

        private byte[] bytes() {
            byte[] bytes = new byte[random.nextInt(40)];
            random.nextBytes(bytes);
            return bytes;
        }
    }

    /** One message of ours against its schema, at every version that we have. */
    private final class Comparison extends SchemaWalk {
        private final String name;
        private int first;
        private int last;

        Comparison(String name, JsonNode schema) {
            super(schema);
            this.name = name;
        }

        void compare(JsonNode our) {
            first = our.get("first").asInt();
            last = our.get("last").asInt();
            Versions valid = Versions.of(schema.get("validVersions"));
            expect(valid.contain(first) && valid.contain(last), name, "versions", valid, first + "-" + last);
            structs(name, schema.get("fields"), our, new Versions(first, last));
        }

        private void expect(boolean holds, String path, String what, Object theirs, Object ours) {
            if (!holds) {
                failures.add(path + ": " + what + " " + theirs + " in Kafka, " + ours + " here");
            }
        }

        private void structs(String path, JsonNode theirs, JsonNode our, Versions parent) {
            for (int version = parent.first; version <= parent.last; version++) {
                boolean flexible = version >= our.get("flexible").asInt();
                expect(flexible == flexible(version), path, "flexible at " + version, flexible(version), flexible);
                List<String> order = new ArrayList<>();
                for (JsonNode field : theirs) {
                    if (present(field, version)) {
                        order.add(plain(field));
                    }
                }
                List<String> ourOrder = new ArrayList<>();
                for (JsonNode field : our.get("fields")) {
                    if (contains(field.get("versions"), version)) {
                        ourOrder.add(plain(field));
                    }
                }
                expect(order.equals(ourOrder), path, "fields at " + version, order, ourOrder);
            }
            for (JsonNode field : our.get("fields")) {
                for (JsonNode their : theirs) {
                    if (plain(their).equals(plain(field))) {
                        fields++;
                        field(path + "." + field.get("name").asText(), their, field, parent);
                    }
                }
            }
        }

        private void field(String path, JsonNode their, JsonNode our, Versions parent) {
            String type = their.get("type").asText();
            String prefix = type.startsWith("[]") ? "[]" : "";
            boolean struct = !SCALARS.contains(element(their));
            String normal = prefix + (struct ? "struct" : element(their).equals("records") ? "bytes" : element(their));
            expect(normal.equals(our.get("type").asText()), path, "type", normal, our.get("type").asText());
            boolean everywhere = true;
            boolean alwaysNullable = true;
            for (int version = parent.first; version <= parent.last; version++) {
                if (!present(their, version)) {
                    everywhere = false;
                    continue;
                }
                alwaysNullable &= nullable(their, version);
                same(path, "nullable at " + version, nullable(their, version), our.get("nullable"), version);
                same(path, "tagged at " + version, tagged(their, version), our.get("tagged"), version);
            }
            expect(their.path("tag").asInt(-1) == our.get("tag").asInt(), path, "tag", their.get("tag"), our.get("tag"));
            boolean ignorable = their.path("ignorable").asBoolean();
            // Which of these fields an older version of the log carries is the coordinator's choice, as in Kafka.
            boolean persisted = name.equals("TransactionLogValue");
            expect(everywhere || persisted || ignorable == our.get("ignorable").asBoolean(), path, "ignorable", ignorable, !ignorable);
            String expected = defaultOf(their, normal);
            String seen = ourDefault(our, normal);
            // Text that may always be null is null with us unless it is set.
            boolean text = alwaysNullable && expected.isEmpty() && seen.equals("null");
            expect(text || expected.equals(seen), path, "default", expected, seen);
            if (struct) {
                Versions versions = Versions.of(their.has("versions") ? their.get("versions") : their.get("taggedVersions"));
                structs(path, fieldsOf(their), our,
                        new Versions(Math.max(versions.first, parent.first), Math.min(versions.last, parent.last)));
            }
        }

        private void same(String path, String what, boolean theirs, JsonNode ours, int version) {
            expect(theirs == contains(ours, version), path, what, theirs, !theirs);
        }

        private static boolean contains(JsonNode versions, int version) {
            for (JsonNode each : versions) {
                if (each.asInt() == version) {
                    return true;
                }
            }
            return false;
        }

        /** A name without its notation: {@code ThrottleTimeMs} and {@code throttle_time_ms} are one. */
        private static String plain(JsonNode field) {
            return field.get("name").asText().replace("_", "").toLowerCase();
        }

        private static boolean isNumber(String type) {
            return type.contains("int") && !type.startsWith("[]") || type.equals("float64");
        }

        private static String defaultOf(JsonNode field, String type) {
            // Only the word is null as a default; null itself is none.
            String text = field.path("default").isNull() ? "" : field.path("default").asText("").toLowerCase();
            if (text.equals("null")) {
                return text;
            }
            if (isNumber(type)) {
                return text.isEmpty() ? "0" : Long.decode(text).toString();
            }
            return type.equals("bool") && text.isEmpty() ? "false" : text;
        }

        private static String ourDefault(JsonNode field, String type) {
            String text = field.get("default").asText().replaceAll("[ _]", "");
            if (text.isEmpty()) {
                boolean option = !field.get("nullable").isEmpty();
                return option ? "null" : isNumber(type) ? "0" : type.equals("bool") ? "false" : "";
            }
            return switch (text) {
                case "Some(String::new())", "Some(Vec::new())", "Some(Bytes::new())" -> "";
                case "None" -> "null";
                case "Some(ClassicMemberMetadata::default())" -> "";
                case "i32::MAX" -> Integer.toString(Integer.MAX_VALUE);
                case "i32::MIN" -> Integer.toString(Integer.MIN_VALUE);
                case "i64::MAX" -> Long.toString(Long.MAX_VALUE);
                default -> text;
            };
        }
    }
}
