/**
 * Holds what each node read against what it may learn (PROTOCOL.md section 12), and what passes a proxy against itself.
 * Looks for true values anywhere inside what was read, not only for fields that equal one.
 */
import { concat, toHex, utf8 } from '../../src/base/bytes.js'
import type { PeerAddress } from '../../src/link/link.js'
import { text } from './virtual-network.js'
import type { DeviceActor, Read, World } from './world.js'

type Truth = readonly [name: string, value: Uint8Array]

interface Row {
  readonly part: string
  readonly formats: readonly string[]
  /** Truths that may stand in these fields. */
  readonly may: Readonly<Record<string, readonly string[]>>
}

/** What everybody reads who holds a directory. */
const DIRECTORY = [
  'directory reply',
  'directory delta',
  'removed proxy',
  'proxy entry',
  'sealing key',
  'network address',
]

const proxyRows: readonly Row[] = [
  {
    part: 'P1',
    formats: ['forward', 'forward link', 'receipts', 'receipt request'],
    may: { 'forward link.source': ['address'], 'forward.nextHop': ['proxy id'] },
  },
  {
    part: 'P2',
    formats: ['request', 'request link', 'request body', 'copy answer', 'copy answers'],
    may: { 'request link.source': ['proxy address'] },
  },
  { part: 'P3', formats: ['copy link'], may: { 'copy link.source': ['proxy address'] } },
  {
    part: 'proxy',
    formats: [...DIRECTORY, 'dial back', 'proxy standing'],
    may: { 'removed proxy.id': ['proxy id'] },
  },
]

const anyone = ['id', 'identity key', 'address', 'proxy id', 'proxy address']
const serverRows: readonly Row[] = [
  {
    part: 'CS, of its links',
    formats: ['identity proof', 'device link', 'proxy link', 'directory request'],
    may: {
      'identity proof.identityKey': anyone,
      'device link.id': anyone,
      'device link.address': anyone,
      'proxy link.id': anyone,
      'proxy link.address': anyone,
    },
  },
  {
    part: 'CS, of proxies',
    formats: ['proxy announcement', 'proxy entry', 'sealing key', 'network address', 'dial back result'],
    may: {},
  },
  {
    part: 'CS, of copies',
    formats: ['copy', 'copy opened', 'delivery number', 'delivery confirmation'],
    may: { 'copy opened.recipient': ['id'], 'copy opened.source': ['proxy id'] },
  },
]

const deviceRows: readonly Row[] = [
  {
    part: 'T',
    formats: ['delivery', 'message opened', ...DIRECTORY, 'busy', 'receipt reply'],
    may: {
      'removed proxy.id': ['proxy id'],
      'message opened.groupId': ['group id'],
      'message opened.sender': ['id'],
      'message opened.messageId': ['message id'],
      'message opened.body': ['body', 'id', 'identity key', 'group id', 'group name'],
    },
  },
]

/** What is true of a group and what was said in it. */
export function truths(world: World, group: string, bodies: readonly Uint8Array[]): Truth[] {
  const { id, keys } = world.group(world.device(0), group)
  const devices = world.devices.flatMap((device): Truth[] => [
    ['id', device.self.id],
    ['identity key', device.self.identity.identityKey],
    ['address', utf8(outerAddress(device))],
    // Made where they stand, and shown to nobody: in no role's row.
    ['device private key', device.self.identity.seed],
    ['device private key', device.self.identity.secretScalar],
  ])
  const proxies = world.proxies.flatMap(({ self, node }): Truth[] => [
    ['proxy id', self.id],
    ['proxy address', utf8(text(node.address))],
  ])
  const ids = world.devices.flatMap(({ inbox }) => inbox.map(({ messageId }): Truth => ['message id', messageId]))
  return [
    ...devices,
    ...proxies,
    ...ids,
    ['group id', id],
    ['group name', utf8(group)],
    ['group key', keys.publicPoint],
    ['group secret', keys.secret],
    ['group private key', keys.privateKey],
    ['group symmetric secret', keys.symmetric],
    ...bodies.map((body): Truth => ['body', body]),
  ]
}

/** Whatever somebody read and may not learn; empty where all keep to their rows. */
export function leaks(world: World, known: readonly Truth[]): string[] {
  return [
    ...world.proxies.flatMap(({ name, read }) => leaksOf(name, read, proxyRows, known)),
    ...leaksOf('server', world.server.read, serverRows, known),
    ...world.devices.flatMap(({ name, read }) => leaksOf(name, read, deviceRows, known)),
  ]
}

