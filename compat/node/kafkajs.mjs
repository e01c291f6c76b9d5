import assert from 'node:assert/strict'
import { zstdCompressSync, zstdDecompressSync } from 'node:zlib'

import { lz4Compress, lz4Decompress, snappyCompress, snappyDecompress } from '@platformatic/wasm-utils'
import kafkajs from 'kafkajs'

import { numbers, until } from './suite.mjs'

const { CompressionCodecs, CompressionTypes, ConfigResourceTypes, Kafka, KafkaJSError, logLevel } = kafkajs

// kafkajs has gzip built in and takes the others from outside.
const codec = (compress, decompress) => () => ({
  compress: async encoder => Buffer.from(compress(encoder.buffer)),
  decompress: async buffer => Buffer.from(decompress(buffer)),
})
CompressionCodecs[CompressionTypes.Snappy] = codec(snappyCompress, snappyDecompress)
CompressionCodecs[CompressionTypes.LZ4] = codec(lz4Compress, lz4Decompress)
CompressionCodecs[CompressionTypes.ZSTD] = codec(zstdCompressSync, zstdDecompressSync)

const client = suite => new Kafka({ clientId: 'compat', brokers: suite.brokers, logLevel: logLevel.NOTHING, retry: { retries: 8, maxRetryTime: 1_000 } })

async function withAdmin(suite, act) {
  const admin = client(suite).admin()
  await admin.connect()
  try {
    return await act(admin)
  } finally {
    await admin.disconnect()
  }
}

/** A topic. It keeps old records: checks write some that retention would take away. */
async function create(suite, what, numPartitions) {
  const topic = suite.name(what)
  const configEntries = [{ name: 'retention.ms', value: '-1' }]
  await withAdmin(suite, admin => admin.createTopics({ topics: [{ topic, numPartitions, configEntries }], waitForLeaders: true }))
  return topic
}

async function withProducer(suite, options, act) {
  const producer = client(suite).producer(options)
  await producer.connect()
  try {
    return await act(producer)
  } finally {
    await producer.disconnect()
  }
}

const send = (suite, topic, values) =>
  withProducer(suite, {}, producer => producer.send({ topic, messages: values.map(value => ({ key: value, value })) }))

/** Reads from the beginning, or where the group is, until so many records came; `each` sees them one by one. */
async function read(suite, topic, count, { groupId = suite.name('group'), readUncommitted = false, each = () => {} } = {}) {
  const consumer = client(suite).consumer({ groupId, readUncommitted, maxWaitTimeInMs: 100 })
  const messages = []
  await consumer.connect()
  try {
    await consumer.subscribe({ topics: [topic], fromBeginning: true })
    await consumer.run({
      autoCommit: false,
      eachMessage: async ({ partition, message }) => {
        messages.push({ partition, ...message })
        await each(consumer, partition, message)
      },
    })
    await until(`${count} records come`, () => messages.length >= count)
  } finally {
    await consumer.disconnect()
  }
  return messages
}

const values = messages => messages.map(message => message.value.toString())

async function codecs(suite) {
  const topic = await create(suite, 'codecs', 1)
  const timestamp = '1700000000123'
  await withProducer(suite, {}, async producer => {
    for (const [name, compression] of Object.entries(CompressionTypes)) {
      const message = { key: name, value: `${name} value value value value`, headers: { codec: name }, timestamp }
      await producer.send({ topic, compression, messages: Array(20).fill(message) })
      await producer.send({ topic, compression, messages: [{ key: name, value: null, timestamp }] })
    }
  })
  const names = Object.keys(CompressionTypes)
  const messages = await read(suite, topic, 21 * names.length)
  assert.equal(messages.length, 21 * names.length)
  for (const message of messages) {
    assert.equal(message.timestamp, timestamp)
    if (message.value === null) continue
    const name = message.key.toString()
    assert.equal(message.value.toString(), `${name} value value value value`)
    assert.equal(message.headers.codec.toString(), name)
  }
  assert.equal(messages.filter(message => message.value === null).length, names.length)
}

async function idempotence(suite) {
  const topic = await create(suite, 'idempotence', 1)
  const sent = numbers(0, 5_000)
  await withProducer(suite, { idempotent: true, maxInFlightRequests: 1 }, async producer => {
    for (let from = 0; from < sent.length; from += 100) {
      await producer.send({ topic, messages: sent.slice(from, from + 100).map(value => ({ value })) })
    }
  })
  assert.deepEqual(values(await read(suite, topic, sent.length)), sent)
}

/** A group member that keeps reading and says what it owns. */
async function join(suite, groupId, topic) {
  const consumer = client(suite).consumer({ groupId, heartbeatInterval: 300, rebalanceTimeout: 10_000, maxWaitTimeInMs: 100 })
  const member = { owned: 0, leave: () => consumer.disconnect() }
  consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    member.owned = payload.memberAssignment[topic]?.length ?? 0
  })
  await consumer.connect()
  await consumer.subscribe({ topics: [topic], fromBeginning: true })
  await consumer.run({ eachMessage: async () => {} })
  return member
}

async function rebalance(suite) {
  const topic = await create(suite, 'share', 6)
  const groupId = suite.name('group')
  const one = await join(suite, groupId, topic)
  await until('the first owns all', () => one.owned === 6)
  const two = await join(suite, groupId, topic)
  await until('each owns half', () => one.owned === 3 && two.owned === 3)
  await one.leave()
  await until('the second owns all', () => two.owned === 6)
  await two.leave()
}

