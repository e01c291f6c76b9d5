"""confluent-kafka (librdkafka): codecs, headers, groups, transactions, admin."""

import time

from checks import until
from confluent_kafka import Consumer, ConsumerGroupTopicPartitions, KafkaError, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import (
    AdminClient,
    AlterConfigOpType,
    ConfigEntry,
    ConfigResource,
    NewPartitions,
    NewTopic,
    OffsetSpec,
    ResourceType,
)

CODECS = ["none", "gzip", "snappy", "lz4", "zstd"]


def admin(suite):
    return AdminClient({"bootstrap.servers": suite.bootstrap})


def create(suite, name, partitions):
    """A topic of this suite's own. It keeps old records: the suite writes some that retention would take away."""
    client, topic = admin(suite), suite.name(name)
    client.create_topics([NewTopic(topic, partitions, config={"retention.ms": "-1"})])[topic].result(60)
    until(lambda: topic in client.list_topics(timeout=60).topics)
    return topic


def send(suite, topic, values, **config):
    """Sends values, keyed by themselves, and waits until all are delivered."""
    failures = []
    producer = Producer({"bootstrap.servers": suite.bootstrap, **config})
    for value in values:
        producer.produce(topic, value, key=value, on_delivery=lambda error, _: error and failures.append(error))
        producer.poll(0)
    assert producer.flush(60) == 0
    assert not failures, failures


def read(consumer, count, seconds=60):
    """The next `count` messages."""
    messages = []
    deadline = time.monotonic() + seconds
    while len(messages) < count:
        assert time.monotonic() < deadline, f"only {len(messages)} of {count}"
        message = consumer.poll(0.2)
        if message is None:
            continue
        if not message.error():
            messages.append(message)
        # A cluster's brokers hear of a new topic at different times.
        elif message.error().code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
            raise AssertionError(message.error())
    return messages


def owns(consumer, count):
    """Whether it owns so many partitions, after it was polled."""
    message = consumer.poll(0.1)
    assert message is None or message.error(), "there are no records"
    return len(consumer.assignment()) == count


def group_config(suite, group, **config):
    return {
        "bootstrap.servers": suite.bootstrap,
        "group.id": group,
        "auto.offset.reset": "earliest",
        "enable.auto.commit": False,
        **config,
    }


def every_codec(suite):
    """confluent-kafka: records in every codec, headers, null and timestamps come back."""
    topic = create(suite, "codecs", 1)
    for codec in CODECS:
        producer = Producer({"bootstrap.servers": suite.bootstrap, "compression.type": codec, "linger.ms": 50})
        for number in range(100):
            producer.produce(topic, f"{codec} {number} " * 20, key=codec, headers=[("codec", codec.encode())], timestamp=number + 1)
        producer.produce(topic, None, key=codec)
        assert producer.flush(60) == 0
    consumer = Consumer(group_config(suite, suite.name("group")))
    consumer.assign([TopicPartition(topic, 0, 0)])
    messages = read(consumer, 101 * len(CODECS))
    assert [message.offset() for message in messages] == list(range(101 * len(CODECS)))
    for index, codec in enumerate(CODECS):
        part = messages[101 * index : 101 * (index + 1)]
        assert [message.value() for message in part[:100]] == [f"{codec} {n} ".encode() * 20 for n in range(100)]
        assert part[0].headers() == [("codec", codec.encode())] and part[0].timestamp()[1] == 1
        assert part[100].value() is None and part[100].key() == codec.encode()
    consumer.close()


def idempotent_order(suite):
    """confluent-kafka: an idempotent producer's 20,000 records arrive once and in order."""
    topic = create(suite, "idempotent", 1)
    values = [str(number) for number in range(20_000)]
    send(suite, topic, values, **{"enable.idempotence": True, "linger.ms": 1, "batch.num.messages": 50})
    consumer = Consumer(group_config(suite, suite.name("group")))
    consumer.assign([TopicPartition(topic, 0, 0)])
    assert [message.value().decode() for message in read(consumer, len(values))] == values
    consumer.close()


def two_members(suite, **settings):
    topic, group = create(suite, "shares", 6), suite.name("group")
    config = group_config(suite, group, **settings)
    first, second = Consumer(config), Consumer(config)
    first.subscribe([topic])
    until(lambda: owns(first, 6))
    second.subscribe([topic])

    def shared():
        first.poll(0.1), second.poll(0.1)
        one = {partition.partition for partition in first.assignment()}
        two = {partition.partition for partition in second.assignment()}
        return len(one) == 3 and len(two) == 3 and one | two == set(range(6))

    until(shared)
    second.close()
    until(lambda: owns(first, 6))
    first.close()


