import assert from 'node:assert/strict'

import {
  Admin, Consumer, FetchIsolationLevels, GroupProtocols, ListOffsetTimestamps, MessagesStreamModes, Producer, stringDeserializers, stringSerializers,
} from '@platformatic/kafka'

import { numbers, until } from './suite.mjs'

const base = suite => ({ clientId: 'compat', bootstrapBrokers: suite.brokers, metadataMaxAge: 500 })

async function using(made, act, ...closing) {
  try {
    return await act(made)
  } finally {
    await made.close(...closing)
  }
}

/** Closes whatever still runs, too. */
const FORCE = true

const withAdmin = (suite, act) => using(new Admin(base(suite)), act)
const withProducer = (suite, options, act) => using(new Producer({ ...base(suite), serializers: stringSerializers, ...options }), act, FORCE)

/** A topic. It keeps old records: checks write some that retention would take away. */
async function create(suite, what, partitions) {
  const topic = suite.name(what)
  const configs = [{ name: 'retention.ms', value: '-1' }]
  await withAdmin(suite, async admin => {
    await admin.createTopics({ topics: [topic], partitions, replicas: 1, configs })
    await until('the topic is listed', async () => (await admin.listTopics()).includes(topic))
  })
  return topic
}

const send = (suite, topic, values) =>
  withProducer(suite, {}, producer => producer.send({ messages: values.map(value => ({ topic, key: value, value })) }))

/** Reads until so many records came. */
function read(suite, topic, count, { groupId = suite.name('group'), mode = MessagesStreamModes.EARLIEST, each = () => {}, ...options } = {}) {
  return using(new Consumer({ ...base(suite), groupId, deserializers: stringDeserializers, maxWaitTime: 100, ...options }), async consumer => {
    const stream = await consumer.consume({ topics: [topic], mode, fallbackMode: 'earliest', autocommit: false })
    const messages = []
    stream.on('data', message => {
      messages.push(message)
      each(message)
    })
    stream.on('error', () => {})
    await until(`${count} records come`, () => messages.length >= count)
    await stream.close()
    return messages
  }, FORCE)
}

const values = messages => messages.map(message => message.value)

async function codecs(suite) {
  const topic = await create(suite, 'codecs', 1)
  const timestamp = 1_700_000_000_123n
  const names = ['none', 'gzip', 'snappy', 'lz4', 'zstd']
  await withProducer(suite, {}, async producer => {
    for (const compression of names) {
      const message = { topic, key: compression, value: `${compression} value value value`, headers: { codec: compression }, timestamp }
      await producer.send({ compression, messages: Array(20).fill(message) })
    }
  })
  const messages = await read(suite, topic, 20 * names.length)
  assert.equal(messages.length, 20 * names.length)
  for (const message of messages) {
    assert.equal(message.timestamp, timestamp)
    assert.equal(message.value, `${message.key} value value value`)
    assert.equal(message.headers.get('codec'), message.key)
  }
}

async function idempotence(suite) {
  const topic = await create(suite, 'idempotence', 1)
  const sent = numbers(0, 5_000)
  await withProducer(suite, { idempotent: true }, async producer => {
    for (let from = 0; from < sent.length; from += 100) {
      await producer.send({ messages: sent.slice(from, from + 100).map(value => ({ topic, key: 'k', value })) })
    }
  })
  assert.deepEqual(values(await read(suite, topic, sent.length)), sent)
}

/** A group member that keeps reading and says what it owns. */
async function join(suite, groupId, topic, options) {
  const consumer = new Consumer({ ...base(suite), groupId, maxWaitTime: 100, ...options })
  const stream = await consumer.consume({ topics: [topic], mode: MessagesStreamModes.LATEST, autocommit: false, ...options })
  stream.on('data', () => {})
  stream.on('error', () => {})
  return {
    owned: () => (consumer.assignments ?? []).reduce((sum, { partitions }) => sum + partitions.length, 0),
    leave: async () => {
      await stream.close()
      await consumer.close(FORCE)
    },
  }
}

async function share(suite, options) {
  const topic = await create(suite, 'share', 6)
  const groupId = suite.name('group')
  const one = await join(suite, groupId, topic, options)
  await until('the first owns all', () => one.owned() === 6)
  const two = await join(suite, groupId, topic, options)
  await until('each owns half', () => one.owned() === 3 && two.owned() === 3)
  await one.leave()
  await until('the second owns all', () => two.owned() === 6)
  await two.leave()
}

const rebalance = suite => share(suite, { sessionTimeout: 10_000, heartbeatInterval: 300, rebalanceTimeout: 10_000 })
const newGroup = suite => share(suite, { groupProtocol: GroupProtocols.CONSUMER })

