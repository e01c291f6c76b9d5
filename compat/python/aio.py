"""aiokafka."""

import asyncio

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient, NewPartitions, NewTopic, RecordsToDelete
from aiokafka.admin.config_resource import ConfigResource, ConfigResourceType
from aiokafka.errors import ProducerFenced, TopicAlreadyExistsError

CODECS = [None, "gzip", "snappy", "lz4", "zstd"]
SECONDS = 60


async def with_admin(suite, act):
    client = AIOKafkaAdminClient(bootstrap_servers=suite.bootstrap)
    await client.start()
    try:
        return await act(client)
    finally:
        await client.close()


async def create(suite, name, partitions):
    """A topic of this suite's own. It keeps old records: the suite writes some that retention would take away."""
    topic = suite.name(name)
    new = NewTopic(topic, partitions, 1, topic_configs={"retention.ms": "-1"})

    async def creating(client):
        await client.create_topics([new])

        async def known():
            return topic in await client.list_topics()

        await eventually(known)

    await with_admin(suite, creating)
    return topic


async def with_producer(suite, act, **config):
    producer = AIOKafkaProducer(bootstrap_servers=suite.bootstrap, metadata_max_age_ms=1_000, **config)
    await producer.start()
    try:
        return await act(producer)
    finally:
        await producer.stop()


async def send(suite, topic, values, **config):
    async def sending(producer):
        futures = [await producer.send(topic, value, key=value) for value in values]
        await asyncio.gather(*futures)

    await with_producer(suite, sending, **config)


def reader(suite, *topics, **config):
    return AIOKafkaConsumer(
        *topics,
        bootstrap_servers=suite.bootstrap,
        auto_offset_reset="earliest",
        enable_auto_commit=False,
        metadata_max_age_ms=1_000,
        **config,
    )


async def take(consumer, count):
    """The next `count` records."""
    return [await asyncio.wait_for(consumer.getone(), SECONDS) for _ in range(count)]


async def read(suite, topic, count, **config):
    """The first `count` records of partition 0."""
    consumer = reader(suite, **config)
    await consumer.start()
    try:
        consumer.assign([TopicPartition(topic, 0)])
        return await take(consumer, count)
    finally:
        await consumer.stop()


async def eventually(condition):
    """Waits until `await condition()` is truthy; what it raises before that means not yet."""
    for _ in range(20 * SECONDS):
        failure = None
        try:
            if await condition():
                return
        except Exception as raised:
            failure = raised
        await asyncio.sleep(0.05)
    raise TimeoutError(f"not within {SECONDS} s") from failure


async def every_codec(suite):
    """aiokafka: records in every codec with keys, headers and timestamps come back."""
    topic = await create(suite, "codecs", 1)
    for codec in CODECS:

        async def sending(producer, name=str(codec).encode()):
            for _ in range(20):
                await producer.send(topic, name * 20, key=name, headers=[("codec", name)], timestamp_ms=1_700_000_000_123)
            await producer.flush()

        await with_producer(suite, sending, compression_type=codec)
    for record in await read(suite, topic, 20 * len(CODECS)):
        assert record.value == record.key * 20 and record.headers == (("codec", record.key),), record
        assert record.timestamp == 1_700_000_000_123


async def idempotent_order(suite):
    """aiokafka: an idempotent producer's records arrive once and in order."""
    topic = await create(suite, "idempotence", 1)
    values = [str(number).encode() for number in range(5_000)]
    await send(suite, topic, values, enable_idempotence=True)
    assert [record.value for record in await read(suite, topic, len(values))] == values


async def group_shares(suite):
    """aiokafka: two members share four partitions, and one takes over."""
    topic, group = await create(suite, "shares", 4), suite.name("group")
    settings = {"group_id": group, "heartbeat_interval_ms": 300, "max_poll_interval_ms": 10_000}
    first, second = reader(suite, topic, **settings), reader(suite, topic, **settings)

    async def owned(*expected):
        for consumer in (first, second):
            if expected[0 if consumer is first else 1] is not None:
                await consumer.getmany(timeout_ms=50)
        return all(
            count is None or len(consumer.assignment()) == count for consumer, count in zip((first, second), expected)
        )

    await first.start()
    await eventually(lambda: owned(4, None))
    await second.start()
    await eventually(lambda: owned(2, 2))
    await first.stop()
    await eventually(lambda: owned(None, 4))
    await second.stop()


async def group_resumes(suite):
    """aiokafka: a group commits and goes on where it stopped."""
    topic, group = await create(suite, "resumes", 1), suite.name("group")
    await send(suite, topic, [str(number).encode() for number in range(10)])
    for start, commit in ((0, 4), (4, 10)):
        consumer = reader(suite, topic, group_id=group)
        await consumer.start()
        records = await take(consumer, 10 - start)
        assert [record.offset for record in records] == list(range(start, 10))
        await consumer.commit({TopicPartition(topic, 0): (commit, "noted")})
        assert await consumer.committed(TopicPartition(topic, 0)) == commit
        await consumer.stop()


