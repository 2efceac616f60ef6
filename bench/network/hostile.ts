/**
 * A process that means harm: so many packets a second at a server and its proxies, from ports in several networks, of every kind
 * that a stranger without keys and one with a session can send.
 */
import { randomBytes, randomInt } from 'node:crypto'
import { concat, type Key, toHex } from '../../src/base/bytes.js'
import { labels } from '../../src/base/labels.js'
import { limits } from '../../src/base/limits.js'
import type { Crypto } from '../../src/crypto/crypto.js'
import type { Clock } from '../../src/driver/clock.js'
import { openUdp, type UdpSocket } from '../../src/driver/udp.js'
import type { PeerAddress } from '../../src/link/link.js'
import { datagramKinds, headByte, parseDatagram } from '../../src/wire/datagram.js'
import type { Frame } from '../../src/wire/frame.js'
import { encodeMessage, messageKinds, roles } from '../../src/wire/message.js'
import { HostileSession } from './hostile-session.js'

/** Who is attacked. */
export interface Target {
  readonly address: PeerAddress
  readonly linkKey: Key
  /** A valid request whose slots are junk; none where it takes no requests. */
  readonly request?: () => Uint8Array
}

type Act = (target: Target, socket: UdpSocket) => void

const NETWORKS = 8
const PORTS = 8
const TICK_MS = 10
const MOST_BEHIND_MS = 1000
/** Of each target. */
const SESSIONS = 24
const SESSION_PACKETS = 200
/** Valid packets that are kept to be sent again, whole or harmed. */
const RECORDED = 64
const COPY_BYTES = 300
const ASKS_A_PACKET = 20

export class Hostile {
  private readonly crypto: Crypto
  private readonly clock: Clock
  private readonly targets: readonly Target[]
  private readonly sockets: UdpSocket[] = []
  private readonly sessions = new Map<string, HostileSession>()
  private readonly ofTarget: HostileSession[][]
  private readonly recorded: Uint8Array[] = []
  private readonly acts: readonly (readonly [name: string, act: Act])[]
  private readonly sent: Record<string, number> = {}
  private timer: NodeJS.Timeout | undefined

  constructor(crypto: Crypto, clock: Clock, targets: readonly Target[]) {
    this.crypto = crypto
    this.clock = clock
    this.targets = targets
    this.ofTarget = targets.map(() => [])
    this.acts = [
      ['junk', (to, from) => from.send(to.address, junk())],
      ['half a handshake', (to, from) => this.session(to, from).begin()],
      ['harmed', (to, from) => from.send(to.address, harmed(this.any()))],
      ['replayed', (to, from) => from.send(to.address, this.any())],
      ['malformed', (to) => this.say(to, (each) => [message(each, malformed())])],
      ['malformed', (to) => this.say(to, () => [ping, { kind: 'pathChallenge', value: { data: randomBytes(8) } }])],
      ['fragment', (to) => this.say(to, (each) => [fragment(each)])],
      ['request', (to) => this.say(to, (each) => [message(each, to.request?.() ?? malformed())])],
      ['ask', (to) => this.say(to, (each) => Array.from({ length: ASKS_A_PACKET }, () => message(each, ask())))],
      ['proof', (to) => this.say(to, (each) => [message(each, this.proof(each)), message(each, copy())])],
    ]
  }

  /** Opens its ports and goes on until it is stopped. */
  async start(packetsPerSecond: number): Promise<void> {
    for (let number = 0; number < NETWORKS * PORTS; number++) {
      const socket = await openUdp({ host: `127.9.${1 + (number % NETWORKS)}.1`, port: 0 })
      socket.onDatagram((_, bytes) => this.take(bytes))
      this.sockets.push(socket)
    }
    let before = this.clock.now()
    this.timer = setInterval(() => {
      const now = this.clock.now()
      // What a busy machine held up is made up for, within bounds.
      this.tick((packetsPerSecond * Math.min(now - before, MOST_BEHIND_MS)) / 1000)
      before = now
    }, TICK_MS)
  }

  /** Packets sent so far, by kind. */
  counts(): Readonly<Record<string, number>> {
    return this.sent
  }

  async stop(): Promise<void> {
    clearInterval(this.timer)
    await Promise.allSettled(this.sockets.map((socket) => socket.close()))
  }

