package dev.headwater.bench;

import java.util.concurrent.atomic.AtomicLong;

/**
 * How many records the application has taken from its topics: tells the first and the last one of the input on stdout,
 * so that who measures can read the process's CPU seconds at that moment.
 */
final class Progress {
  private final long expected;
  private final boolean told;
  private final AtomicLong inputs = new AtomicLong();
  private final AtomicLong between = new AtomicLong();
  private volatile long firstNanos;

  /** Counts to {@code expected} records of the input; marks are printed only where {@code told}. */
  Progress(long expected, boolean told) {
    this.expected = expected;
    this.told = told;
  }

  /** A record of the input. Called by the one stream thread only. */
  void input() {
    long count = inputs.getPlain() + 1;
    inputs.setRelease(count);
    if (count == 1) {
      firstNanos = System.nanoTime();
      mark("first");
    }
    if (count == expected) {
      mark("done");
    }
  }

  /** A record of a repartition topic. Called by the one stream thread only. */
  void between() {
    between.setRelease(between.getPlain() + 1);
  }

  /** Waits until the whole input was taken and nothing has followed for {@code quietMillis}. */
  void awaitQuiet(long quietMillis) throws InterruptedException {
    long seen = -1;
    long lastChange = System.nanoTime();
    while (true) {
      long now = System.nanoTime();
      long count = inputs.getAcquire() + between.getAcquire();
      if (count != seen) {
        seen = count;
        lastChange = now;
      } else if (inputs.getAcquire() >= expected && now - lastChange > quietMillis * 1_000_000) {
        mark("quiet " + (lastChange - firstNanos) / 1_000_000);
        return;
      }
      Thread.sleep(5);
    }
  }

  /** Prints a mark, if this part of the run is measured. */
  void mark(String mark) {
    if (told) {
      System.out.println(mark);
      System.out.flush();
    }
  }
}
