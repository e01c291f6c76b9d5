// @confluentinc/kafka-javascript (librdkafka, built from its source) against a Kafka: a line per check, then the counts.
//   node run.mjs HOST:PORT,... [TEXT: only checks whose description contains it]

import assert from 'node:assert/strict'

import confluent from '@confluentinc/kafka-javascript'

import { Suite, numbers, until } from '../suite.mjs'

const { CompressionTypes, Kafka, logLevel } = confluent.KafkaJS

const client = suite => new Kafka({ kafkaJS: { brokers: suite.brokers, logLevel: logLevel.NOTHING } })

async function using(made, act) {
  await made.connect()
  try {
    return await act(made)
  } finally {
    await made.disconnect()
  }
}

const withAdmin = (suite, act) => using(client(suite).admin(), act)
const withProducer = (suite, options, act) => using(client(suite).producer({ kafkaJS: options, 'linger.ms': 1 }), act)

/** A topic. It keeps old records: checks write some that retention would take away. */
async function create(suite, what, numPartitions) {
  const topic = suite.name(what)
  const configEntries = [{ name: 'retention.ms', value: '-1' }]
  await withAdmin(suite, async admin => {
    await admin.createTopics({ topics: [{ topic, numPartitions, configEntries }] })
    await until('the topic is listed', async () => (await admin.listTopics()).includes(topic))
  })
  return topic
}

/** Reads until so many records came. */
function read(suite, topic, count, { groupId = suite.name('group'), commitAt = undefined, readUncommitted = false } = {}) {
  const options = { groupId, fromBeginning: true, autoCommit: false, readUncommitted }
  return using(client(suite).consumer({ kafkaJS: options }), async consumer => {
    const messages = []
    await consumer.subscribe({ topics: [topic] })
    await consumer.run({
      eachMessage: async ({ partition, message }) => {
        messages.push({ partition, ...message })
        if (message.offset === commitAt) {
          await consumer.commitOffsets([{ topic, partition, offset: String(Number(commitAt) + 1) }])
        }
      },
    })
    await until(`${count} records come`, () => messages.length >= count)
    return messages
  })
}

const values = messages => messages.map(message => message.value.toString())

async function codecs(suite) {
  const topic = await create(suite, 'codecs', 1)
  const timestamp = '1700000000123'
  // Built without libzstd.
  const names = ['None', 'GZIP', 'Snappy', 'LZ4'].map(name => [name, CompressionTypes[name] ?? CompressionTypes[name.toUpperCase()]])
  for (const [name, compression] of names) {
    await withProducer(suite, { compression }, async producer => {
      // Each one's own: the client rewrites the headers it is given.
      const message = () => ({ key: name, value: `${name} value value value value`, headers: { codec: name }, timestamp })
      await producer.send({ topic, messages: Array.from({ length: 20 }, message) })
    })
  }
  const messages = await read(suite, topic, 20 * names.length)
  assert.equal(messages.length, 20 * names.length)
  for (const message of messages) {
    const name = message.key.toString()
    assert.equal(message.value.toString(), `${name} value value value value`)
    assert.equal(message.headers.codec.toString(), name)
    assert.equal(message.timestamp, timestamp)
  }
}

async function idempotence(suite) {
  const topic = await create(suite, 'idempotence', 1)
  const sent = numbers(0, 5_000)
  await withProducer(suite, { idempotent: true }, async producer => {
    const all = sent.map(value => producer.send({ topic, messages: [{ value }] }))
    await Promise.all(all)
  })
  assert.deepEqual(values(await read(suite, topic, sent.length)), sent)
}

async function join(suite, groupId, topic, protocol) {
  const consumer = client(suite).consumer({ 'group.id': groupId, 'group.protocol': protocol, 'auto.offset.reset': 'earliest' })
  await consumer.connect()
  await consumer.subscribe({ topics: [topic] })
  await consumer.run({ eachMessage: async () => {} })
  return { owned: () => consumer.assignment().length, leave: () => consumer.disconnect() }
}

async function share(suite, protocol) {
  const topic = await create(suite, 'share', 6)
  const groupId = suite.name('group')
  const one = await join(suite, groupId, topic, protocol)
  await until('the first owns all', () => one.owned() === 6)
  const two = await join(suite, groupId, topic, protocol)
  await until('each owns half', () => one.owned() === 3 && two.owned() === 3)
  await one.leave()
  await until('the second owns all', () => two.owned() === 6)
  await two.leave()
}

async function resume(suite) {
  const topic = await create(suite, 'resume', 1)
  const groupId = suite.name('group')
  await withProducer(suite, {}, producer => producer.send({ topic, messages: numbers(0, 10).map(value => ({ value })) }))
  assert.deepEqual(values(await read(suite, topic, 10, { groupId, commitAt: '3' })), numbers(0, 10))
  assert.deepEqual(values(await read(suite, topic, 6, { groupId })), numbers(4, 10))
}

async function transactions(suite) {
  const topic = await create(suite, 'transactions', 1)
  await withProducer(suite, { transactionalId: suite.name('txn') }, async producer => {
    for (const [round, end] of ['commit', 'abort', 'commit'].entries()) {
      const transaction = await producer.transaction()
      await transaction.send({ topic, messages: [{ value: String(round) }, { value: String(round) }] })
      await transaction[end]()
    }
  })
  assert.deepEqual(values(await read(suite, topic, 4)), ['0', '0', '2', '2'])
  assert.deepEqual(values(await read(suite, topic, 6, { readUncommitted: true })), ['0', '0', '1', '1', '2', '2'])
}

async function admin(suite) {
  const topic = await create(suite, 'admin', 2)
  await withProducer(suite, {}, producer => producer.send({ topic, messages: numbers(0, 10).map(value => ({ value, partition: 0 })) }))
  await withAdmin(suite, async admin => {
    // It asks any broker for the topic, and a cluster's others hear of a new one later.
    const first = async () => (await admin.fetchTopicOffsets(topic)).find(({ partition }) => partition === 0)
    await until('the topic is listed', async () => (await admin.listTopics()).includes(topic))
    await until('ten records are there', async () => (await first()).high === '10')
    await admin.deleteTopicRecords({ topic, partitions: [{ partition: 0, offset: '4' }] })
    await until('the log starts where it was cut', async () => (await first()).low === '4')
    await admin.listGroups()
    await admin.deleteTopics({ topics: [topic] })
  })
}

const checks = [
  ['records in every codec but zstd with keys, headers and timestamps come back', codecs],
  ["an idempotent producer's records arrive once and in order", idempotence],
  ['two members of a classic group share partitions, and one takes over', suite => share(suite, 'classic')],
  ['two members of a KIP-848 group share partitions, and one takes over', suite => share(suite, 'consumer')],
  ['a group commits and goes on where it stopped', resume],
  ['committed and aborted transactions under read_committed', transactions],
  ['admin: topics, offsets, records, groups', admin],
]

const [bootstrap, only = ''] = process.argv.slice(2)
if (bootstrap === undefined) {
  console.error('usage: node run.mjs HOST:PORT,... [TEXT]')
  process.exit(2)
}
const suite = new Suite(bootstrap.split(','))
for (const [label, check] of checks) {
  if (label.includes(only)) await suite.run(`@confluentinc/kafka-javascript: ${label}`, check)
}
process.exit(suite.finish())
