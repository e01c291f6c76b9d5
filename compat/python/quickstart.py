"""The getting-started example, run as its users run it: the very files of examples/python."""

import os
import queue
import re
import signal
import subprocess
import sys
import tempfile
import threading
from pathlib import Path

from checks import until
from confluent_kafka.admin import AdminClient

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "python"


def configuration(suite, directory, group):
    """getting_started.ini with this cluster's address and a group of its own; nothing else is touched."""
    text = (EXAMPLES / "getting_started.ini").read_text()
    text, servers = re.subn(r"(?m)^bootstrap\.servers=.*$", f"bootstrap.servers={suite.bootstrap}", text)
    text, groups = re.subn(r"(?m)^group\.id=.*$", f"group.id={group}", text)
    assert (servers, groups) == (1, 1), "getting_started.ini has one bootstrap.servers and one group.id"
    path = Path(directory) / "getting_started.ini"
    path.write_text(text)
    return str(path)


def produce(suite, config):
    """Runs producer.py; the pairs it delivered."""
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "producer.py"), config], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    pairs = re.findall(r"^Produced to topic purchases: key = (\S+) +value = (.+)$", done.stdout, re.M)
    assert len(pairs) == 10, done.stdout + done.stderr
    # The first run makes the topic, of which a cluster's brokers hear at different times.
    client = AdminClient({"bootstrap.servers": suite.bootstrap})
    until(lambda: "purchases" in client.list_topics(timeout=60).topics)
    return pairs


class RunningConsumer:
    """consumer.py, until it is interrupted as with Ctrl-C."""

    def __init__(self, config, *flags):
        self.process = subprocess.Popen(
            [sys.executable, "-u", str(EXAMPLES / "consumer.py"), config, *flags],
            stdout=subprocess.PIPE,
            text=True,
            # A suite that runs in the background of a shell ignores Ctrl-C, and its children would too.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        )
        self.lines = queue.Queue()
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        for line in self.process.stdout:
            self.lines.put(line.rstrip("\n"))

    def consumed(self, count):
        """The next `count` pairs it prints."""
        pairs = []
        while len(pairs) < count:
            line = self.lines.get(timeout=60)
            assert not line.startswith("ERROR"), line
            found = re.match(r"Consumed from topic purchases: key = (\S+) +value = (.+)$", line)
            if found:
                pairs.append(found.groups())
        return pairs

    def interrupt(self):
        """Ctrl-C: it ends in order."""
        self.process.send_signal(signal.SIGINT)
        assert self.process.wait(timeout=60) == 0, self.process.returncode

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            os.kill(self.process.pid, signal.SIGKILL)
            self.process.wait()


def purchases_are_produced_and_consumed(suite):
    """confluent-kafka quickstart: producer.py delivers ten purchases, consumer.py prints them."""
    with tempfile.TemporaryDirectory() as directory:
        config = configuration(suite, directory, suite.name("group"))
        produced = produce(suite, config)
        with RunningConsumer(config, "--reset") as consumer:
            consumed = []
            # Earlier runs may have left purchases in the topic.
            while sorted(consumed[-10:]) != sorted(produced):
                consumed += consumer.consumed(1)
            consumer.interrupt()


def a_consumer_goes_on_where_it_stopped(suite):
    """confluent-kafka quickstart: without --reset the consumer goes on where its group stopped."""
    with tempfile.TemporaryDirectory() as directory:
        config = configuration(suite, directory, suite.name("group"))
        first = produce(suite, config)
        with RunningConsumer(config) as consumer:
            consumed = []
            while sorted(consumed[-10:]) != sorted(first):
                consumed += consumer.consumed(1)
            consumer.interrupt()
        second = produce(suite, config)
        with RunningConsumer(config) as consumer:
            assert sorted(consumer.consumed(10)) == sorted(second)
            third = produce(suite, config)
            assert sorted(consumer.consumed(10)) == sorted(third), "it waits for new events"
            consumer.interrupt()


CHECKS = [purchases_are_produced_and_consumed, a_consumer_goes_on_where_it_stopped]
