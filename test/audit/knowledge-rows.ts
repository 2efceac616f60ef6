/**
 * The rows on what servers read and on strings that come twice (requirements R19 and R20, PROTOCOL.md section 12), over recordings of
 * whole networks: the secrets of each server, of all proxies and of all servers together against everything recorded.
 */
import { toHex, utf8 } from '../../src/base/bytes.js'
import type { Crypto } from '../../src/crypto/crypto.js'
import { seeded } from '../base/seeded.js'
import { truths } from '../sim/knowledge.js'
import { text } from '../sim/virtual-network.js'
import { crypto, type DeviceActor } from '../sim/world.js'
import { type Chain, countOf, type Decrypted, decrypt, type Found } from './analyser.js'
import { brokenCopies, clearContents, clearPayloads } from './broken.js'
import { GROUP, Recording } from './recording.js'
import type { Row, Variant } from './row.js'
import { STRING_BYTES, Strings } from './strings.js'
import { Vault } from './vault.js'

export interface Extent {
  readonly seeds: readonly number[]
  readonly messages: number
}

type Truth = readonly [name: string, value: Uint8Array]

/** What one party may decrypt, by chain, with the truths that may stand there. */
interface Allowed {
  readonly chains: Partial<Record<Chain, readonly string[]>>
  /** Truths that have to turn up, or the analyser is blind. */
  readonly must: readonly string[]
}

const PROXY: Allowed = { chains: { link: ['proxy id'], request: [] }, must: ['link: proxy id'] }
const SERVER: Allowed = {
  chains: { link: ['identity key'], copy: [], slot: ['id'] },
  must: ['link: identity key', 'slot: id'],
}
const SERVERS: Allowed = {
  chains: { link: ['proxy id', 'identity key'], request: [], copy: [], slot: ['id'] },
  must: [...PROXY.must, ...SERVER.must],
}
const OUTSIDER: Allowed = { chains: { link: ['identity key'] }, must: ['link: identity key'] }

const ALL_SERVERS = 'all servers'
const MEMBERS = 5
const BODY_BYTES = 90
/** Copies a second that no proxy of these networks ever has. */
const ALWAYS = 1e6
const COVER_MEAN_MS = 10_000
const PASSPHRASE = utf8('a passphrase for the newcomer alone')
const BROKEN_MESSAGES = 2

/** Everything of one seed that the rows look at. */
interface Evidence {
  readonly recording: Recording
  readonly known: readonly Truth[]
  /** What parties decrypted, by their names: two rows look at the same. */
  readonly decrypted: Map<string, Decrypted>
}

export function knowledgeRows({ seeds, messages }: Extent): Row[] {
  const evidence = seeds.map((seed, index) => record(seed, index, messages))
  const brokenSeed = (seeds[0] as number) + 500
  return [
    knowledgeRow(
      'each proxy decrypts the packets of its own links and the requests sealed for it: the next hop, the number of copies, and no sender, recipient, group or content',
      evidence,
      proxiesOf,
      [
        broken(brokenSeed, proxiesOf, 'requests sealed under a key that is no secret', ({ recording }) =>
          everyDevice(recording, (real) => ({ ...real, makeSlots: (plan) => withKey(real.makeSlots(plan)) })),
        ),
        broken(brokenSeed, proxiesOf, 'slots not encrypted', ({ recording }) =>
          everyDevice(recording, (real) => ({
            ...real,
            makeSlots: (plan) => withSlots(real.makeSlots(plan), plan.recipients),
          })),
        ),
      ],
    ),
    knowledgeRow(
      'CS decrypts the packets of its own links and the copies: one recipient each, and no sender, group or content',
      evidence,
      serverOf,
      [broken(brokenSeed, serverOf, 'payloads not scrambled and content not sealed', withoutSeals)],
    ),
    knowledgeRow(
      'all proxies together decrypt no more than each alone: no recipient, no content',
      evidence,
      allProxiesOf,
      [],
    ),
    knowledgeRow('all proxies and CS together read no content and no group', evidence, allServersOf, [
      broken(brokenSeed, allServersOf, "a member's secrets in the servers' hands", ({ recording }) => recording, [0]),
    ]),
    knowledgeRow('a device outside the group decrypts its own links alone', evidence, outsiderOf, []),
    datagramStrings(evidence, brokenSeed),
    innerStrings(evidence, brokenSeed),
  ]
}

