package dev.headwater.compat;

import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;

/** An event store of its own, to be killed and started again on the same port and data. */
final class StoreProcess implements AutoCloseable {
    private final Path binary;
    private final Path data;
    private final Map<String, String> settings;
    private Process process;
    private String bootstrap;

    StoreProcess(Path binary, Path data) throws IOException {
        this(binary, data, Map.of());
    }

    StoreProcess(Path binary, Path data, Map<String, String> settings) throws IOException {
        this.binary = binary;
        this.data = data;
        this.settings = settings;
        start();
    }

    /** Starts it; returns once it answers. */
    void start() throws IOException {
        String port = bootstrap == null ? "0" : bootstrap.split(":")[1];
        List<String> command = new ArrayList<>(List.of(binary.toString(), "broker", "--data-dir", data.toString(),
                "--port", port, "--print-bootstrap", "--set", "group.initial.rebalance.delay.ms=0"));
        settings.forEach((name, value) -> command.addAll(List.of("--set", name + "=" + value)));
        process = new ProcessBuilder(command).redirectError(new File(data + ".log")).start();
        BufferedReader printed =
                new BufferedReader(new InputStreamReader(process.getInputStream(), StandardCharsets.UTF_8));
        bootstrap = printed.readLine();
        Expect.that(bootstrap != null, "the store did not start");
    }

    String bootstrap() {
        return bootstrap;
    }

    /** {@code kill -9}. */
    void kill() throws InterruptedException {
        process.destroyForcibly().waitFor();
    }

    @Override
    public void close() throws InterruptedException {
        kill();
    }
}
