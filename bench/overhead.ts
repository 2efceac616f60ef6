/**
 * What a message costs the sender beyond its body, from datagrams really sent: a device with a real socket sends to groups
 * of many sizes through real proxies. The other members are records alone; what is measured ends at P1.
 */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { key } from '../src/base/bytes.js'
import type { Crypto } from '../src/crypto/crypto.js'
import { loadCrypto } from '../src/driver/crypto.js'
import { openDataDirectory } from '../src/driver/data-directory.js'
import { openDevice } from '../src/driver/device.js'
import type { Device } from '../src/driver/device-api.js'
import { openProxy } from '../src/driver/proxy.js'
import { systemRandom } from '../src/driver/random.js'
import { openServer } from '../src/driver/server.js'
import { openStore } from '../src/driver/store.js'
import type { DecoyMode } from '../src/group/decoys.js'
import type { Group, PaddingMode } from '../src/group/group.js'
import { mergeRecords } from '../src/group/history.js'
import { nodeIdOf } from '../src/group/identity.js'
import { createRecord } from '../src/group/member-list.js'
import { createGroup } from '../src/group/membership.js'
import { encodeGroup } from '../src/group/storage.js'
import { keys } from '../src/role/device/records.js'
import type { UploadReport } from '../src/role/device.js'
import { otherSchemes } from './others.js'
import type { BenchOptions, BenchReport } from './subject.js'
import { columns } from './text.js'

const RECIPIENTS = [2, 8, 32, 128, 512, 999]
const BODIES = [0, 200, 1024, 8192]
const PADDINGS: readonly PaddingMode[] = ['none', 'classes', 'cell']
const DECOYS: readonly DecoyMode[] = ['none', 'power']

/** What requirement R18 allows. */
const FIXED_BYTES_ALLOWED = 352
const SLOPE_ALLOWED = 10.5

export interface OverheadRow {
  readonly padding: PaddingMode
  readonly decoys: DecoyMode
  /** Others than the sender. */
  readonly recipients: number
  readonly bodyBytes: number
  readonly uploadBytes: number
  readonly datagrams: number
  readonly slotBytes: number
  readonly fixedBytes: number
  readonly paddingBytes: number
  readonly furtherDatagramBytes: number
  /** Bytes beyond the body of one copy, P2 to CS, and of one delivery, CS to T. */
  readonly copyBeyondBody: number
  readonly deliveryBeyondBody: number
}

type Setting = Pick<OverheadRow, 'padding' | 'decoys'>

export interface OverheadSummary {
  readonly fixedBytes: number
  readonly fixedBytesAllowed: number
  /** Bytes of each further recipient. */
  readonly slope: number
  readonly slopeAllowed: number
}

export async function overhead({ quick }: BenchOptions): Promise<BenchReport> {
  const rows = await measure(quick ? [2, 999] : RECIPIENTS, quick ? [200] : BODIES)
  const fixed = pick(rows, 2, 200).fixedBytes
  const slope = (pick(rows, 999, 200).uploadBytes - pick(rows, 2, 200).uploadBytes) / (999 - 2)
  const summary: OverheadSummary = {
    fixedBytes: fixed,
    fixedBytesAllowed: FIXED_BYTES_ALLOWED,
    slope,
    slopeAllowed: SLOPE_ALLOWED,
  }
  const text = [
    columns([HEADINGS, ...rows.map(cells)]),
    '',
    `fixed, body 200, one datagram, no padding: ${fixed} bytes (${FIXED_BYTES_ALLOWED} allowed)`,
    `slope between 2 and 999 recipients:        ${slope.toFixed(2)} bytes each (${SLOPE_ALLOWED} allowed)`,
    '',
    'bytes a member in one upload; all but ours as their sources say, not measured here:',
    columns(schemes(slope)),
    '',
    ...otherSchemes.map(({ scheme, covers, source }) => `${scheme}: ${covers} (${source})`),
  ].join('\n')
  return { results: [...rows, summary, ...otherSchemes], text }
}

function schemes(slope: number): string[][] {
  const others = otherSchemes.map(({ scheme, bytesPerMember }) => [
    ...[scheme, bytesPerMember.toFixed(0), (bytesPerMember / slope).toFixed(1)],
  ])
  return [['scheme', 'bytes', 'ratio'], ['splitcast', slope.toFixed(2), '1.0'], ...others]
}

