// What a suite of checks is: named functions, run in order, each reported on a line of its own.

import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'

/** Reached only where something is wrong. */
const LIMIT_MS = 60_000

/** `cargo xtask compat` says so of a cluster, whose brokers hear of changes at different times. */
const SECOND_TRY = process.env.HEADWATER_COMPAT_SECOND_TRY !== undefined

export class Suite {
  #passed = 0
  #failed = 0

  constructor(brokers) {
    this.brokers = brokers
  }

  /** A topic, group or transactional id that nobody else uses. */
  name(what) {
    return `compat-${randomBytes(6).toString('hex')}-${what}`
  }

  /** One check: it holds unless it throws or takes more than two minutes. */
  async run(label, check) {
    const started = performance.now()
    let which = ''
    let failure = await this.#failure(check)
    if (failure !== undefined && SECOND_TRY) {
      console.log(`again ${label}\n${failure}`)
      failure = await this.#failure(check)
      which = ', pass on the second try'
    }
    if (failure === undefined) {
      this.#passed += 1
      console.log(`pass  ${label} (${((performance.now() - started) / 1000).toFixed(1)} s${which})`)
    } else {
      this.#failed += 1
      console.log(`FAIL  ${label}\n${failure}`)
    }
  }

  /** What a check threw, as text. */
  async #failure(check) {
    let timer
    const tooLong = new Promise((_, reject) => {
      timer = setTimeout(() => reject(new Error('the check did not end')), 2 * LIMIT_MS)
    })
    try {
      await Promise.race([check(this), tooLong])
      return undefined
    } catch (error) {
      // Whatever went wrong is this check's failure, and the next one runs.
      return inspect(error, { depth: 4 })
    } finally {
      clearTimeout(timer)
    }
  }

  /** Prints the counts; the exit code says whether all held. */
  finish() {
    console.log(`${this.#passed} passed, ${this.#failed} failed`)
    return this.#failed > 0 || this.#passed === 0 ? 1 : 0
  }
}

/** Waits until `condition()` is truthy; what it throws before that means not yet. */
export async function until(what, condition) {
  const end = Date.now() + LIMIT_MS
  for (;;) {
    let cause
    try {
      if (await condition()) return
    } catch (error) {
      cause = error
    }
    if (Date.now() > end) throw new Error(`not within ${LIMIT_MS / 1000} s: ${what}`, { cause })
    await new Promise(resolve => setTimeout(resolve, 50))
  }
}

/** '0', '1', ... */
export function numbers(from, to) {
  return Array.from({ length: to - from }, (_, index) => String(from + index))
}
