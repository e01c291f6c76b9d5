"""What a suite of checks is: named functions, run in order, each reported on a line of its own."""

import os
import sys
import time
import traceback
import uuid

# `cargo xtask compat` says so of a cluster, whose brokers hear of changes at different times.
SECOND_TRY = "HEADWATER_COMPAT_SECOND_TRY" in os.environ


class Suite:
    """Runs checks and counts what became of them."""

    def __init__(self, bootstrap):
        self.bootstrap = bootstrap
        self.passed = 0
        self.failed = 0

    def name(self, name):
        """A topic or group name that nobody else uses."""
        return f"compat-{uuid.uuid4().hex[:12]}-{name}"

    def run(self, check):
        """One check: it holds unless it raises."""
        label = check.__doc__.strip().rstrip(".")
        started, which = time.monotonic(), ""
        failure = self._failure(check)
        if failure and SECOND_TRY:
            print(f"again {label}\n{failure}", flush=True)
            failure, which = self._failure(check), ", pass on the second try"
        if failure:
            self.failed += 1
            print(f"FAIL  {label}\n{failure}", flush=True)
        else:
            self.passed += 1
            print(f"pass  {label} ({time.monotonic() - started:.1f} s{which})", flush=True)

    def _failure(self, check):
        """What a check raised, as text; `None` if it held."""
        try:
            check(self)
        except Exception:  # whatever went wrong is this check's failure, and the next one runs
            return traceback.format_exc().rstrip()
        return None

    def finish(self):
        """Prints the counts; the exit code says whether all held."""
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        return 1 if self.failed or not self.passed else 0


def until(condition, seconds=60, pause=0.05):
    """Waits until `condition()` is truthy and returns it; what it raises before that means not yet."""
    deadline = time.monotonic() + seconds
    while True:
        failure = None
        try:
            value = condition()
            if value:
                return value
        except Exception as raised:
            failure = raised
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds} s") from failure
        time.sleep(pause)