/** A network with a group, a newcomer who is invited and joins, a stranger, and messages by everybody. */
function record(seed: number, index: number, messages: number): Evidence {
  const recording = new Recording({
    ...{ seed, devices: MEMBERS + 2, proxies: 4 },
    // Every second network sends every copy by an extra hop, with decoys, and with cover traffic beside it.
    ...(index % 2 === 0 && {
      proxySettings: { extraHopBelow: ALWAYS },
      deviceSettings: { decoys: 'power', coverMeanMs: COVER_MEAN_MS },
    }),
    groups: [{ name: GROUP, members: Array.from({ length: MEMBERS }, (_, i) => i) }],
  })
  const { world } = recording
  const [host, newcomer] = [world.device(0), world.device(MEMBERS)]
  world.do(host, { type: 'invite', group: GROUP, address: newcomer.address, passphrase: PASSPHRASE })
  world.runUntil('the invitation arrives', () => newcomer.node.machine.status().unopened > 0)
  world.do(newcomer, { type: 'join', passphrase: PASSPHRASE, name: GROUP })
  world.runUntil('lists agree', () => world.listsAgree(GROUP, MEMBERS + 1))
  // Without a second proxy the sender makes the copy itself.
  const letter = seeded(seed + 8)(BODY_BYTES)
  world.do(world.device(1), { type: 'send', group: GROUP, body: letter, direct: { to: world.device(2).self.id } })
  recording.copiesMade++
  const bodies = recording.talk(world.devices.slice(0, MEMBERS + 1), messages, BODY_BYTES, seed + 7)
  const known = [...truths(world, GROUP, [...bodies, letter]), ['passphrase', PASSPHRASE] as const]
  return { recording, known: [...known, ...world.devices.map(binaryAddress)], decrypted: new Map() }
}

/** An address as it would stand in a message: the host's bytes and the port's. */
function binaryAddress({ node }: DeviceActor): Truth {
  const host = (node.natHost ?? node.address.host).split('.').map(Number)
  return ['address', Uint8Array.from([...host, node.natPort >> 8, node.natPort & 255])]
}

/** One adversary: what it holds, and what its row allows. */
interface Party {
  readonly name: string
  readonly vault: Vault
  readonly allowed: Allowed
  /** Addresses at which its own links end; `undefined` for more than one node. */
  readonly own: readonly string[]
  /** What the machines say of how many requests and copies there were. */
  readonly requests: number
  readonly copies: number
}

type Cast = (recording: Recording) => Party[]

const proxiesOf: Cast = (recording) =>
  recording.world.proxies.map(({ name, node }) => ({
    ...{ name, vault: recording.vault(name), allowed: PROXY, own: [text(node.address)] },
    ...{ requests: node.machine.status().splitRequests, copies: 0 },
  }))

const serverOf: Cast = (recording) => {
  const { name, node } = recording.world.server
  const own = [text(node.address)]
  return [{ name, vault: recording.vault(name), allowed: SERVER, own, requests: 0, copies: recording.copiesMade }]
}

const allProxiesOf: Cast = (recording) => [joint('all proxies', proxiesOf(recording), PROXY)]
const allServersOf: Cast = (recording) => [
  joint(ALL_SERVERS, [...proxiesOf(recording), ...serverOf(recording)], SERVERS),
]

const outsiderOf: Cast = (recording) => {
  const { name, node } = recording.world.device(MEMBERS + 1)
  const own = [text({ host: node.natHost ?? node.address.host, port: node.natPort })]
  return [{ name, vault: recording.vault(name), allowed: OUTSIDER, own, requests: 0, copies: 0 }]
}

function joint(name: string, parties: readonly Party[], allowed: Allowed): Party {
  const sum = (count: (party: Party) => number) => parties.reduce((total, party) => total + count(party), 0)
  return {
    ...{
      name,
      vault: Vault.joined(parties.map(({ vault }) => vault)),
      allowed,
      own: parties.flatMap(({ own }) => own),
    },
    ...{ requests: sum(({ requests }) => requests), copies: sum(({ copies }) => copies) },
  }
}

function knowledgeRow(claim: string, evidence: readonly Evidence[], cast: Cast, variants: readonly Variant[]): Row {
  const results = evidence.flatMap((each) => cast(each.recording).map((party) => examine(each, party)))
  const faults = [...new Set(results.flatMap((result) => result.faults))]
  const sum = (count: (result: Examined) => number) => results.reduce((total, result) => total + count(result), 0)
  const found = `${sum(({ opened }) => opened)} of ${sum(({ recorded }) => recorded)} datagrams, ${sum(({ requests }) => requests)} requests, ${sum(({ copies }) => copies)} copies`
  const measured = faults.length === 0 ? found : faults.slice(0, 5).join('; ')
  return { part: 'knowledge', claim, holds: faults.length === 0, measured, variants }
}

