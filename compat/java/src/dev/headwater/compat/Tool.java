package dev.headwater.compat;

import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.InputStream;
import java.io.PrintStream;
import java.lang.reflect.InvocationTargetException;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.common.utils.Exit;

/** One of Kafka's command-line tools, run in this JVM by its main class with its streams captured. */
final class Tool {
    /** What a tool printed, and its exit status. */
    record Result(int status, String out, String err) {
        List<String> lines() {
            return out.lines().toList();
        }

        /** The first line that contains this. */
        String line(String part) {
            return out.lines().filter(line -> line.contains(part)).findFirst()
                    .orElseThrow(() -> new AssertionError("no line with \"" + part + "\" in:\n" + out + err));
        }

        String all() {
            return out + err;
        }
    }

    /** Thrown in place of leaving the JVM. */
    private static final class Exited extends Error {
        private static final long serialVersionUID = 1;

        Exited(int status) {
            super("exit " + status, null, false, false);
        }
    }

    private Tool() {}

    /** Runs a tool that must succeed; what it printed on stdout. */
    static String run(String mainClass, String... arguments) throws Exception {
        return succeed(mainClass, "", arguments).out;
    }

    static Result succeed(String mainClass, String stdin, String... arguments) throws Exception {
        Result result = attempt(mainClass, stdin, arguments);
        Expect.that(result.status == 0,
                mainClass + " " + String.join(" ", arguments) + ": exit " + result.status + "\n" + result.all());
        return result;
    }

    /** Runs a tool that must fail; what it printed anywhere. */
    static String refuse(String mainClass, String... arguments) throws Exception {
        Result result = attempt(mainClass, "", arguments);
        Expect.that(result.status != 0,
                mainClass + " " + String.join(" ", arguments) + " succeeded:\n" + result.all());
        return result.all();
    }

    static synchronized Result attempt(String mainClass, String stdin, String... arguments) throws Exception {
        PrintStream out = System.out;
        PrintStream err = System.err;
        InputStream in = System.in;
        ByteArrayOutputStream outBytes = new ByteArrayOutputStream();
        ByteArrayOutputStream errBytes = new ByteArrayOutputStream();
        List<Runnable> hooks = new ArrayList<>();
        int[] status = {-1};
        System.setOut(new PrintStream(outBytes, true, StandardCharsets.UTF_8));
        System.setErr(new PrintStream(errBytes, true, StandardCharsets.UTF_8));
        System.setIn(new ByteArrayInputStream(stdin.getBytes(StandardCharsets.UTF_8)));
        Exit.Procedure exit = (code, message) -> {
            if (status[0] < 0) {
                status[0] = code;
            }
            if (message != null) {
                System.err.println(message);
            }
            throw new Exited(code);
        };
        Exit.setExitProcedure(exit);
        Exit.setHaltProcedure(exit);
        Exit.setShutdownHookAdder((name, hook) -> hooks.add(hook));
        try {
            main(mainClass, arguments);
            hooks.forEach(Runnable::run);
        } finally {
            Exit.resetExitProcedure();
            Exit.resetHaltProcedure();
            Exit.resetShutdownHookAdder();
            System.setOut(out);
            System.setErr(err);
            System.setIn(in);
        }
        return new Result(Math.max(status[0], 0), text(outBytes), text(errBytes));
    }

    private static void main(String mainClass, String... arguments) throws Exception {
        try {
            Class.forName(mainClass).getMethod("main", String[].class).invoke(null, (Object) arguments);
        } catch (InvocationTargetException e) {
            if (!(e.getCause() instanceof Exited)) {
                // As the JVM does for an exception out of main.
                e.getCause().printStackTrace();
                try {
                    Exit.exit(1);
                } catch (Exited exited) {
                    // Only its status counts.
                }
            }
        }
    }

    private static String text(ByteArrayOutputStream bytes) {
        return bytes.toString(StandardCharsets.UTF_8);
    }
}
