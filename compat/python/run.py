#!/usr/bin/env python3
"""Unmodified Python clients against a Kafka: prints a line per check, then the counts."""

import sys
from argparse import ArgumentParser

import aio
import confluent
import kafka_python
import quickstart
from checks import Suite


def main():
    parser = ArgumentParser(description=__doc__)
    parser.add_argument("bootstrap", help="HOST:PORT,... of the Kafka")
    parser.add_argument("--only", default="", help="only checks whose description contains this")
    arguments = parser.parse_args()
    suite = Suite(arguments.bootstrap)
    for module in (quickstart, confluent, kafka_python, aio):
        for check in module.CHECKS:
            if arguments.only in check.__doc__:
                suite.run(check)
    return suite.finish()


if __name__ == "__main__":
    sys.exit(main())