interface Examined {
  readonly faults: readonly string[]
  readonly opened: number
  readonly recorded: number
  readonly requests: number
  readonly copies: number
}

/** Decrypts what can be decrypted, and holds it against the row: nothing besides, and nothing missing. */
function examine(evidence: Evidence, party: Party): Examined {
  const { recording, known } = evidence
  const decrypted = decryptAs(evidence, party)
  const { found, opened } = decrypted
  const requests = found.filter(({ chain }) => chain === 'request').length
  const copies = found.filter(({ chain }) => chain === 'copy').length
  const faults = [...linkFaults(recording, party, decrypted), ...truthFaults(known, party, found)]
  faults.push(...countFaults(party.name, 'requests', requests, party.requests))
  faults.push(...countFaults(party.name, 'copies', copies, party.copies))
  if (found.some((each) => each.chain === 'request' && countOf(each) === 0)) faults.push('a request without a count')
  return { faults, opened: opened.length, recorded: recording.datagrams.length, requests, copies }
}

function countFaults(name: string, what: string, opened: number, due: number): string[] {
  if (opened === due) return []
  return [`${name} opens ${opened} ${what}, ${opened > due ? 'more' : 'fewer'} than the ${due} that are for it`]
}

function decryptAs({ recording, decrypted }: Evidence, { name, vault }: Pick<Party, 'name' | 'vault'>): Decrypted {
  const before = decrypted.get(name)
  if (before !== undefined) return before
  const directory = recording.world.proxies[0]?.node.machine.status().directory
  const serverKeys = [...(directory?.serverSealingKeys.values() ?? [])]
  const made = decrypt(crypto, vault, recording.datagrams, { serverKeys })
  decrypted.set(name, made)
  return made
}

const PACKET = 0x14

/** Packets of its own links open, all of them, and no others. */
function linkFaults(recording: Recording, { name, own }: Party, { opened }: Decrypted): string[] {
  const isOwn = ({ from, to }: { readonly from: string; readonly to: string }) => own.includes(from) || own.includes(to)
  const foreign = opened.find((datagram) => !isOwn(datagram))
  const packets = recording.datagrams.filter((datagram) => datagram.bytes[0] === PACKET && isOwn(datagram)).length
  const faults = foreign === undefined ? [] : [`${name} opens a packet from ${foreign.from} to ${foreign.to}`]
  if (foreign === undefined && opened.length !== packets)
    faults.push(`${name} opens ${opened.length} of its ${packets} packets`)
  return faults
}

function truthFaults(known: readonly Truth[], { name, allowed }: Party, found: readonly Found[]): string[] {
  const faults = new Set<string>()
  const learnt = new Set<string>()
  for (const { chain, format, plaintext } of found) {
    const may = allowed.chains[chain]
    if (may === undefined) faults.add(`${name} opens a ${chain}`)
    const bytes = Buffer.from(plaintext)
    for (const [truth, value] of known) {
      if (!bytes.includes(Buffer.from(value))) continue
      learnt.add(`${chain}: ${truth}`)
      if (!may?.includes(truth)) faults.add(`${name} reads the ${truth} in a ${chain} (${format})`)
    }
  }
  // A proxy may by chance have been nobody's first or second.
  const missing =
    found.length === 0 ? allowed.must : allowed.must.filter((each) => !learnt.has(each) && !name.startsWith('proxy'))
  return [...faults, ...missing.map((each) => `${name} does not read ${each}, which it has to`)]
}

/** A small network in which something is broken once the group stands; caught if its row is no longer kept. */
function broken(
  seed: number,
  cast: Cast,
  name: string,
  breakIt: (evidence: { readonly recording: Recording }) => unknown,
  added: readonly number[] = [],
): Variant {
  const evidence = recordBroken(seed, breakIt)
  const faults = cast(evidence.recording).flatMap((party) => {
    const extra = added.map((index) => evidence.recording.vault(`device ${index}`))
    return examine(evidence, { ...party, vault: Vault.joined([party.vault, ...extra]) }).faults
  })
  // Where nothing arrives any more, counts are wrong as well; what is looked for is that something leaks.
  const leaks = [...new Set(faults)].filter((fault) => / reads the | opens a |, more than/.test(fault))
  return { name, caught: leaks.length > 0, measured: leaks.slice(0, 2).join('; ') || 'nothing found' }
}

