/**
 * The directory that CS signs, its proxy entries, and the two texts that people paste: network card and device
 * address (PROTOCOL.md section 9).
 */
import { identityKey, point, signature } from '../base/bytes.js'
import { limits } from '../base/limits.js'
import { format } from './codec.js'
import { bytes, choice, counted, list, unsigned } from './fields.js'

export const addressKinds = { ipv4: 4, ipv6: 6, dns: 1 } as const

export const networkAddress = format(
  'network address',
  'Where a node listens.',
  [
    ['kind', choice(addressKinds), '4 IPv4, 6 IPv6, 1 DNS name'],
    ['host', counted(1, limits.dnsNameBytes), '4 bytes, 16 bytes, or the name in ASCII'],
    ['port', unsigned(2, { min: 1 }), 'UDP port'],
  ],
  ({ kind, host }) => {
    const fits = kind === 'ipv4' ? host.length === 4 : kind === 'ipv6' ? host.length === 16 : host.length > 0
    return fits ? undefined : 'WIRE_VALUE'
  },
)

export const sealingKey = format('sealing key', 'The key that is sealed to on one UTC day.', [
  ['day', unsigned(4), 'days since the Unix epoch'],
  ['key', bytes(32, point), 'ristretto255'],
])

export const proxyEntry = format('proxy entry', 'A proxy as it describes itself.', [
  ['identityKey', bytes(32, identityKey), 'Ed25519'],
  ['issuedAt', unsigned(6), 'Unix milliseconds'],
  ['sealingKeys', list(sealingKey, 1, 3), 'of today and tomorrow'],
  ['addresses', list(networkAddress, 1, limits.addresses), 'where it listens'],
  ['signature', bytes(64, signature), 'by the proxy, over "px" || all before'],
])

export const directory = format('directory', 'What CS hands every node.', [
  ['version', unsigned(6), 'never goes back'],
  ['issuedAt', unsigned(6), 'Unix milliseconds'],
  ['validUntil', unsigned(6), 'Unix milliseconds'],
  ['sealingKeys', list(sealingKey, 1, 3), 'of CS: today and tomorrow'],
  ['proxies', list(proxyEntry, 2, limits.proxies), 'in the order of their ids'],
  ['signature', bytes(64, signature), 'by CS, over "dr" || all before'],
])

const CARD_VERSION = 1
const ADDRESS_VERSION = 1

export const networkCard = format(
  'network card',
  'What a node needs to join a network; travels as bech32m text with prefix `splitcast`.',
  [
    ['version', unsigned(1, { min: CARD_VERSION, max: CARD_VERSION }), '1'],
    ['identityKey', bytes(32, identityKey), 'of CS'],
    ['addresses', list(networkAddress, 1, limits.addresses), 'of CS'],
  ],
)

export const deviceAddress = format(
  'device address',
  'What one needs to invite a device; travels as bech32m text with prefix `cast`.',
  [
    ['version', unsigned(1, { min: ADDRESS_VERSION, max: ADDRESS_VERSION }), '1'],
    ['identityKey', bytes(32, identityKey), 'Ed25519'],
    ['accessCode', bytes(2), "what lets copies into the device's mailbox"],
  ],
)