async def offsets(suite):
    """aiokafka: offsets by time, at the start and at the end."""
    topic = await create(suite, "offsets", 1)
    partition = TopicPartition(topic, 0)

    async def sending(producer):
        for number in range(5):
            await producer.send_and_wait(topic, b"x", timestamp_ms=1_700_000_000_000 + number * 1_000)

    await with_producer(suite, sending)
    consumer = reader(suite)
    await consumer.start()
    assert await consumer.beginning_offsets([partition]) == {partition: 0}
    assert await consumer.end_offsets([partition]) == {partition: 5}
    found = await consumer.offsets_for_times({partition: 1_700_000_002_500})
    assert found[partition].offset == 3, found
    found = await consumer.offsets_for_times({partition: 1_800_000_000_000})
    assert found[partition] is None, found
    await consumer.stop()


async def transactions(suite):
    """aiokafka: committed and aborted transactions with offsets under read_committed."""
    topic, source, group = await create(suite, "transactions", 1), await create(suite, "source", 1), suite.name("group")

    async def producing(producer):
        for number, commit in enumerate((True, False, True)):
            await producer.begin_transaction()
            for _ in range(2):
                await producer.send_and_wait(topic, str(number).encode())
            await producer.send_offsets_to_transaction({TopicPartition(source, 0): number + 1}, group)
            await (producer.commit_transaction() if commit else producer.abort_transaction())

    await with_producer(suite, producing, transactional_id=suite.name("txn"))
    committed = await read(suite, topic, 4, isolation_level="read_committed")
    assert [record.value for record in committed] == [b"0", b"0", b"2", b"2"]
    everything = await read(suite, topic, 6, isolation_level="read_uncommitted")
    assert [record.value for record in everything] == [b"0", b"0", b"1", b"1", b"2", b"2"]
    consumer = reader(suite, group_id=group)
    await consumer.start()
    # A cluster answers a commit before its markers are everywhere.
    async def committed_last():
        return await consumer.committed(TopicPartition(source, 0)) == 3

    await eventually(committed_last)
    await consumer.stop()


async def fencing(suite):
    """aiokafka: an older producer of a transactional id is fenced."""
    topic, name = await create(suite, "fencing", 1), suite.name("fenced")
    older = AIOKafkaProducer(bootstrap_servers=suite.bootstrap, transactional_id=name)
    await older.start()
    await older.begin_transaction()
    await older.send_and_wait(topic, b"older")

    async def newer(producer):
        async with producer.transaction():
            await producer.send_and_wait(topic, b"newer")

    await with_producer(suite, newer, transactional_id=name)
    try:
        await older.commit_transaction()
        raise AssertionError("it was not fenced")
    except ProducerFenced:
        pass
    finally:
        await older.stop()
    assert [record.value for record in await read(suite, topic, 1, isolation_level="read_committed")] == [b"newer"]


async def admin(suite):
    """aiokafka: admin: topics, partitions, configs, groups, records."""
    topic, group = await create(suite, "admin", 1), suite.name("group")
    await send(suite, topic, [b"x"] * 10)
    consumer = reader(suite, topic, group_id=group)
    await consumer.start()
    await take(consumer, 10)
    await consumer.commit()
    await consumer.stop()

    async def administering(client):
        try:
            answer = await client.create_topics([NewTopic(topic, 1, 1)])
            assert answer.topic_errors[0][1] == TopicAlreadyExistsError.errno, answer
        except TopicAlreadyExistsError:
            pass
        await client.create_partitions({topic: NewPartitions(3)})

        # The client asks any broker, and a cluster's others hear of a change later.
        async def grown():
            described = await client.describe_topics([topic])
            return len(described[0]["partitions"]) == 3

        await eventually(grown)
        resource = ConfigResource(ConfigResourceType.TOPIC, topic, configs={"segment.bytes": "1048576"})
        await client.alter_configs([resource])

        async def configured():
            configs = await client.describe_configs([ConfigResource(ConfigResourceType.TOPIC, topic)])
            found = {entry[0]: entry[1] for entry in configs[0].resources[0][4]}
            return found.get("segment.bytes") == "1048576"

        await eventually(configured)
        listed = await client.list_consumer_group_offsets(group)
        assert listed[TopicPartition(topic, 0)].offset == 10, listed
        assert group in [name for name, _ in await client.list_consumer_groups()]

        async def deleted():
            await client.delete_records({TopicPartition(topic, 0): RecordsToDelete(before_offset=4)})
            return True

        await eventually(deleted)
        await client.delete_topics([topic])

    await with_admin(suite, administering)


def blocking(check):
    """A check as the suite wants it."""

    def run(suite):
        asyncio.run(asyncio.wait_for(check(suite), 2 * SECONDS))

    run.__doc__ = check.__doc__
    return run


CHECKS = [
    blocking(check)
    for check in (
        every_codec,
        idempotent_order,
        group_shares,
        group_resumes,
        offsets,
        transactions,
        fencing,
        admin,
    )
]