async function resume(suite) {
  const topic = await create(suite, 'resume', 1)
  const groupId = suite.name('group')
  await send(suite, topic, numbers(0, 10))
  const committed = []
  const each = message => {
    if (message.offset === 3n) committed.push(message.commit())
  }
  const first = await read(suite, topic, 10, { groupId, mode: MessagesStreamModes.COMMITTED, each })
  assert.deepEqual(values(first), numbers(0, 10))
  await Promise.all(committed)
  const second = await read(suite, topic, 6, { groupId, mode: MessagesStreamModes.COMMITTED })
  assert.deepEqual(values(second), numbers(4, 10))
}

async function offsets(suite) {
  const topic = await create(suite, 'offsets', 1)
  const now = BigInt(Date.now())
  await withProducer(suite, {}, producer =>
    producer.send({ messages: numbers(0, 5).map(value => ({ topic, key: 'k', value, timestamp: now + BigInt(value) * 1000n })) }))
  await using(new Consumer({ ...base(suite), groupId: suite.name('group') }), async consumer => {
    const at = async timestamp => (await consumer.listOffsets({ topics: [topic], timestamp })).get(topic)[0]
    assert.equal(await at(ListOffsetTimestamps.EARLIEST), 0n)
    assert.equal(await at(ListOffsetTimestamps.LATEST), 5n)
    assert.equal(await at(now + 2_500n), 3n)
  }, FORCE)
}

async function transactions(suite) {
  const topic = await create(suite, 'transactions', 1)
  await withProducer(suite, { transactionalId: suite.name('txn'), idempotent: true }, async producer => {
    for (const [round, end] of ['commit', 'abort', 'commit'].entries()) {
      const transaction = await producer.beginTransaction()
      const message = { topic, key: 'k', value: String(round) }
      await transaction.send({ messages: [message, message] })
      await transaction[end]()
    }
  })
  const committed = await read(suite, topic, 4, { isolationLevel: FetchIsolationLevels.READ_COMMITTED })
  assert.deepEqual(values(committed), ['0', '0', '2', '2'])
  const all = await read(suite, topic, 6, { isolationLevel: FetchIsolationLevels.READ_UNCOMMITTED })
  assert.deepEqual(values(all), ['0', '0', '1', '1', '2', '2'])
}

async function admin(suite) {
  const [topic, groupId] = [await create(suite, 'admin', 1), suite.name('group')]
  await send(suite, topic, numbers(0, 10))
  await withAdmin(suite, async admin => {
    await assert.rejects(admin.createTopics({ topics: [topic], partitions: 1, replicas: 1 }))
    // It asks any broker, and a cluster's others hear of a change later.
    await until('the topic is listed', async () => (await admin.listTopics()).includes(topic))
    await admin.createPartitions({ topics: [{ name: topic, count: 3, assignments: null }] })
    const resourceType = 2
    const configs = [{ name: 'segment.bytes', configOperation: 0, value: '1048576' }]
    await admin.incrementalAlterConfigs({ resources: [{ resourceType, resourceName: topic, configs }] })
    await until('the topic is configured', async () => {
      const resources = [{ resourceType, resourceName: topic, configurationKeys: ['segment.bytes'] }]
      const [described] = await admin.describeConfigs({ resources })
      return described.configs.some(config => config.value === '1048576')
    })
    const cut = { topics: [{ name: topic, partitions: [{ partition: 0, offset: 4n }] }] }
    await until('records are deleted', () => admin.deleteRecords(cut).then(() => true))
    const partitionOffsets = [{ partition: 0, offset: 5n }]
    const moved = { groupId, topics: [{ name: topic, partitionOffsets }] }
    await until('offsets are altered', () => admin.alterConsumerGroupOffsets(moved).then(() => true))
    const [group] = await admin.listConsumerGroupOffsets({ groups: [groupId] })
    assert.equal(group.topics[0].partitions[0].committedOffset, 5n)
    assert.ok((await admin.listGroups()).has(groupId))
    await admin.deleteGroups({ groups: [groupId] })
    const dirs = await admin.describeLogDirs({ topics: [{ name: topic, partitions: [0] }] })
    assert.ok(dirs.length > 0 && dirs[0].results.length > 0)
    await admin.deleteTopics({ topics: [topic] })
  })
}

export const checks = [
  ['@platformatic/kafka: records in every codec with keys, headers and timestamps come back', codecs],
  ["@platformatic/kafka: an idempotent producer's records arrive once and in order", idempotence],
  ['@platformatic/kafka: two members of a classic group share partitions, and one takes over', rebalance],
  ['@platformatic/kafka: two members of a KIP-848 group share partitions, and one takes over', newGroup],
  ['@platformatic/kafka: a group commits and goes on where it stopped', resume],
  ['@platformatic/kafka: offsets by time, at the start and at the end', offsets],
  ['@platformatic/kafka: committed and aborted transactions under read_committed', transactions],
  ['@platformatic/kafka: admin: topics, partitions, configs, groups, records, log dirs', admin],
]
