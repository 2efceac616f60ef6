/**
 * What a link could carry if the network cost nothing: packets sealed and opened a second, beside node:crypto, and
 * messages a second from one endpoint to another in one process, handshake left out.
 */
import { randomBytes } from 'node:crypto'
import { equal, key } from '../src/base/bytes.js'
import type { Crypto } from '../src/crypto/crypto.js'
import { loadCrypto } from '../src/driver/crypto.js'
import { systemRandom } from '../src/driver/random.js'
import { createEndpoint } from '../src/link/endpoint.js'
import type { LinkEndpoint, PeerAddress, SessionId } from '../src/link/link.js'
import { nodePackets } from './contestants/node.js'
import { effort, measure, type Timed, timed } from './measure.js'
import { significant } from './statistics.js'
import type { BenchOptions, BenchReport } from './subject.js'
import { columns } from './text.js'

const PACKET_BYTES = 1200
const FRAMES_BYTES = PACKET_BYTES - 25
const NOTHING = new Uint8Array(0)
const MESSAGE_BYTES = 1150
const MESSAGES_A_RUN = 64
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
  const { sealing, opening } = packets(crypto)
  const jobs: readonly [string, readonly Timed[], number][] = [
    ['packets sealed', sealing, 1],
    ['packets opened', opening, 1],
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

/** Sealing and opening of whole packets. Both must make the same packets, and open them. */
function packets(crypto: Crypto): { readonly sealing: Timed[]; readonly opening: Timed[] } {
  const [keys, index, frames] = [randomBytes(64), randomBytes(4), randomBytes(FRAMES_BYTES)]
  const node = nodePackets(keys, index)
  const packet = crypto.sealPacket(keys, index, 7, frames)
  const [masked, sealed] = [packet.subarray(5, 9), packet.subarray(9)]
  const ours = () => crypto.openPacket(keys, index, masked, sealed)?.frames
  const same = equal(node.seal(7, frames), packet) && equal(node.open(packet), ours() ?? NOTHING)
  if (!same) throw new Error('node:crypto does not make or open the packets that we do')
  let number = 0
  return {
    sealing: [
      timed('splitcast', () => crypto.sealPacket(keys, index, number++, frames)[9]),
      timed('node:crypto', () => node.seal(number++, frames)[9]),
    ],
    opening: [timed('splitcast', () => ours()?.[0]), timed('node:crypto', () => node.open(packet)[0])],
  }
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
