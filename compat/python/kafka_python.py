"""kafka-python: a client that shares no code with librdkafka or Kafka's own."""

from checks import until
from kafka import KafkaConsumer, KafkaProducer, TopicPartition
from kafka.admin import KafkaAdminClient, NewTopic
from kafka.structs import OffsetAndMetadata

CODECS = [None, "gzip", "snappy", "lz4", "zstd"]


def create(suite, name, partitions):
    """A topic of this suite's own. It keeps old records: the suite writes some that retention would take away."""
    topic = suite.name(name)
    client = KafkaAdminClient(bootstrap_servers=suite.bootstrap)
    new = NewTopic(name=topic, num_partitions=partitions, replication_factor=-1, topic_configs={"retention.ms": "-1"})
    client.create_topics([new])
    until(lambda: topic in client.list_topics())
    client.close()
    return topic


def consumer(suite, *topics, **config):
    return KafkaConsumer(
        *topics,
        bootstrap_servers=suite.bootstrap,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        consumer_timeout_ms=60_000,
        metadata_max_age_ms=1_000,
        **config,
    )


def take(source, count):
    """The next `count` records."""
    records = []
    for record in source:
        records.append(record)
        if len(records) == count:
            return records
    raise TimeoutError(f"only {len(records)} of {count}")


def owns(member, count):
    """Whether it owns so many partitions, after it was polled."""
    member.poll(timeout_ms=1000)
    return len(member.assignment()) == count


def every_codec(suite):
    """kafka-python: records in every codec with headers and timestamps come back."""
    topic = create(suite, "codecs", 1)
    for codec in CODECS:
        producer = KafkaProducer(bootstrap_servers=suite.bootstrap, acks="all", compression_type=codec, linger_ms=50)
        sent = [
            producer.send(
                topic,
                key=b"k",
                value=f"{codec} {number} ".encode() * 20,
                headers=[("n", str(number).encode())],
                timestamp_ms=number + 1,
            )
            for number in range(100)
        ]
        producer.flush(60)
        assert sorted(future.get(60).offset for future in sent) == [future.get(60).offset for future in sent]
        producer.close()
    reading = consumer(suite)
    reading.assign([TopicPartition(topic, 0)])
    records = take(reading, 100 * len(CODECS))
    for index, codec in enumerate(CODECS):
        part = records[100 * index : 100 * (index + 1)]
        assert [record.value for record in part] == [f"{codec} {n} ".encode() * 20 for n in range(100)], codec
        assert [(key, bytes(value)) for key, value in part[7].headers] == [("n", b"7")]
        assert part[7].timestamp == 8
    reading.close()


def group_resumes(suite):
    """kafka-python: a group commits and goes on where it stopped."""
    topic, group = create(suite, "resumes", 1), suite.name("group")
    producer = KafkaProducer(bootstrap_servers=suite.bootstrap, acks="all")
    for number in range(10):
        producer.send(topic, str(number).encode())
    producer.flush(60)
    producer.close()
    first = consumer(suite, topic, group_id=group)
    assert [record.value for record in take(first, 4)] == [b"0", b"1", b"2", b"3"]
    first.commit({TopicPartition(topic, 0): OffsetAndMetadata(4, "", -1)})
    first.close(autocommit=False)
    second = consumer(suite, topic, group_id=group)
    assert [record.value for record in take(second, 6)] == [str(n).encode() for n in range(4, 10)]
    second.close(autocommit=False)


def group_shares(suite):
    """kafka-python: two members share four partitions, and one takes over."""
    topic, group = create(suite, "shares", 4), suite.name("group")
    first, second = consumer(suite, topic, group_id=group), None
    until(lambda: owns(first, 4))
    second = consumer(suite, topic, group_id=group)

    def shared():
        first.poll(timeout_ms=1000), second.poll(timeout_ms=1000)
        return len(first.assignment()) == 2 and len(second.assignment()) == 2

    until(shared)
    assert not first.assignment() & second.assignment()
    second.close()
    until(lambda: owns(first, 4))
    first.close()


