/**
 * What the rows on knowledge and on strings look at: recordings of whole networks, those of small ones in which something is
 * broken, and what somebody with given secrets decrypts of them.
 */
import { utf8 } from '../../src/base/bytes.js'
import type { Crypto } from '../../src/crypto/crypto.js'
import { bestEpoch } from '../../src/group/epochs.js'
import { seeded } from '../base/seeded.js'
import { truths } from '../sim/knowledge.js'
import { crypto, type DeviceActor, type World } from '../sim/world.js'
import { type Decrypted, decrypt } from './analyser.js'
import { GROUP, Recording } from './recording.js'
import { Vault } from './vault.js'

export type Truth = readonly [name: string, value: Uint8Array]

export const MEMBERS = 5
const BODY_BYTES = 90
/** Copies a second that no proxy of these networks ever has. */
const ALWAYS = 1e6
const COVER_MEAN_MS = 10_000
const PASSPHRASE = utf8('a passphrase for the newcomer alone')
const BROKEN_MESSAGES = 2

/** Everything of one seed that the rows look at. */
export interface Evidence {
  readonly recording: Recording
  readonly known: readonly Truth[]
  /** Of those, what came after a member had been removed, and what it read before. */
  readonly later: readonly Truth[]
  readonly earlier: readonly Truth[]
  /** What parties decrypted, by their names: two rows look at the same. */
  readonly decrypted: Map<string, Decrypted>
}

/** A network with a group, a newcomer who is invited, joins and is removed, a stranger, and messages by everybody. */
export function record(seed: number, index: number, messages: number): Evidence {
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
  const welcome = seeded(seed + 9)(BODY_BYTES)
  world.send(host, GROUP, welcome)
  world.runUntil('the newcomer has a message', () => world.got(newcomer, welcome) === 1)
  const earlier = groupTruths(host, world, [welcome])
  world.do(host, { type: 'removeMembers', group: GROUP, members: [newcomer.self.id] })
  world.runUntil('the others hold another secret', () =>
    world.devices.slice(0, MEMBERS).every((each) => bestEpoch(world.group(each, GROUP)).number === 1),
  )
  const bodies = recording.talk(world.devices.slice(0, MEMBERS), messages, BODY_BYTES, seed + 7)
  const later = groupTruths(host, world, bodies)
  const known = [...truths(world, GROUP, [...bodies, letter]), ...earlier, ['passphrase', PASSPHRASE] as const]
  return { recording, known: [...known, ...world.devices.map(binaryAddress)], later, earlier, decrypted: new Map() }
}

/** The secrets that a group has now, and what was said under them. */
function groupTruths(member: DeviceActor, world: World, bodies: readonly Uint8Array[]): Truth[] {
  const { secret, privateKey, symmetric } = world.group(member, GROUP).keys
  return [
    ['group secret', secret.slice()],
    ['group private key', privateKey.slice()],
    ['group symmetric secret', symmetric.slice()],
    ...bodies.map((body): Truth => ['body', body]),
  ]
}

/** An address as it would stand in a message: the host's bytes and the port's. */
function binaryAddress({ node }: DeviceActor): Truth {
  const host = (node.natHost ?? node.address.host).split('.').map(Number)
  return ['address', Uint8Array.from([...host, node.natPort >> 8, node.natPort & 255])]
}

/** Somebody, and what it holds. */
export interface Holder {
  readonly name: string
  readonly vault: Vault
}

/** All servers in one hand. */
export function allServers(recording: Recording): Holder {
  const { server, proxies } = recording.world
  const vaults = [server, ...proxies].map(({ name }) => recording.vault(name))
  return { name: 'all servers', vault: Vault.joined(vaults) }
}

export function decryptAs({ recording, decrypted }: Evidence, { name, vault }: Holder): Decrypted {
  const before = decrypted.get(name)
  if (before !== undefined) return before
  const directory = recording.world.proxies[0]?.node.machine.status().directory
  const serverKeys = [...(directory?.serverSealingKeys.values() ?? [])]
  const made = decrypt(crypto, vault, recording.datagrams, { serverKeys })
  decrypted.set(name, made)
  return made
}

export function recordBroken(
  seed: number,
  breakIt: (evidence: { readonly recording: Recording }) => unknown,
): Evidence {
  const recording = new Recording({
    ...{ seed, devices: 3, proxies: 3 },
    groups: [{ name: GROUP, members: [0, 1, 2] }],
  })
  breakIt({ recording })
  const bodies = recording.talk(recording.world.devices, BROKEN_MESSAGES, BODY_BYTES, seed + 7)
  return { recording, known: truths(recording.world, GROUP, bodies), later: [], earlier: [], decrypted: new Map() }
}

export type Change = (real: Crypto) => Crypto
export function everyDevice(recording: Recording, change: Change): void {
  for (const { name } of recording.world.devices) recording.replaceCrypto(name, change)
}

export function everyNode(recording: Recording, change: Change): void {
  const { server, proxies } = recording.world
  for (const { name } of [server, ...proxies]) recording.replaceCrypto(name, change)
  everyDevice(recording, change)
}
