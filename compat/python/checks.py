"""What a suite of checks is: named functions, run in order, each reported on a line of its own."""

import sys
import time
import traceback
import uuid


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
        started = time.monotonic()
        try:
            check(self)
        except Exception:  # whatever went wrong is this check's failure, and the next one runs
            self.failed += 1
            print(f"FAIL  {label}", flush=True)
            traceback.print_exc(file=sys.stdout)
        else:
            self.passed += 1
            print(f"pass  {label} ({time.monotonic() - started:.1f} s)", flush=True)

    def finish(self):
        """Prints the counts; the exit code says whether all held."""
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        return 1 if self.failed or not self.passed else 0


def until(condition, seconds=60, pause=0.05):
    """Waits until `condition()` is truthy and returns it."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise TimeoutError(f"not within {seconds} s")
        time.sleep(pause)