def eager_group(suite):
    """confluent-kafka: two members of an eager group share six partitions, and one takes over."""
    two_members(suite, **{"partition.assignment.strategy": "range"})


def cooperative_group(suite):
    """confluent-kafka: two members of a cooperative group share six partitions, and one takes over."""
    two_members(suite, **{"partition.assignment.strategy": "cooperative-sticky"})


def new_group(suite):
    """confluent-kafka: two members of a KIP-848 group share six partitions, and one takes over."""
    two_members(suite, **{"group.protocol": "consumer"})


def mixed_group(suite):
    """confluent-kafka: a classic and a KIP-848 member share a group while it migrates, both ways."""
    topic, group = create(suite, "mixed", 4), suite.name("group")
    classic = Consumer(group_config(suite, group, **{"partition.assignment.strategy": "range"}))
    modern = Consumer(group_config(suite, group, **{"group.protocol": "consumer"}))
    classic.subscribe([topic])
    until(lambda: owns(classic, 4))
    modern.subscribe([topic])

    def shared():
        # Both are polled, whatever the first owns.
        return [owns(classic, 2), owns(modern, 2)] == [True, True]

    until(shared)
    modern.close()
    until(lambda: owns(classic, 4))
    classic.close()


def static_member(suite):
    """confluent-kafka: a static member that returns keeps its partitions without a rebalance."""
    topic, group = create(suite, "static", 2), suite.name("group")
    config = group_config(suite, group, **{"group.instance.id": "one", "session.timeout.ms": 30000})
    for _ in range(2):
        consumer = Consumer(config)
        consumer.subscribe([topic])
        until(lambda: owns(consumer, 2))
        consumer.close()


def committed_offsets(suite):
    """confluent-kafka: committed offsets are kept, read and altered by the admin client."""
    topic, group = create(suite, "offsets", 1), suite.name("group")
    send(suite, topic, [str(number) for number in range(10)])
    consumer = Consumer(group_config(suite, group))
    consumer.subscribe([topic])
    messages = read(consumer, 10)
    consumer.commit(message=messages[3], asynchronous=False)
    consumer.close()
    again = Consumer(group_config(suite, group))
    committed = again.committed([TopicPartition(topic, 0)], timeout=60)
    assert committed[0].offset == 4, committed
    again.subscribe([topic])
    assert read(again, 1)[0].offset() == 4
    again.close()
    client = admin(suite)
    result = client.list_consumer_group_offsets([ConsumerGroupTopicPartitions(group)])[group].result(60)
    assert [(p.topic, p.partition, p.offset) for p in result.topic_partitions] == [(topic, 0, 4)]


def group_admin(suite):
    """confluent-kafka: groups are listed, described and deleted."""
    topic, group = create(suite, "groups", 1), suite.name("group")
    consumer = Consumer(group_config(suite, group))
    consumer.subscribe([topic])
    until(lambda: owns(consumer, 1))
    client = admin(suite)
    described = client.describe_consumer_groups([group])[group].result(60)
    assert described.state.name == "STABLE" and len(described.members) == 1, described
    assert described.members[0].assignment.topic_partitions[0].topic == topic
    consumer.close()
    listed = client.list_consumer_groups().result(60)
    assert group in [entry.group_id for entry in listed.valid] and not listed.errors
    client.delete_consumer_groups([group])[group].result(60)
    listed = client.list_consumer_groups().result(60)
    assert group not in [entry.group_id for entry in listed.valid]


def topic_admin(suite):
    """confluent-kafka: topics are created, grown, configured, described and deleted."""
    client, topic = admin(suite), suite.name("admin")
    client.create_topics([NewTopic(topic, 2, config={"retention.ms": "3600000"})])[topic].result(60)
    try:
        client.create_topics([NewTopic(topic, 2)])[topic].result(60)
        raise AssertionError("it was created twice")
    except KafkaException as error:
        assert error.args[0].name() == "TOPIC_ALREADY_EXISTS", error
    client.create_partitions([NewPartitions(topic, 5)])[topic].result(60)
    until(lambda: len(client.list_topics(topic, timeout=60).topics[topic].partitions) == 5)
    entry = ConfigEntry("segment.bytes", "2097152", incremental_operation=AlterConfigOpType.SET)
    change = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=[entry])
    client.incremental_alter_configs([change])[change].result(60)
    resource = ConfigResource(ResourceType.TOPIC, topic)

    def configured():
        configs = client.describe_configs([resource])[resource].result(60)
        return configs["retention.ms"].value == "3600000" and configs["segment.bytes"].value == "2097152"

    until(configured)
    client.delete_topics([topic])[topic].result(60)
    until(lambda: topic not in client.list_topics(timeout=60).topics)


