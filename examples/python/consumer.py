#!/usr/bin/env python3
"""Prints the purchases in the topic `purchases` as they arrive, until interrupted."""

from argparse import ArgumentParser, FileType
from configparser import ConfigParser

from confluent_kafka import OFFSET_BEGINNING, Consumer

TOPIC = "purchases"


def main():
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("config_file", type=FileType("r"), help="for example getting_started.ini")
    parser.add_argument("--reset", action="store_true", help="start from the beginning of the topic")
    arguments = parser.parse_args()

    config = ConfigParser()
    config.read_file(arguments.config_file)

    consumer = Consumer({**config["default"], **config["consumer"]})

    def assigned(consumer, partitions):
        if arguments.reset:
            for partition in partitions:
                partition.offset = OFFSET_BEGINNING
            consumer.assign(partitions)

    consumer.subscribe([TOPIC], on_assign=assigned)
    try:
        while True:
            message = consumer.poll(1.0)
            if message is None:
                # The first poll may also wait for the group to form.
                print("Waiting...", flush=True)
            elif message.error():
                print(f"ERROR: {message.error()}", flush=True)
            else:
                key = message.key().decode()
                value = message.value().decode()
                print(f"Consumed from topic {message.topic()}: key = {key:8} value = {value}", flush=True)
    except KeyboardInterrupt:
        pass
    finally:
        # Commits the final offsets and leaves the group.
        consumer.close()


if __name__ == "__main__":
    main()