async function resume(suite) {
  const topic = await create(suite, 'resume', 1)
  const groupId = suite.name('group')
  await send(suite, topic, numbers(0, 10))
  const each = async (consumer, partition, message) => {
    if (message.offset === '3') await consumer.commitOffsets([{ topic, partition, offset: '4', metadata: 'noted' }])
  }
  assert.deepEqual(values(await read(suite, topic, 10, { groupId, each })), numbers(0, 10))
  assert.deepEqual(values(await read(suite, topic, 6, { groupId })), numbers(4, 10))
  const [{ partitions }] = await withAdmin(suite, admin => admin.fetchOffsets({ groupId, topics: [topic] }))
  assert.deepEqual(partitions, [{ partition: 0, offset: '4', metadata: 'noted' }])
}

async function offsets(suite) {
  const topic = await create(suite, 'offsets', 1)
  const base = Date.now()
  await withProducer(suite, {}, producer =>
    producer.send({ topic, messages: numbers(0, 5).map(value => ({ value, timestamp: String(base + value * 1000) })) }))
  await withAdmin(suite, async admin => {
    assert.deepEqual(await admin.fetchTopicOffsets(topic), [{ partition: 0, offset: '5', high: '5', low: '0' }])
    assert.deepEqual(await admin.fetchTopicOffsetsByTimestamp(topic, base + 2_500), [{ partition: 0, offset: '3' }])
    assert.deepEqual(await admin.fetchTopicOffsetsByTimestamp(topic, base + 60_000), [{ partition: 0, offset: '5' }])
  })
}

async function transactions(suite) {
  const [topic, source] = [await create(suite, 'transactions', 1), await create(suite, 'source', 1)]
  const consumerGroupId = suite.name('group')
  const options = { transactionalId: suite.name('txn'), idempotent: true, maxInFlightRequests: 1 }
  await withProducer(suite, options, async producer => {
    for (const [round, end] of ['commit', 'abort', 'commit'].entries()) {
      const transaction = await producer.transaction()
      await transaction.send({ topic, messages: [{ value: String(round) }, { value: String(round) }] })
      const partitions = [{ partition: 0, offset: String(round + 1) }]
      await transaction.sendOffsets({ consumerGroupId, topics: [{ topic: source, partitions }] })
      await transaction[end]()
    }
  })
  assert.deepEqual(values(await read(suite, topic, 4)), ['0', '0', '2', '2'])
  assert.deepEqual(values(await read(suite, topic, 6, { readUncommitted: true })), ['0', '0', '1', '1', '2', '2'])
  // A cluster answers a commit before its markers are everywhere.
  await withAdmin(suite, admin => until('the last offset is committed', async () => {
    const [{ partitions }] = await admin.fetchOffsets({ groupId: consumerGroupId, topics: [source] })
    return partitions[0].offset === '3'
  }))
}

async function admin(suite) {
  const [topic, groupId] = [await create(suite, 'admin', 1), suite.name('group')]
  await send(suite, topic, numbers(0, 10))
  await withAdmin(suite, async admin => {
    assert.equal(await admin.createTopics({ topics: [{ topic }] }), false, 'it was made twice')
    await admin.createPartitions({ topicPartitions: [{ topic, count: 3 }] })
    await until('the topic has three partitions', async () => {
      const { topics } = await admin.fetchTopicMetadata({ topics: [topic] })
      return topics[0].partitions.length === 3
    })
    const resource = { type: ConfigResourceTypes.TOPIC, name: topic }
    await admin.alterConfigs({ resources: [{ ...resource, configEntries: [{ name: 'segment.bytes', value: '1048576' }] }] })
    await until('the topic is configured', async () => {
      const { resources } = await admin.describeConfigs({ resources: [{ ...resource, configNames: ['segment.bytes'] }] })
      return resources[0].configEntries[0].configValue === '1048576'
    })
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '4' }] })
    // It asks any broker for the topic's leaders, and a cluster's others hear of a change later.
    await until('the log starts where it was cut', async () => {
      const start = (await admin.fetchTopicOffsets(topic)).find(({ partition }) => partition === 0)
      return start.low === '4'
    })
    await admin.setOffsets({ groupId, topic, partitions: [{ partition: 0, offset: '5' }] })
    const { groups } = await admin.listGroups()
    assert.ok(groups.some(group => group.groupId === groupId))
    const described = await admin.describeGroups([groupId])
    assert.equal(described.groups[0].state, 'Empty')
    await admin.deleteGroups([groupId])
    const { brokers, clusterId } = await admin.describeCluster()
    assert.ok(brokers.length > 0 && clusterId.length > 0)
    await admin.deleteTopics({ topics: [topic] })
    await until('the topic is gone', () => admin.fetchTopicOffsets(topic).then(() => false, error => error instanceof KafkaJSError))
  })
}

export const checks = [
  ['kafkajs: records in every codec with keys, headers and timestamps come back', codecs],
  ["kafkajs: an idempotent producer's records arrive once and in order", idempotence],
  ['kafkajs: two members of a group share partitions, and one takes over', rebalance],
  ['kafkajs: a group commits and goes on where it stopped', resume],
  ['kafkajs: offsets by time, at the start and at the end', offsets],
  ['kafkajs: committed and aborted transactions with offsets under read_committed', transactions],
  ['kafkajs: admin: topics, partitions, configs, groups, records', admin],
]
