/**
 * The rows on what servers read (requirement R19, PROTOCOL.md section 12), over recordings of whole networks: the secrets of each
 * server, of all proxies and of all servers together against everything recorded.
 */
import type { Crypto } from '../../src/crypto/crypto.js'
import { text } from '../sim/virtual-network.js'
import { crypto } from '../sim/world.js'
import { type Chain, countOf, type Decrypted, type Found } from './analyser.js'
import { clearContents, clearPayloads } from './broken.js'
import {
  allServers,
  decryptAs,
  type Evidence,
  everyDevice,
  type Holder,
  MEMBERS,
  record,
  recordBroken,
  type Truth,
} from './evidence.js'
import type { Recording } from './recording.js'
import type { Row, Variant } from './row.js'
import { stringRows } from './strings-rows.js'
import { Vault } from './vault.js'

export interface Extent {
  readonly seeds: readonly number[]
  readonly messages: number
}

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
    // The networks without decoys and cover are the smaller ones, and each look takes seconds.
    removedRow(evidence.filter((_, index) => index % 2 === 1)),
    ...stringRows(evidence, brokenSeed),
  ]
}

/** Who was removed, with every server on its side, against what came afterwards; as a check, with a member on its side as well. */
function removedRow(evidence: readonly Evidence[]): Row {
  const reads = (each: Evidence, devices: readonly number[]) => {
    const vaults = devices.map((index) => each.recording.vault(`device ${index}`))
    const holder = { name: `removed ${devices}`, vault: Vault.joined([allServers(each.recording).vault, ...vaults]) }
    const plaintexts = decryptAs(each, holder).found.map(({ plaintext }) => Buffer.from(plaintext))
    const count = (known: readonly Truth[]) =>
      known.filter(([, value]) => plaintexts.some((plaintext) => plaintext.includes(Buffer.from(value)))).length
    return { earlier: count(each.earlier), later: count(each.later) }
  }
  const sum = (results: readonly ReturnType<typeof reads>[], which: 'earlier' | 'later') =>
    results.reduce((total, result) => total + result[which], 0)
  const results = evidence.map((each) => reads(each, [MEMBERS]))
  const helped = evidence.slice(0, 1).map((each) => reads(each, [MEMBERS, 0]))
  const of = evidence.reduce((total, { later }) => total + later.length, 0)
  return {
    part: 'knowledge',
    claim:
      'a member that was removed reads, with all servers, what was sent before its removal and nothing of what is sent after it, nor a secret of the group',
    // Blind to what it could read it would prove nothing.
    holds: sum(results, 'later') === 0 && results.every(({ earlier }) => earlier > 0),
    measured: `${sum(results, 'later')} of ${of} later secrets and bodies, ${sum(results, 'earlier')} earlier ones`,
    variants: [
      {
        name: 'a remaining member helps it',
        caught: sum(helped, 'later') > 0,
        measured: `${sum(helped, 'later')} later secrets and bodies`,
      },
    ],
  }
}

/** One adversary: what it holds, and what its row allows. */
interface Party extends Holder {
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
  { ...joint('', [...proxiesOf(recording), ...serverOf(recording)], SERVERS), ...allServers(recording) },
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

type Made = ReturnType<Crypto['makeSlots']>

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
