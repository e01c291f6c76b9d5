// Unmodified Node clients against a Kafka: prints a line per check, then the counts.
//   node run.mjs HOST:PORT,... [TEXT: only checks whose description contains it]

import * as kafkajs from './kafkajs.mjs'
import * as platformatic from './platformatic.mjs'
import { Suite } from './suite.mjs'

const [bootstrap, only = ''] = process.argv.slice(2)
if (bootstrap === undefined) {
  console.error('usage: node run.mjs HOST:PORT,... [TEXT]')
  process.exit(2)
}
const suite = new Suite(bootstrap.split(','))
for (const { checks } of [kafkajs, platformatic]) {
  for (const [label, check] of checks) {
    if (label.includes(only)) await suite.run(label, check)
  }
}
// Not by itself: a client may leave a timer or a socket behind.
process.exit(suite.finish())
