/**
 * What a link could carry if the network cost nothing: packets protected and opened a second, beside node:crypto, and
 * messages a second from one endpoint to another in one process, handshake left out.
 */
import { createCipheriv, createDecipheriv, randomBytes } from 'node:crypto'
import { key } from '../src/base/bytes.js'
import type { Crypto } from '../src/crypto/crypto.js'
import { loadCrypto } from '../src/driver/crypto.js'
import { systemRandom } from '../src/driver/random.js'
import { createEndpoint } from '../src/link/endpoint.js'
import type { LinkEndpoint, PeerAddress, SessionId } from '../src/link/link.js'
import { effort, measure, type Timed, timed } from './measure.js'
import { significant } from './statistics.js'
import type { BenchOptions, BenchReport } from './subject.js'
import { columns } from './text.js'

const PACKET_BYTES = 1200
/** Of a packet, sealed: all but head, index and masked number; and its tag. */
const SEALED_BYTES = PACKET_BYTES - 9
const TAG_BYTES = 16
const MESSAGE_BYTES = 1150
const MESSAGES_A_RUN = 64
const ALGORITHM = 'chacha20-poly1305'
const OPTIONS = { authTagLength: TAG_BYTES }
const CLIENT: PeerAddress = { host: '192.0.2.1', port: 4000 }
const SERVER: PeerAddress = { host: '192.0.2.2', port: 4000 }

export interface LinkRow {
  readonly job: string
  readonly contestant: string
  readonly perSecond: number
  readonly spread: number
  /** How many times as long as ours. */
  readonly ratio: number
}

export async function link({ quick }: BenchOptions): Promise<BenchReport> {
  const crypto = await loadCrypto()
  const jobs: readonly [string, readonly Timed[], number][] = [
    ['packets sealed', sealing(crypto), 1],
    ['packets opened', opening(crypto), 1],
    ['messages, end to end', [endToEnd(crypto)], MESSAGES_A_RUN],
  ]
  const results: LinkRow[] = jobs.flatMap(([job, contestants, times]) =>
    measure(contestants, effort(quick)).map(({ contestant, us, spread, ratio }) => ({
      ...{ job, contestant, perSecond: significant((1e6 * times) / us), spread, ratio },
    })),
  )
  const lines = results.map(({ job, contestant, perSecond, spread, ratio }) => [
    ...[job, contestant, perSecond.toFixed(0), spread.toFixed(2), ratio.toFixed(2)],
  ])
  return { results, text: columns([['job', 'contestant', 'a second', 'spread', 'time ratio'], ...lines]) }
}

function sealing(crypto: Crypto): Timed[] {
  const [aeadKey, nonce, head] = [randomBytes(32), randomBytes(12), randomBytes(5)]
  const frames = randomBytes(SEALED_BYTES - TAG_BYTES)
  return [
    timed('splitcast', () => crypto.aeadSeal(aeadKey, nonce, head, frames)[0]),
    timed('node:crypto', () => {
      const cipher = createCipheriv(ALGORITHM, aeadKey, nonce, OPTIONS)
      cipher.setAAD(head, { plaintextLength: frames.length })
      return Buffer.concat([cipher.update(frames), cipher.final(), cipher.getAuthTag()])[0]
    }),
  ]
}

function opening(crypto: Crypto): Timed[] {
  const [aeadKey, nonce, head] = [randomBytes(32), randomBytes(12), randomBytes(5)]
  const sealed = crypto.aeadSeal(aeadKey, nonce, head, randomBytes(SEALED_BYTES - TAG_BYTES))
  return [
    timed('splitcast', () => crypto.aeadOpen(aeadKey, nonce, head, sealed)?.[0]),
    timed('node:crypto', () => {
      const decipher = createDecipheriv(ALGORITHM, aeadKey, nonce, OPTIONS)
      decipher.setAAD(head, { plaintextLength: SEALED_BYTES - TAG_BYTES })
      decipher.setAuthTag(sealed.subarray(SEALED_BYTES - TAG_BYTES))
      const frames = decipher.update(sealed.subarray(0, SEALED_BYTES - TAG_BYTES))
      decipher.final()
      return frames[0]
    }),
  ]
}

/** Each run hands messages over and pumps datagrams and acknowledgements until all are acknowledged. */
function endToEnd(crypto: Crypto): Timed {
  const pair = new Pair(crypto)
  const message = randomBytes(MESSAGE_BYTES)
  return timed('splitcast', () => pair.carry(message, MESSAGES_A_RUN))
}

/** Two endpoints without a network between them; their clock goes on by what they wait for. */
class Pair {
  private readonly client: LinkEndpoint
  private readonly server: LinkEndpoint
  private readonly session: SessionId
  private now = 1_700_000_000_000
  private received = 0
  private acknowledged = 0
  private lastByte = 0

  constructor(crypto: Crypto) {
    const linkSecret = key(randomBytes(32))
    this.client = createEndpoint({}, crypto, systemRandom())
    this.server = createEndpoint({ linkSecret }, crypto, systemRandom())
    this.session = this.client.connect(this.now, crypto.x25519Public(linkSecret), SERVER)
    while (this.pump()) this.now += 1
  }

  carry(message: Uint8Array, count: number): number {
    const wanted = this.received + count
    const wantedAcks = this.acknowledged + count
    for (let i = 0; i < count; i++) {
      if (this.client.send(this.now, this.session, message) === undefined) throw new Error('the link took no more')
    }
    while (this.received < wanted || this.acknowledged < wantedAcks) {
      this.now += 1
      if (this.pump()) continue
      const due = Math.min(this.client.deadline() ?? Infinity, this.server.deadline() ?? Infinity)
      this.now = Math.max(this.now, due)
      this.client.timeout(this.now)
      this.server.timeout(this.now)
    }
    return this.lastByte
  }

  /** Moves what there is to move; whether there was anything. */
  private pump(): boolean {
    const sent = this.drain(this.client, this.server, CLIENT)
    return this.drain(this.server, this.client, SERVER) || sent
  }

  private drain(from: LinkEndpoint, to: LinkEndpoint, address: PeerAddress): boolean {
    let moved = false
    for (let output = from.poll(); output !== undefined; output = from.poll()) {
      if (output.type === 'transmit') {
        to.datagram(this.now, address, output.bytes)
        moved = true
      } else if (output.type === 'received') {
        this.received++
        this.lastByte = output.message[0] as number
      } else if (output.type === 'delivered') this.acknowledged++
      else if (output.type === 'closed') throw new Error(`the link was closed: ${output.reason}`)
    }
    return moved
  }
}