def admin(suite):
    """kafka-python: the admin client lists, describes and deletes topics and groups."""
    topic, group = create(suite, "admin", 3), suite.name("group")
    member = consumer(suite, topic, group_id=group)
    until(lambda: owns(member, 3))
    member.commit()
    member.close()
    client = KafkaAdminClient(bootstrap_servers=suite.bootstrap)
    # It asks any broker, and a cluster's others hear of a new topic later.
    until(lambda: topic in client.list_topics())
    until(lambda: len(client.describe_topics([topic])[0]["partitions"]) == 3)
    client.delete_topics([topic])
    until(lambda: topic not in client.list_topics())
    client.close()


def end_offsets(suite):
    """kafka-python: beginning and end offsets."""
    topic = create(suite, "offsets", 1)
    producer = KafkaProducer(bootstrap_servers=suite.bootstrap, acks="all")
    for number in range(7):
        producer.send(topic, str(number).encode())
    producer.flush(60)
    producer.close()
    partition = TopicPartition(topic, 0)
    reading = consumer(suite)
    assert reading.beginning_offsets([partition]) == {partition: 0}
    assert reading.end_offsets([partition]) == {partition: 7}
    reading.close()


def offsets_by_time(suite):
    """kafka-python: offsets by time."""
    topic = create(suite, "times", 1)
    producer = KafkaProducer(bootstrap_servers=suite.bootstrap, acks="all")
    for number in range(5):
        producer.send(topic, b"x", timestamp_ms=1_700_000_000_000 + number * 1_000).get(60)
    producer.close()
    partition = TopicPartition(topic, 0)
    reading = consumer(suite)
    assert reading.offsets_for_times({partition: 1_700_000_002_500})[partition].offset == 3
    reading.close()


def idempotent_order(suite):
    """kafka-python: an idempotent producer's records arrive once and in order."""
    topic = create(suite, "idempotence", 1)
    values = [str(number).encode() for number in range(5_000)]
    producer = KafkaProducer(bootstrap_servers=suite.bootstrap, enable_idempotence=True)
    for value in values:
        producer.send(topic, value)
    producer.flush(60)
    producer.close()
    reading = consumer(suite)
    reading.assign([TopicPartition(topic, 0)])
    assert [record.value for record in take(reading, len(values))] == values
    reading.close()


def transactions(suite):
    """kafka-python: committed and aborted transactions with offsets under read_committed."""
    topic, source, group = create(suite, "transactions", 1), create(suite, "source", 1), suite.name("group")
    producer = KafkaProducer(bootstrap_servers=suite.bootstrap, transactional_id=suite.name("txn"))
    producer.init_transactions()
    for number, end in enumerate((producer.commit_transaction, producer.abort_transaction, producer.commit_transaction)):
        producer.begin_transaction()
        for _ in range(2):
            # An abort throws away what was not sent yet.
            producer.send(topic, str(number).encode()).get(60)
        producer.send_offsets_to_transaction({TopicPartition(source, 0): OffsetAndMetadata(number + 1, "", -1)}, group)
        end()
    producer.close()
    for isolation, expected in (("read_committed", b"0022"), ("read_uncommitted", b"001122")):
        reading = consumer(suite, isolation_level=isolation)
        reading.assign([TopicPartition(topic, 0)])
        assert b"".join(record.value for record in take(reading, len(expected))) == expected
        reading.close()
    reading = consumer(suite, group_id=group)
    # A cluster answers a commit before its markers are everywhere.
    until(lambda: reading.committed(TopicPartition(source, 0)) == 3)
    reading.close()


CHECKS = [
    every_codec,
    idempotent_order,
    group_resumes,
    group_shares,
    admin,
    end_offsets,
    offsets_by_time,
    transactions,
]
