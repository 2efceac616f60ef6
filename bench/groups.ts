/**
 * What a large group costs those in it, in virtual time: everybody joining, one more joining; and what a device of many groups
 * does for one copy. Bytes are of UDP payload, acknowledgements and receipts among them.
 */
import { randomBytes } from 'node:crypto'
import { createPassphrases, passphraseCost } from '../src/crypto/passphrase.js'
import { gather, idle, joinAll, joinOne, removeOne, type Step } from './groups/gathering.js'
import { type Opening, opening } from './groups/opening.js'
import type { Bytes, Traffic } from './groups/traffic.js'
import { effort } from './measure.js'
import { median, significant } from './statistics.js'
import type { BenchOptions, BenchReport } from './subject.js'
import { columns } from './text.js'

const MEMBERS = 1000
const QUICK_MEMBERS = 50
const PROXIES = 8
const GROUPS = 100
const MS_PER_SECOND = 1000
/** What joining a large group may make each other member receive. */
const JOIN_BYTES_ALLOWED = 400
/** What removing one may make the remover send for each member, and each who remains receive. */
const REKEY_UPLOAD_ALLOWED = 80
const REKEY_BYTES_ALLOWED = 700

export interface GatheringRow {
  readonly step: 'all join' | 'one more joins' | 'one is removed'
  readonly members: number
  readonly virtualSeconds: number
  readonly wallSeconds: number
  /** By role; of the others, the median and the most. */
  readonly roles: readonly { readonly role: string; readonly sentBytes: number; readonly receivedBytes: number }[]
}

export async function groups({ quick }: BenchOptions): Promise<BenchReport> {
  const members = quick ? QUICK_MEMBERS : MEMBERS
  const world = gather(members, PROXIES)
  const all = joinAll(world)
  const one = joinOne(world)
  const nothing = idle(world, one.virtualMs)
  const removal = removeOne(world)
  const others = (traffic: Traffic) => traffic.devices.slice(1, -1)
  const oneOther = median(others(one.traffic).map(({ received }) => received))
  const idleOther = median(others(nothing.traffic).map(({ received }) => received))
  const removed = rowOf('one is removed', members, removal)
  const rekeyed = {
    /** Of the whole upload: the message that rekeys, and the one that tells who was removed. */
    uploadBytesPerMember: significant((removal.traffic.devices[0] as Bytes).sent / members, 3),
    receivedBytes: median(removal.traffic.devices.slice(2).map(({ received }) => received)),
    requests: removal.traffic.requests,
  }
  const opened = opening(GROUPS, effort(quick))
  const derivationMs = await derivation()
  const rows = [rowOf('all join', members, all), rowOf('one more joins', members + 1, one), removed]
  const text = [
    ...rows.flatMap((row) => [describe(row), table(row), '']),
    `one more joins: each other member receives ${oneOther} bytes (median; ${JOIN_BYTES_ALLOWED} allowed), and ${idleOther} in as much time without`,
    `one is removed: ${rekeyed.requests} requests; the remover sends ${rekeyed.uploadBytesPerMember} bytes a member (${REKEY_UPLOAD_ALLOWED} allowed), each who remains receives ${rekeyed.receivedBytes} (median; ${REKEY_BYTES_ALLOWED} allowed)`,
    '',
    describeOpening(opened),
    `a passphrase costs either side ${derivationMs} ms (Argon2id)`,
  ].join('\n')
  const notes = [
    'in virtual time, one process: passphrases derived at the least cost there is; a signature that one device has verified is not verified again by another; everything else is the product’s own',
  ]
  const summary = {
    oneOtherReceivedBytes: oneOther,
    idleOtherReceivedBytes: idleOther,
    allowedBytes: JOIN_BYTES_ALLOWED,
  }
  const problems = [
    ...(oneOther > JOIN_BYTES_ALLOWED ? [`one more member cost each other ${oneOther} bytes`] : []),
    ...(rekeyed.receivedBytes > REKEY_BYTES_ALLOWED
      ? [`a removal cost each member ${rekeyed.receivedBytes} bytes`]
      : []),
    // In a small group, what a message costs whatever the group weighs more than this.
    ...(!quick && rekeyed.uploadBytesPerMember > REKEY_UPLOAD_ALLOWED
      ? [`a removal cost the remover ${rekeyed.uploadBytesPerMember} bytes a member`]
      : []),
  ]
  return {
    results: [...rows, summary, rekeyed, opened, { derivationMs }],
    ...{ text, notes },
    ...(problems.length > 0 && { problem: `${problems.join('; ')}: more than is allowed` }),
  }
}

function rowOf(step: GatheringRow['step'], members: number, { virtualMs, wallMs, traffic }: Step): GatheringRow {
  const [inviter, ...others] = traffic.devices as [Bytes, ...Bytes[]]
  const newcomer = others.at(-1) as Bytes
  const rest = others.slice(0, -1)
  const of = (role: string, { sent, received }: Bytes) => ({ role, sentBytes: sent, receivedBytes: received })
  const each = (pick: (values: readonly number[]) => number): Bytes => ({
    sent: pick(rest.map(({ sent }) => sent)),
    received: pick(rest.map(({ received }) => received)),
  })
  return {
    ...{ step, members },
    virtualSeconds: significant(virtualMs / MS_PER_SECOND, 3),
    wallSeconds: significant(wallMs / MS_PER_SECOND, 3),
    roles: [
      of('the inviter', inviter),
      ...(step === 'one more joins' ? [of('the newcomer', newcomer)] : []),
      of('another member, median', each(median)),
      of(
        'another member, most',
        each((values) => Math.max(...values)),
      ),
      of('all proxies as P1, from and to senders', traffic.fromSenders),
      of('all proxies, P1 to P2 and back', traffic.betweenProxies),
      of('all proxies as P2, from and to CS', traffic.toServer),
      of('CS, from and to proxies', traffic.fromProxies),
      of('CS, from and to devices', traffic.toDevices),
    ],
  }
}

function describe({ step, members, virtualSeconds, wallSeconds }: GatheringRow): string {
  return `${step}: ${members} members with one list after ${virtualSeconds} s of virtual time (${wallSeconds} s here)`
}

function table({ roles }: GatheringRow): string {
  const lines = roles.map(({ role, sentBytes, receivedBytes }) => [role, String(sentBytes), String(receivedBytes)])
  return columns([['bytes', 'sent', 'received'], ...lines])
}

function describeOpening(row: Opening): string {
  return [
    `${row.groups} groups in one device: a copy takes at most ${row.mostMultiplications} multiplications for ${row.keys} live keys`,
    `(median ${row.medianMultiplications}, in ${row.calls} calls), ${row.us} us at most, ${row.ratio.toFixed(1)} times as long as with one group`,
  ].join(' ')
}

/** Milliseconds of one derivation at the protocol's cost: the median of three. */
async function derivation(): Promise<number> {
  const passphrases = await createPassphrases()
  const times = Array.from({ length: 3 }, () => {
    const startedMs = performance.now()
    passphrases.argon2id(randomBytes(32), randomBytes(16), passphraseCost)
    return performance.now() - startedMs
  })
  return significant(median(times), 3)
}
