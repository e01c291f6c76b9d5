package dev.headwater.compat;

import java.time.Duration;
import java.util.Objects;
import java.util.concurrent.Callable;
import java.util.concurrent.ExecutionException;

/** What a check asserts. */
final class Expect {
    /** How long something may take on a slow machine before it counts as never. */
    static final Duration PATIENCE = Duration.ofSeconds(180);

    private Expect() {}

    static void that(boolean holds, Object seen) {
        if (!holds) {
            throw new AssertionError(seen);
        }
    }

    static void equal(Object expected, Object seen) {
        that(Objects.equals(expected, seen), "expected " + expected + ", saw " + seen);
    }

    static void contains(String part, String text) {
        that(text.contains(part), "no \"" + part + "\" in:\n" + text);
    }

    static void lacks(String part, String text) {
        that(!text.contains(part), "\"" + part + "\" in:\n" + text);
    }

    /** That the action fails with this exception (or one caused by it); returns it. */
    static <E extends Throwable> E fails(Class<E> expected, Callable<?> action) throws Exception {
        Object result;
        try {
            result = action.call();
        } catch (Throwable thrown) {
            for (Throwable cause = thrown; cause != null; cause = cause.getCause()) {
                if (expected.isInstance(cause)) {
                    return expected.cast(cause);
                }
            }
            throw new AssertionError("expected " + expected.getSimpleName() + ", saw " + thrown, thrown);
        }
        throw new AssertionError("expected " + expected.getSimpleName() + ", saw " + result);
    }

    /** Asks again until it holds. */
    static void eventually(String what, Callable<Boolean> holds) throws Exception {
        long deadline = System.nanoTime() + PATIENCE.toNanos();
        while (!holds.call()) {
            that(System.nanoTime() < deadline, "not within " + PATIENCE.toSeconds() + " s: " + what);
            Thread.sleep(20);
        }
    }

    /** An exception as a few lines: its causes, and where in this suite it came from. */
    static String shown(Throwable thrown) {
        StringBuilder text = new StringBuilder();
        for (Throwable cause = thrown; cause != null; cause = cause.getCause()) {
            if (!(cause instanceof ExecutionException)) {
                text.append(cause instanceof AssertionError ? cause.getMessage() : cause).append('\n');
            }
        }
        return text + shown(thrown.getStackTrace());
    }

    /** The innermost frame and those of this suite. */
    static String shown(StackTraceElement[] frames) {
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < frames.length; i++) {
            String frame = frames[i].toString();
            if ((i == 0 || frame.contains("dev.headwater")) && !frame.contains(".Suite.") && !frame.contains(".Expect.")) {
                text.append("at ").append(frame).append('\n');
            }
        }
        return text.toString();
    }
}
