package dev.headwater.compat;

import java.io.PrintStream;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.FutureTask;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;

/**
 * Runs all checks against one Kafka in this JVM, those that only wait side by side, and prints a line for each.
 *
 * <p>Arguments: the bootstrap servers; then, each optional, {@code --headwater PATH} (the binary, for checks that kill
 * the store itself) and {@code --filter TEXT} (only checks whose name contains it).
 */
public final class Suite {
    /** What a check does; any exception is its failure. */
    interface Body {
        void run(Kafka kafka) throws Exception;
    }

    /** What a check may run beside. */
    enum Lane {
        /** Beside all others but those that want to be alone. */
        CLIENTS,
        /** One at a time: tools own {@code System.out} while they run. */
        TOOLS,
        /** After all others, one at a time: it changes what others see. */
        ALONE
    }

    private record Check(String name, Lane lane, Duration limit, Body body) {}

    private static final Duration LIMIT = Duration.ofSeconds(420);
    /** Checks of clients mostly wait, so that many more than there are processors may run. */
    private static final int CLIENTS = 6;

    private final List<Check> checks = new ArrayList<>();
    /** Tools get another one as {@code System.out}. */
    private final PrintStream out = System.out;
    /** Whether a check that failed is run once more: {@code cargo xtask compat} says so on a cluster. */
    private final boolean secondTry;
    private int passed;
    private int failed;

    private Suite(boolean secondTry) {
        this.secondTry = secondTry;
    }

    public static void main(String[] arguments) throws InterruptedException {
        String headwater = null;
        String filter = "";
        for (int i = 1; i + 1 < arguments.length; i += 2) {
            switch (arguments[i]) {
                case "--headwater" -> headwater = arguments[i + 1];
                case "--filter" -> filter = arguments[i + 1];
                default -> throw new IllegalArgumentException(arguments[i]);
            }
        }
        Suite suite = new Suite(System.getenv("HEADWATER_COMPAT_SECOND_TRY") != null);
        suite.register(headwater);
        int failed;
        try (Kafka kafka = new Kafka(arguments[0])) {
            failed = suite.run(kafka, filter);
        }
        // Threads of a check that hung are not waited for.
        Runtime.getRuntime().halt(failed == 0 ? 0 : 1);
    }

    private void register(String headwater) {
        ProducerChecks.register(this);
        ConsumerChecks.register(this);
        RebalanceChecks.register(this);
        TransactionChecks.register(this);
        TopicAdmin.register(this);
        ConfigAdmin.register(this);
        GroupAdmin.register(this);
        TransactionAdmin.register(this);
        ClusterAdmin.register(this);
        TopicTools.register(this);
        ConsoleTools.register(this);
        ConfigTools.register(this);
        GroupTools.register(this);
        OffsetTools.register(this);
        TransactionTools.register(this);
        ClusterTools.register(this);
        PerformanceTools.register(this);
        SecurityChecks.register(this, headwater);
        StreamsChecks.register(this, headwater);
        ConnectChecks.register(this);
    }

    void check(String name, Body body) {
        check(name, Lane.CLIENTS, LIMIT, body);
    }

    void tool(String name, Body body) {
        check(name, Lane.TOOLS, LIMIT, body);
    }

    void check(String name, Lane lane, Duration limit, Body body) {
        checks.add(new Check(name, lane, limit, body));
    }

    /** Runs the checks whose name contains the filter; how many failed. */
    private int run(Kafka kafka, String filter) throws InterruptedException {
        checks.removeIf(check -> !check.name.contains(filter));
        ExecutorService clients = Executors.newFixedThreadPool(CLIENTS);
        ExecutorService tools = Executors.newSingleThreadExecutor();
        for (Check check : checks) {
            switch (check.lane) {
                case CLIENTS -> clients.execute(() -> run(check, kafka));
                case TOOLS -> tools.execute(() -> run(check, kafka));
                case ALONE -> {}
            }
        }
        for (ExecutorService lane : List.of(clients, tools)) {
            lane.shutdown();
            lane.awaitTermination(1, TimeUnit.HOURS);
        }
        checks.stream().filter(check -> check.lane == Lane.ALONE).forEach(check -> run(check, kafka));
        out.printf("%d passed, %d failed%n", passed, failed);
        out.flush();
        return failed;
    }

    private void run(Check check, Kafka kafka) {
        long started = System.nanoTime();
        String failure = failure(check, kafka);
        String which = "";
        if (failure != null && secondTry) {
            out.printf("again java: %s%n%s%n", check.name, failure.indent(6).stripTrailing());
            failure = failure(check, kafka);
            which = ", pass on the second try";
        }
        report(check, (System.nanoTime() - started) / 1e9, which, failure);
    }

    private synchronized void report(Check check, double seconds, String which, String failure) {
        if (failure == null) {
            passed++;
            out.printf("pass  java: %s (%.1f s%s)%n", check.name, seconds, which);
        } else {
            failed++;
            out.printf("FAIL  java: %s (%.1f s)%n%s%n", check.name, seconds, failure.indent(6).stripTrailing());
        }
        out.flush();
    }

    /** Runs a check in a thread of its own, so that one that hangs does not stop the others. */
    private static String failure(Check check, Kafka kafka) {
        FutureTask<Void> task = new FutureTask<>(() -> {
            check.body.run(kafka);
            return null;
        });
        Thread thread = new Thread(task, check.name);
        thread.setDaemon(true);
        thread.start();
        try {
            task.get(check.limit.toMillis(), TimeUnit.MILLISECONDS);
            return null;
        } catch (ExecutionException e) {
            return Expect.shown(e.getCause());
        } catch (TimeoutException e) {
            String where = Expect.shown(thread.getStackTrace());
            thread.interrupt();
            return "not done after " + check.limit.toSeconds() + " s:\n" + where;
        } catch (InterruptedException e) {
            throw new IllegalStateException(e);
        }
    }
}