  private tick(packets: number): void {
    for (let i = 0; i < packets; i++) {
      const [name, act] = drawn(this.acts)
      act(drawn(this.targets), drawn(this.sockets))
      this.sent[name] = (this.sent[name] ?? 0) + 1
    }
  }

  private take(bytes: Uint8Array): void {
    const parsed = parseDatagram(bytes)
    if (parsed.ok && parsed.value.kind !== 'handshakeInit') {
      this.sessions.get(toHex(parsed.value.value.receiverIndex))?.take(parsed.value)
    }
  }

  /** Says something in a session of the target, and begins one where there are too few; what has said enough is abandoned. */
  private say(to: Target, frames: (session: HostileSession) => readonly Frame[]): void {
    const open = this.ofTarget[this.targets.indexOf(to)] as HostileSession[]
    if (open.length < SESSIONS) {
      const session = this.session(to, drawn(this.sockets))
      open.push(session)
      session.begin()
    }
    const session = drawn(open)
    session.say(...frames(session))
    if (--session.left > 0) return
    open.splice(open.indexOf(session), 1)
    this.sessions.delete(toHex(session.index))
  }

  private session(to: Target, from: UdpSocket): HostileSession {
    const session = new HostileSession(this.crypto, this.clock.now(), to, randomInt(1, SESSION_PACKETS), (bytes) => {
      this.recorded[randomInt(RECORDED)] = bytes
      from.send(to.address, bytes)
    })
    this.sessions.set(toHex(session.index), session)
    if (this.sessions.size > limits.sessions) this.sessions.delete([...this.sessions.keys()][0] as string)
    return session
  }

  private any(): Uint8Array {
    return this.recorded[randomInt(RECORDED)] ?? junk()
  }

  /** As a proxy that nobody has heard of: proxies that announce nothing are remembered nowhere. */
  private proof({ established }: HostileSession): Uint8Array {
    const identity = this.crypto.identity(randomBytes(32))
    const { identityKey } = identity
    const accessCode = new Uint8Array(2)
    const said = [established?.handshakeHash ?? junk(), Uint8Array.of(roles.proxy), identityKey, accessCode]
    const signature = this.crypto.sign(identity, labels.identityProof, ...said)
    return encodeMessage('identityProof', { role: 'proxy', identityKey, accessCode, signature })
  }
}

const ping: Frame = { kind: 'ping', value: {} }

function message(session: HostileSession, data: Uint8Array): Frame {
  return { kind: 'whole', value: { message: session.messages++, data } }
}

/** Of a large message that is never completed, now and then of one that is there already. */
function fragment(session: HostileSession): Frame {
  const data = randomBytes(randomInt(1, 1000))
  const offset = randomInt(limits.messageBytes - data.length)
  const number = randomInt(session.messages + 1)
  return { kind: 'fragment', value: { message: number, totalBytes: limits.messageBytes, offset, data } }
}

function malformed(): Uint8Array {
  return concat(Uint8Array.of(drawn(Object.values(messageKinds))), randomBytes(randomInt(300)))
}

function ask(): Uint8Array {
  return encodeMessage('receiptRequest', { ticket: randomBytes(16), tokenBytes: 4 * limits.copies })
}

function copy(): Uint8Array {
  const sealed = randomBytes(COPY_BYTES)
  return encodeMessage('copy', { reference: randomInt(2 ** 32 - 1), extension: new Uint8Array(0), sealed })
}

function junk(): Uint8Array {
  const bytes = randomBytes(randomInt(limits.datagramMaxBytes))
  const kind = drawn(Object.keys(datagramKinds)) as keyof typeof datagramKinds
  if (bytes.length > 0 && randomInt(2) === 0) bytes[0] = headByte(kind)
  return bytes
}

function harmed(bytes: Uint8Array): Uint8Array {
  if (randomInt(2) === 0) return bytes.subarray(0, randomInt(bytes.length + 1))
  const flipped = bytes.slice()
  const at = randomInt(bytes.length + 1)
  if (at < bytes.length) flipped[at] = (flipped[at] as number) ^ (1 << randomInt(8))
  return flipped
}

function drawn<T>(choices: readonly T[]): T {
  return choices[randomInt(choices.length)] as T
}