function pick(rows: readonly OverheadRow[], recipients: number, bodyBytes: number): OverheadRow {
  const found = rows.find(
    (row) =>
      row.padding === 'none' && row.decoys === 'none' && row.recipients === recipients && row.bodyBytes === bodyBytes,
  )
  if (found === undefined) throw new Error(`no row for ${recipients} recipients and ${bodyBytes} bytes`)
  return found
}

const HEADINGS = [
  'padding',
  'decoys',
  'recipients',
  'body',
  'upload',
  'datagrams',
  'slots',
  'fixed',
  'padded',
  'further',
  'copy+',
  'delivery+',
]

function cells(row: OverheadRow): string[] {
  const { padding, decoys, ...numbers } = row
  return [padding, decoys, ...Object.values(numbers).map(String)]
}

async function measure(recipientCounts: readonly number[], bodies: readonly number[]): Promise<OverheadRow[]> {
  const directory = await mkdtemp(join(tmpdir(), 'splitcast-bench-'))
  const server = await openServer({ data: join(directory, 'server'), listen: '127.0.0.1:0' })
  const proxies = await Promise.all(
    [2, 3].map((host) =>
      openProxy({ network: server.card, data: join(directory, `proxy-${host}`), listen: `127.0.0.${host}:0` }),
    ),
  )
  const data = join(directory, 'device')
  await writeGroups(data, recipientCounts)
  const device = await openDevice({ network: server.card, data })
  try {
    await device.ready()
    const rows: OverheadRow[] = []
    for (const padding of PADDINGS) {
      for (const bodyBytes of bodies) {
        for (const decoys of DECOYS) {
          for (const recipients of recipientCounts) {
            rows.push(await send(device, { padding, decoys }, recipients, bodyBytes))
          }
        }
      }
    }
    return rows
  } finally {
    await Promise.all([device, ...proxies, server].map((node) => node.close()))
    await rm(directory, { recursive: true })
  }
}

async function send(device: Device, setting: Setting, recipients: number, bodyBytes: number): Promise<OverheadRow> {
  const group = device.groups.get(groupName(recipients))
  if (group === undefined) throw new Error(`the group of ${recipients} was not restored`)
  return rowOf(setting, recipients, await group.send(new Uint8Array(bodyBytes).fill(1), { ...setting, wait: false }))
}

function rowOf(setting: Setting, recipients: number, report: UploadReport): OverheadRow {
  return {
    ...setting,
    recipients,
    bodyBytes: report.bodyBytes,
    uploadBytes: report.uploadBytes,
    datagrams: report.datagrams,
    slotBytes: 10 * report.slots,
    fixedBytes: report.fixedBytes,
    paddingBytes: report.paddingBytes,
    furtherDatagramBytes: report.furtherDatagramBytes,
    copyBeyondBody: report.copyBytes - report.bodyBytes,
    deliveryBeyondBody: report.deliveryBytes - report.bodyBytes,
  }
}

/** Puts groups of members that have keys and signed records, and no devices, into a device's store. */
async function writeGroups(data: string, recipientCounts: readonly number[]): Promise<void> {
  const crypto = await loadCrypto()
  const { identity: stored } = await openDataDirectory(data, 'node')
  const store = await openStore(join(data, 'store'))
  const groups = recipientCounts.map((recipients) => groupOf(crypto, stored, recipients))
  await store.write(groups.map((group) => ({ key: keys.group(group.id), value: encodeGroup(group) })))
  await store.close()
}

function groupOf(crypto: Crypto, stored: { seed: Uint8Array; accessCode: Uint8Array }, recipients: number): Group {
  const random = systemRandom()
  const identity = crypto.identity(stored.seed)
  const self = nodeIdOf(crypto, identity.identityKey)
  const now = Date.now()
  const { accessCode } = stored
  const group = createGroup(crypto, random, { identity, self, accessCode, name: groupName(recipients), now })
  const records = Array.from({ length: recipients }, () => {
    const { identityKey } = crypto.identity(key(random(32)))
    return createRecord(crypto, {
      identity,
      inviter: self,
      groupId: group.id,
      identityKey,
      accessCode: random(2),
      role: 'member',
      since: now + 1,
    })
  })
  return { ...group, list: mergeRecords(crypto, group.id, group.list, records).list }
}

function groupName(recipients: number): string {
  return `group-of-${recipients}`
}
