/**
 * The directory that CS signs, its proxy entries, and what stands in the two texts that people paste, network card
 * and device address; the texts themselves are those of text.ts (PROTOCOL.md section 9).
 */
import { fromUtf8, identityKey, point, signature } from '../base/bytes.js'
import { limits } from '../base/limits.js'
import { type FormatValue, format } from './codec.js'
import { bytes, choice, counted, list, unsigned } from './fields.js'
import { isDnsName, isMapped } from './host.js'

export const addressKinds = { ipv4: 4, ipv6: 6, dns: 1 } as const

// An address has one form, so that two proxies at one place cannot look like two places.
const hostFits: Readonly<Record<keyof typeof addressKinds, (host: Uint8Array) => boolean>> = {
  ipv4: (host) => host.length === 4,
  ipv6: (host) => host.length === 16 && !isMapped(host),
  dns: (host) => isDnsName(fromUtf8(host) ?? ''),
}

export const networkAddress = format(
  'network address',
  'Where a node listens.',
  [
    ['kind', choice(addressKinds), '4 IPv4, 6 IPv6, 1 DNS name'],
    [
      'host',
      counted(1, limits.dnsNameBytes),
      '4 bytes; 16 bytes, not an IPv4-mapped address; or a name in ASCII (RFC 1123), which does not end in a number',
    ],
    ['port', unsigned(2, { min: 1 }), 'UDP port'],
  ],
  ({ kind, host }) => {
    return hostFits[kind](host) ? undefined : 'WIRE_VALUE'
  },
)
export type NetworkAddress = FormatValue<typeof networkAddress>

export const sealingKey = format('sealing key', 'The key that is sealed to on one UTC day.', [
  ['day', unsigned(4), 'days since the Unix epoch'],
  ['key', bytes(32, point), 'ristretto255'],
])

export const proxyEntry = format('proxy entry', 'A proxy as it describes itself.', [
  ['identityKey', bytes(32, identityKey), 'Ed25519'],
  ['issuedAt', unsigned(6), 'Unix milliseconds'],
  ['sealingKeys', list(sealingKey, 1, 3, 1), 'of today and tomorrow'],
  ['addresses', list(networkAddress, 1, limits.addresses, 1), 'where it listens'],
  ['signature', bytes(64, signature), 'by the proxy, over "px" || all before'],
])

export const directory = format('directory', 'What CS hands every node.', [
  ['version', unsigned(6), 'never goes back'],
  ['issuedAt', unsigned(6), 'Unix milliseconds'],
  ['validUntil', unsigned(6), 'Unix milliseconds'],
  ['sealingKeys', list(sealingKey, 1, 3, 1), 'of CS: today and tomorrow'],
  ['proxies', list(proxyEntry, 2, limits.proxies), 'in the order of their ids'],
  ['signature', bytes(64, signature), 'by CS, over "dr" || all before'],
])

export const CARD_VERSION = 1
export const DEVICE_ADDRESS_VERSION = 1

export const networkCard = format(
  'network card',
  'What a node needs to join a network; travels as bech32m text (BIP 350, of any length) with prefix `splitcast`.',
  [
    ['version', unsigned(1, { min: CARD_VERSION, max: CARD_VERSION }), '1'],
    ['identityKey', bytes(32, identityKey), 'of CS'],
    ['addresses', list(networkAddress, 1, limits.addresses, 1), 'of CS'],
  ],
)

export const deviceAddress = format(
  'device address',
  'What one needs to invite a device; travels as bech32m text (BIP 350) with prefix `cast`.',
  [
    ['version', unsigned(1, { min: DEVICE_ADDRESS_VERSION, max: DEVICE_ADDRESS_VERSION }), '1'],
    ['identityKey', bytes(32, identityKey), 'Ed25519'],
    ['accessCode', bytes(2), "what lets copies into the device's mailbox"],
  ],
)
