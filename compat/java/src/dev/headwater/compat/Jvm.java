package dev.headwater.compat;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.TimeUnit;

/** A Java program in a process of its own, on this JVM's class path: what a kill is meant for, or what ends its JVM. */
final class Jvm implements AutoCloseable {
    private final Process process;
    private final Path output;

    Jvm(String mainClass, String... arguments) throws IOException {
        output = Files.createTempFile("headwater-compat-", ".log");
        List<String> command = new ArrayList<>(List.of(
                Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                "-Xmx384m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1",
                "-Dorg.slf4j.simpleLogger.defaultLogLevel=warn", "-cp", System.getProperty("java.class.path"), mainClass));
        command.addAll(List.of(arguments));
        process = new ProcessBuilder(command).redirectErrorStream(true).redirectOutput(output.toFile()).start();
    }

    /** Runs a program to its end, which must be a good one; what it printed. */
    static String run(String mainClass, String... arguments) throws Exception {
        try (Jvm jvm = new Jvm(mainClass, arguments)) {
            boolean ended = jvm.process.waitFor(Expect.PATIENCE.toSeconds(), TimeUnit.SECONDS);
            Expect.that(ended && jvm.process.exitValue() == 0, mainClass + (ended ? " failed" : " hangs") + ":\n" + jvm.printed());
            return jvm.printed();
        }
    }

    /** What it printed until now. */
    String printed() throws IOException {
        return Files.readString(output);
    }

    void expectRunning() throws IOException {
        Expect.that(process.isAlive(), "it ended:\n" + printed());
    }

    /** {@code kill -9}. */
    void kill() throws InterruptedException {
        process.destroyForcibly().waitFor();
    }

    @Override
    public void close() throws Exception {
        kill();
        Files.deleteIfExists(output);
    }
}