def watermarks_and_times(suite):
    """confluent-kafka: watermarks and offsets by time."""
    topic = create(suite, "times", 1)
    producer = Producer({"bootstrap.servers": suite.bootstrap})
    for number in range(5):
        producer.produce(topic, str(number), timestamp=1_700_000_000_000 + number * 1000)
    assert producer.flush(60) == 0
    consumer = Consumer(group_config(suite, suite.name("group")))
    assert consumer.get_watermark_offsets(TopicPartition(topic, 0), timeout=60) == (0, 5)
    found = consumer.offsets_for_times([TopicPartition(topic, 0, 1_700_000_002_500)], timeout=60)
    assert found[0].offset == 3, found
    consumer.close()


def transactions(suite):
    """confluent-kafka: committed and aborted transactions with offsets under read_committed."""
    topic, source, group = create(suite, "transactions", 1), create(suite, "source", 1), suite.name("group")
    consumer = Consumer(group_config(suite, group))
    producer = Producer({"bootstrap.servers": suite.bootstrap, "transactional.id": suite.name("txn")})
    producer.init_transactions(60)
    for number, end in enumerate((producer.commit_transaction, producer.abort_transaction, producer.commit_transaction)):
        producer.begin_transaction()
        for _ in range(2):
            producer.produce(topic, str(number))
        # An abort throws away what was not sent yet.
        assert producer.flush(60) == 0
        producer.send_offsets_to_transaction(
            [TopicPartition(source, 0, number + 1)], consumer.consumer_group_metadata(), 60
        )
        end(60)
    for isolation, expected in (("read_committed", "0022"), ("read_uncommitted", "001122")):
        reading = Consumer(group_config(suite, suite.name("group"), **{"isolation.level": isolation}))
        reading.assign([TopicPartition(topic, 0, 0)])
        assert "".join(message.value().decode() for message in read(reading, len(expected))) == expected
        reading.close()
    # A cluster answers a commit before its markers are everywhere.
    until(lambda: consumer.committed([TopicPartition(source, 0)], timeout=60)[0].offset == 3)
    consumer.close()


def fencing(suite):
    """confluent-kafka: an older producer of a transactional id is fenced."""
    topic, config = create(suite, "fencing", 1), {"bootstrap.servers": suite.bootstrap, "transactional.id": suite.name("x")}
    older, newer = Producer(config), Producer(config)
    older.init_transactions(60)
    older.begin_transaction()
    older.produce(topic, "older")
    older.flush(60)
    newer.init_transactions(60)
    newer.begin_transaction()
    newer.produce(topic, "newer")
    newer.commit_transaction(60)
    try:
        older.commit_transaction(60)
        raise AssertionError("it was not fenced")
    except KafkaException as error:
        assert error.args[0].code() == KafkaError._FENCED, error
    reading = Consumer(group_config(suite, suite.name("group"), **{"isolation.level": "read_committed"}))
    reading.assign([TopicPartition(topic, 0, 0)])
    assert read(reading, 1)[0].value() == b"newer"
    reading.close()


def records_admin(suite):
    """confluent-kafka: offsets of every kind are listed, and records deleted."""
    topic = create(suite, "records", 1)
    send(suite, topic, [str(number) for number in range(10)])
    client, partition = admin(suite), TopicPartition(topic, 0)
    for spec, expected in ((OffsetSpec.earliest(), 0), (OffsetSpec.latest(), 10), (OffsetSpec.for_timestamp(1), 0)):
        assert client.list_offsets({partition: spec})[partition].result(60).offset == expected
    before = client.delete_records([TopicPartition(topic, 0, 4)])
    assert [future.result(60).low_watermark for future in before.values()] == [4]
    assert client.list_offsets({partition: OffsetSpec.earliest()})[partition].result(60).offset == 4
    described = client.describe_cluster().result(60)
    assert described.cluster_id and described.nodes


def automatic_topic(suite):
    """confluent-kafka: a topic is made by producing to it."""
    topic = suite.name("automatic")
    send(suite, topic, ["one"])
    client = admin(suite)
    until(lambda: topic in client.list_topics(timeout=60).topics)


CHECKS = [
    every_codec,
    idempotent_order,
    eager_group,
    cooperative_group,
    new_group,
    mixed_group,
    static_member,
    committed_offsets,
    group_admin,
    topic_admin,
    watermarks_and_times,
    transactions,
    fencing,
    records_admin,
    automatic_topic,
]