function recordBroken(seed: number, breakIt: (evidence: { readonly recording: Recording }) => unknown): Evidence {
  const recording = new Recording({
    ...{ seed, devices: 3, proxies: 3 },
    groups: [{ name: GROUP, members: [0, 1, 2] }],
  })
  breakIt({ recording })
  const bodies = recording.talk(recording.world.devices, BROKEN_MESSAGES, BODY_BYTES, seed + 7)
  return { recording, known: truths(recording.world, GROUP, bodies), decrypted: new Map() }
}

type Change = (real: Crypto) => Crypto
type Made = ReturnType<Crypto['makeSlots']>

function everyDevice(recording: Recording, change: Change): void {
  for (const { name } of recording.world.devices) recording.replaceCrypto(name, change)
}

function everyNode(recording: Recording, change: Change): void {
  const { server, proxies } = recording.world
  for (const { name } of [server, ...proxies]) recording.replaceCrypto(name, change)
  everyDevice(recording, change)
}

function withKey(made: Made): Made {
  return made && { ...made, requestKey: new Uint8Array(32) as typeof made.requestKey }
}

function withSlots(made: Made, recipients: Uint8Array): Made {
  return made && { ...made, slots: recipients.slice() }
}

/** Payloads and contents that are only framed. */
function withoutSeals({ recording }: { readonly recording: Recording }): void {
  everyDevice(recording, clearContents)
  recording.jobCrypto = clearPayloads(crypto)
}

function datagramStrings(evidence: readonly Evidence[], seed: number): Row {
  const results = evidence.map(({ recording }) => stringsOfDatagrams(recording))
  const repeats = results.flatMap((strings) => strings.repeats)
  const examined = results.reduce((sum, strings) => sum + strings.examined, 0)
  const unencrypted = stringsOfDatagrams(
    recordBroken(seed, ({ recording }) => everyNode(recording, withoutPackets)).recording,
  ).repeats
  return {
    part: 'byte strings',
    claim: `no string of ${STRING_BYTES} bytes in two datagrams, of any links; a handshake repeated on its own link and the empty cookie field of its first message apart`,
    holds: repeats.length === 0,
    measured: `${repeats.length} among ${examined} strings${repeats[0] ? `: ${repeats[0].first}, ${repeats[0].second}` : ''}`,
    variants: [
      {
        name: 'links that do not encrypt',
        caught: unencrypted.length > 0,
        measured: `${unencrypted.length} strings twice`,
      },
    ],
  }
}

const INIT = 0x11
const COOKIE_MAC_BYTES = 16

function stringsOfDatagrams({ datagrams }: Recording): Strings {
  const strings = new Strings()
  for (const [index, { from, to, bytes }] of datagrams.entries()) {
    const link = `${from} to ${to}`
    if (bytes[0] === PACKET) strings.add(`packet ${index}, ${link}`, bytes)
    else {
      const cut = bytes[0] === INIT ? bytes.subarray(0, bytes.length - COOKIE_MAC_BYTES) : bytes
      strings.add(`handshake ${toHex(crypto.hash(bytes))}, ${link}`, cut)
    }
  }
  return strings
}

/** Frames that anybody reads. */
function withoutPackets(real: Crypto): Crypto {
  const number = (value: number) => Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value)
  return {
    ...real,
    sealPacket: (_, receiverIndex, counted, frames) =>
      Buffer.concat([Uint8Array.of(PACKET), receiverIndex, number(counted), frames, new Uint8Array(16)]),
    openPacket: (_, __, counted, sealed) => ({
      number: Buffer.from(counted).readUInt32BE(),
      frames: sealed.slice(0, -16),
    }),
  }
}

