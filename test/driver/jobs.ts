/**
 * Jobs as proxies and servers have them done, made from a real message, for whoever examines where jobs run.
 */
import { concat, type Scalar } from '../../src/base/bytes.js'
import { slotWindow } from '../../src/base/time.js'
import { loadCrypto } from '../../src/driver/crypto.js'
import { type Job, type JobResult, openedCopies, runJob } from '../../src/role/jobs.js'
import { copyOf, openingJob, readRequest } from '../../src/role/proxy/open-request.js'
import { parseMessage } from '../../src/wire/message.js'
import { seed, seeded } from '../base/seeded.js'
import { makeRequest } from '../role/proxy-fixture.js'
import { START } from '../sim/virtual-network.js'

const crypto = await loadCrypto()
const random = seeded(seed)

export interface Sample {
  /** The same jobs again, with bytes of their own: a job's are gone when it is done. */
  openRequest(): Job
  split(from: number, count: number): Job
  openCopies(): Job
  readonly copies: number
}

/** What becomes of one message of so many copies. */
export function sampleMessage(copies: number, contentBytes = 200): Sample {
  const secretOf = () => crypto.reduce(random(64))
  const [ofProxy, ofServer] = [secretOf(), secretOf()]
  const keys = { splitterKey: crypto.publicPoint(ofProxy), serverKey: crypto.publicPoint(ofServer) }
  const recipients = Array.from({ length: copies }, () => random(10))
  const { message } = makeRequest({ ...keys, now: START, recipients, content: random(contentBytes) })
  const parsed = parseMessage(message)
  if (!parsed.ok || parsed.value.kind !== 'request') throw new Error('a request')
  const { value } = parsed.value
  const openRequest = () =>
    openingJob(
      { secrets: [{ day: 1, key: keys.splitterKey, secret: ofProxy }], serverKeys: new Map([[1, keys.serverKey]]) },
      START,
      value,
    )
  const unsealed = runJob(crypto, openRequest())
  if (unsealed.type !== 'openRequest' || unsealed.unsealed === undefined) throw new Error('a request that opens')
  const read = readRequest(value.ephemeral, unsealed.unsealed)
  if (!read.ok) throw new Error(read.code)
  const { split, sealedCopyBytes } = read.request
  const entropy = random(32)
  const splitJob = (from: number, count: number): Job => ({
    type: 'split',
    roomBytes: 0,
    request: copyOf(split),
    entropy: entropy.slice(),
    from,
    count,
  })
  const made = runJob(crypto, splitJob(0, copies))
  if (made.type !== 'split' || made.copies === undefined) throw new Error('copies')
  const sealed = made.copies
  const openCopies = (): Job => ({
    type: 'openCopies',
    secrets: concat(ofServer as Scalar),
    windows: [slotWindow(START)],
    sealed: concat(sealed),
    lengths: new Array(copies).fill(sealedCopyBytes),
  })
  return { openRequest, split: splitJob, openCopies, copies }
}

/** How many of its copies a result opened. */
export function openedCount(result: JobResult): number {
  return result.type === 'openCopies' ? openedCopies(result, 1).filter((copy) => copy !== undefined).length : 0
}
