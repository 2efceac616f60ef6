/**
 * What people paste and type: network cards and device addresses as bech32m (BIP 350, without its length limit), and
 * network addresses as HOST:PORT (PROTOCOL.md section 9). Every refusal says what to do about it.
 */
import { bech32m } from '@scure/base'
import { fromUtf8, utf8 } from '../base/bytes.js'
import { type ErrorCode, ProtocolError } from '../base/errors.js'
import type { Format, FormatValue } from './codec.js'
import { CARD_VERSION, DEVICE_ADDRESS_VERSION, deviceAddress, type NetworkAddress, networkCard } from './directory.js'
import { formatIp, isDnsName, parseIp } from './host.js'

export type NetworkCard = FormatValue<typeof networkCard>
export type DeviceAddress = FormatValue<typeof deviceAddress>

/** A kind of text: its prefix, what it is called, and the error for what is none. */
interface Kind<T> {
  readonly prefix: string
  readonly name: string
  readonly version: number
  readonly code: ErrorCode
  readonly format: Format<T>
}

const cardKind: Kind<NetworkCard> = {
  prefix: 'splitcast',
  name: 'network card',
  version: CARD_VERSION,
  code: 'NETWORK_CARD_MALFORMED',
  format: networkCard,
}

const addressKind: Kind<DeviceAddress> = {
  prefix: 'cast',
  name: 'device address',
  version: DEVICE_ADDRESS_VERSION,
  code: 'ADDRESS_MALFORMED',
  format: deviceAddress,
}

/** One line of text, `splitcast1...`. */
export function formatNetworkCard(card: Omit<NetworkCard, 'version'>): string {
  return formatText(cardKind, { ...card, version: cardKind.version })
}

/** Throws `NETWORK_CARD_MALFORMED`. The identity key is not yet known to be a good point. */
export function parseNetworkCard(text: string): NetworkCard {
  return parseText(cardKind, text)
}

/** One line of text, `cast1...`. */
export function formatDeviceAddress(address: Omit<DeviceAddress, 'version'>): string {
  return formatText(addressKind, { ...address, version: addressKind.version })
}

/** Throws `ADDRESS_MALFORMED`. The identity key is not yet known to be a good point. */
export function parseDeviceAddress(text: string): DeviceAddress {
  return parseText(addressKind, text)
}

/**
 * `192.0.2.1:7000`, `[2001:db8::1]:7000` or `example.org:7000`. Throws `ENDPOINT_MALFORMED`. Port 0, any free port,
 * is for listening alone, as is a host of zeros, and refused unless `anyPort` is set: nobody could reach them.
 */
export function parseEndpoint(text: string, { anyPort = false } = {}): NetworkAddress {
  const [, bracketed, plain, digits] = /^(?:\[([^\]]*)\]|([^:[\]]*)):([0-9]{1,5})$/.exec(text.trim()) ?? []
  const port = Number(digits)
  const host = hostOf(bracketed, plain)
  if (digits === undefined || host === undefined) {
    throw new ProtocolError(
      'ENDPOINT_MALFORMED',
      `${quoted(text)} is no address: write HOST:PORT, as in 192.0.2.1:7000, [2001:db8::1]:7000 or example.org:7000`,
    )
  }
  if (port > 65_535 || (port === 0 && !anyPort)) {
    throw new ProtocolError('ENDPOINT_MALFORMED', `${digits} is no port to reach: choose one from 1 to 65535`)
  }
  if (!anyPort && host.kind !== 'dns' && host.host.every((byte) => byte === 0)) {
    throw new ProtocolError(
      'ENDPOINT_MALFORMED',
      `${quoted(text)} stands for every address of a machine: name one that others reach`,
    )
  }
  return { ...host, port }
}

/** The text that `parseEndpoint` reads. */
export function formatEndpoint(address: NetworkAddress): string {
  const host = addressText(address)
  return host.includes(':') ? `[${host}]:${address.port}` : `${host}:${address.port}`
}

/** The host alone: a numeric address in its one text form (RFC 5952), or the name where the kind is `dns`. */
export function addressText({ kind, host }: NetworkAddress): string {
  return kind === 'dns' ? (fromUtf8(host) ?? '') : formatIp(host)
}

function hostOf(bracketed?: string, plain?: string): Pick<NetworkAddress, 'kind' | 'host'> | undefined {
  // Brackets are for IPv6 alone, and nothing else holds a colon.
  const ip = bracketed?.includes(':') === false ? undefined : parseIp(bracketed ?? plain ?? '')
  if (ip !== undefined) return { kind: ip.length === 4 ? 'ipv4' : 'ipv6', host: ip }
  if (plain === undefined || !isDnsName(plain)) return undefined
  return { kind: 'dns', host: utf8(plain.toLowerCase()) }
}

function formatText<T>(kind: Kind<T>, value: T): string {
  return bech32m.encode(kind.prefix, bech32m.toWords(kind.format.encode(value)), false)
}

function parseText<T>(kind: Kind<T>, pasted: string): T {
  const text = pasted.trim()
  refuseOtherPrefix(kind, text)
  const decoded = bech32m.decodeUnsafe(text, false)
  const bytes = decoded && bech32m.fromWordsUnsafe(decoded.words)
  if (!bytes) {
    throw new ProtocolError(
      kind.code,
      `this ${kind.name} does not pass its checksum: a character was mistyped or left out; copy it again, whole`,
    )
  }
  if ((bytes[0] ?? 0) > kind.version) {
    throw new ProtocolError(kind.code, `this ${kind.name} was made by a newer version of splitcast: update this one`)
  }
  const parsed = kind.format.parse(bytes)
  if (!parsed.ok) {
    throw new ProtocolError(kind.code, `this ${kind.name} is damaged (${parsed.code}): ask who made it for another`)
  }
  return parsed.value
}

function refuseOtherPrefix<T>(kind: Kind<T>, text: string): void {
  const prefix = text.slice(0, Math.max(0, text.lastIndexOf('1'))).toLowerCase()
  if (prefix === kind.prefix) return
  const other = [cardKind, addressKind].find((each) => each.prefix === prefix)
  throw new ProtocolError(
    kind.code,
    other === undefined
      ? `no ${kind.name}: one begins with ${kind.prefix}1; copy it again, whole`
      : `this is a ${other.name}, where a ${kind.name} is needed: one begins with ${kind.prefix}1`,
  )
}

/** A text as an error message shows it: short, and without control characters that a terminal would obey. */
function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}...` : text)
}
