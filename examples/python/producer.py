#!/usr/bin/env python3
"""Sends ten purchases to the topic `purchases`: the key is a user, the value a product."""

import random
from argparse import ArgumentParser, FileType
from configparser import ConfigParser

from confluent_kafka import Producer

TOPIC = "purchases"
USERS = ["amara", "bjorn", "chiara", "devika", "emeka", "fatima"]
PRODUCTS = ["coffee beans", "desk lamp", "notebook", "rain jacket", "tea pot"]


def report(error, message):
    """Called once for each record, when it was delivered or given up."""
    if error is not None:
        print(f"ERROR: a record was not delivered: {error}")
        return
    key = message.key().decode()
    value = message.value().decode()
    print(f"Produced to topic {message.topic()}: key = {key:8} value = {value}")


def main():
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("config_file", type=FileType("r"), help="for example getting_started.ini")
    arguments = parser.parse_args()

    config = ConfigParser()
    config.read_file(arguments.config_file)

    producer = Producer(dict(config["default"]))
    for _ in range(10):
        producer.produce(TOPIC, random.choice(PRODUCTS), random.choice(USERS), callback=report)
    # Records are sent in the background: wait until all are delivered.
    producer.poll(10)
    producer.flush()


if __name__ == "__main__":
    main()