function leaksOf(name: string, read: readonly Read[], rows: readonly Row[], known: readonly Truth[]): string[] {
  const found = new Set<string>()
  for (const { format, field, value } of read) {
    const row = rows.find(({ formats }) => formats.includes(format))
    if (row === undefined) found.add(`${name} reads ${format}, which is in none of its rows`)
    const may = row?.may[`${format}.${field}`] ?? []
    for (const [truth, bytes] of known) {
      if (may.includes(truth) || !Buffer.from(value).includes(Buffer.from(bytes))) continue
      found.add(`${name} as ${row?.part ?? 'nobody'} reads the ${truth} in ${format}.${field}`)
    }
  }
  return [...found]
}

/** Fields that were read and what of the truth stood in them, to see that the observers live. */
export function learnt(read: readonly Read[], known: readonly Truth[]): Set<string> {
  const names = new Set<string>()
  for (const { format, field, value } of read) {
    for (const [truth, bytes] of known)
      if (Buffer.from(value).includes(Buffer.from(bytes))) names.add(`${format}.${field}: ${truth}`)
  }
  return names
}

/** Address by which others see a device. */
export function outerAddress({ node }: DeviceActor): string {
  return text({ host: node.natHost ?? node.address.host, port: node.natHost ? node.natPort : node.address.port })
}

/** Byte strings of 8 that stand in more than one of the values. */
export function common(values: readonly Uint8Array[]): string[] {
  const seen = new Map<string, number>()
  const found = new Set<string>()
  for (const [index, value] of values.entries()) {
    for (const window of windowsOf(value)) {
      const before = seen.get(window)
      if (before !== undefined && before !== index) found.add(toHex(Buffer.from(window, 'latin1')))
      seen.set(window, index)
    }
  }
  return [...found]
}

const WINDOW_BYTES = 8

function windowsOf(bytes: Uint8Array): string[] {
  const latin = Buffer.from(bytes).toString('latin1')
  return Array.from({ length: Math.max(0, latin.length - WINDOW_BYTES + 1) }, (_, i) =>
    latin.slice(i, i + WINDOW_BYTES),
  )
}

const HANDSHAKE_INIT = 0x11
const PACKET = 0x14
const COOKIE_MAC_BYTES = 16
/** The kind and the session's name at its receiver: the same in every packet of a session, and no more than addresses tell. */
const PACKET_HEAD_BYTES = 5

/** Watches every link of a proxy, as an observer outside does. */
export class Observer {
  readonly repeats: string[] = []
  private readonly seen = new Map<string, string>()
  private readonly proxy: string

  constructor(proxy: PeerAddress) {
    this.proxy = text(proxy)
  }

  readonly tap = (from: PeerAddress, to: PeerAddress, bytes: Uint8Array): void => {
    if (text(from) !== this.proxy && text(to) !== this.proxy) return
    const direction = `${text(from)} to ${text(to)}`
    for (const window of windowsOf(variable(bytes))) {
      const before = this.seen.get(window)
      if (before !== undefined) this.repeats.push(`${before}, then ${direction}`)
      this.seen.set(window, direction)
    }
  }
}

/** What of a datagram could tell anything; a handshake without a cookie has zero bytes in its place. */
function variable(bytes: Uint8Array): Uint8Array {
  if (bytes[0] === HANDSHAKE_INIT) return bytes.subarray(0, bytes.length - COOKIE_MAC_BYTES)
  if (bytes[0] === PACKET) return bytes.subarray(PACKET_HEAD_BYTES)
  return bytes
}

/** P1 and P2 of every request that came through: who forwarded, and to whom. */
export function routes(world: World): { first: string; second: string }[] {
  const byId = new Map(world.proxies.map(({ name, self }) => [toHex(self.id), name]))
  return world.proxies.flatMap(({ name, read }) =>
    read
      .filter(({ format, field }) => format === 'forward' && field === 'nextHop')
      .map(({ value }) => ({ first: name, second: byId.get(toHex(value)) ?? 'nobody' })),
  )
}

/** Values of one field that a node read. */
export function valuesOf(read: readonly Read[], format: string, field: string): Uint8Array[] {
  return read.filter((each) => each.format === format && each.field === field).map(({ value }) => value)
}

/** A value that holds a secret among other bytes. */
export function around(secret: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(1, 2, 3), secret, Uint8Array.of(4))
}