function innerStrings(evidence: readonly Evidence[], seed: number): Row {
  const results = evidence.map(stringsInside)
  const repeats = results.flatMap((strings) => strings.repeats)
  const examined = results.reduce((sum, strings) => sum + strings.examined, 0)
  const variants = brokenCopies
    .filter(({ name }) => /e_i reused|outer ephemeral constant/.test(name))
    .map(({ name, of }): Variant => {
      const evidence = recordBroken(seed, ({ recording }) => {
        recording.jobCrypto = of(crypto)
      })
      const found = stringsInside(evidence).repeats
      const measured =
        found[0] === undefined
          ? 'nothing found'
          : `${found.length} strings twice, ${found[0].first} and ${found[0].second}`
      return { name, caught: found.length > 0, measured }
    })
  return {
    part: 'byte strings',
    claim: `no string of ${STRING_BYTES} bytes in two requests or two copies as servers read them, nor in a request and a copy; a request is the same at P1 and P2, its ticket (part of R, or of a direct message's copy) in receipts, its tokens at P2 and P1, a sealed copy at P2 (and P3) and CS, a payload at CS and in its delivery`,
    holds: repeats.length === 0,
    measured: `${repeats.length} among ${examined} strings${repeats[0] ? `: ${repeats[0].first}, ${repeats[0].second}` : ''}`,
    variants,
  }
}

/** All that the servers decrypt, each object a thread. */
function stringsInside(evidence: Evidence): Strings {
  const strings = new Strings()
  const { found } = decryptAs(
    evidence,
    joint(ALL_SERVERS, [...proxiesOf(evidence.recording), ...serverOf(evidence.recording)], SERVERS),
  )
  const threads = new Threads()
  for (const each of found) for (const [thread, bytes] of threads.of(each)) strings.add(thread, bytes)
  return strings
}

const REQUEST_KIND = 0x11
/** Kind, reference and empty extension of a message *copy*. */
const COPY_HEAD_BYTES = 6

type Piece = readonly [thread: string, bytes: Uint8Array]

/** The pieces of what was decrypted, each under the name of the object that it is. */
class Threads {
  private readonly byTicket = new Map<string, string>()
  private readonly byPayload = new Map<string, string>()

  of({ chain, format, fields, plaintext }: Found): Piece[] {
    if (chain === 'request') {
      const body = `request body ${digest(plaintext)}`
      return ['oneTimeBase', 'oneTimeKey', 'slots', 'content'].flatMap((name) =>
        piece(`${name} of ${body}`, fields[name]),
      )
    }
    if (chain === 'copy') return this.copy(plaintext, fields['payload'])
    switch (format) {
      case 'forward':
        return this.forwarded(fields['message'] ?? plaintext)
      case 'request':
        return this.request(plaintext.subarray(1))
      case 'copy':
        return sealedCopy(fields['sealed'] ?? plaintext)
      case 'delivery':
        return piece(
          this.byPayload.get(toHex(fields['payload'] ?? plaintext)) ?? 'a delivery of no copy',
          fields['payload'],
        )
      case 'receipts':
      case 'receiptReply':
      case 'receiptRequest':
        return this.receipt(fields['ticket'] ?? plaintext, fields['tokens'])
      default:
        return []
    }
  }

  private forwarded(message: Uint8Array): Piece[] {
    if (message[0] === REQUEST_KIND) return this.request(message.subarray(1))
    const sealed = message.subarray(COPY_HEAD_BYTES)
    // Of a message without a second proxy the ticket is part of the sealed copy, which S and P1 hold both.
    this.byTicket.set(toHex(sealed.subarray(0, STRING_BYTES)), `sealed copy ${digest(sealed)}`)
    return sealedCopy(sealed)
  }

  private request(bytes: Uint8Array): Piece[] {
    const thread = `request ${digest(bytes)}`
    this.byTicket.set(toHex(bytes.subarray(0, STRING_BYTES)), thread)
    return piece(thread, bytes)
  }

  private copy(plaintext: Uint8Array, payload: Uint8Array | undefined): Piece[] {
    const thread = `copy ${digest(plaintext)}`
    if (payload !== undefined) this.byPayload.set(toHex(payload), thread)
    return piece(thread, plaintext)
  }

  private receipt(ticket: Uint8Array, tokens: Uint8Array | undefined): Piece[] {
    const named = this.byTicket.get(toHex(ticket)) ?? 'a ticket of no request'
    return [...piece(named, ticket), ...piece(`tokens of ${toHex(ticket)}`, tokens)]
  }
}

function sealedCopy(bytes: Uint8Array): Piece[] {
  return piece(`sealed copy ${digest(bytes)}`, bytes)
}

function piece(thread: string, bytes: Uint8Array | undefined): Piece[] {
  return bytes === undefined ? [] : [[thread, bytes]]
}

function digest(bytes: Uint8Array): string {
  return toHex(crypto.hash(bytes)).slice(0, 16)
}
