/**
 * Hosts as text: IPv4 and IPv6 addresses and DNS names. An address has one text, that of RFC 5952, and one byte
 * string: an IPv4-mapped IPv6 address is the IPv4 address, as which a dual-stack socket means it.
 */
import { limits } from '../base/limits.js'

const IPV4_BYTES = 4
const IPV6_BYTES = 16
const MAPPED_PREFIX = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff]

/** 4 or 16 bytes of a numeric address, or `undefined` for any other text. IPv4-mapped IPv6 comes as IPv4. */
export function parseIp(text: string): Uint8Array | undefined {
  const bytes = text.includes(':') ? parseIpv6(text) : parseIpv4(text)
  return bytes !== undefined && isMapped(bytes) ? bytes.subarray(MAPPED_PREFIX.length) : bytes
}

/** The text of 4 or 16 bytes (RFC 5952 section 4 for IPv6). */
export function formatIp(bytes: Uint8Array): string {
  if (isMapped(bytes)) return formatIp(bytes.subarray(MAPPED_PREFIX.length))
  return bytes.length === IPV4_BYTES ? bytes.join('.') : formatIpv6(bytes)
}

/** Whether 16 bytes are an IPv4-mapped address (RFC 4291 section 2.5.5.2). */
export function isMapped(bytes: Uint8Array): boolean {
  return bytes.length === IPV6_BYTES && MAPPED_PREFIX.every((byte, index) => bytes[index] === byte)
}

/** The one text of a numeric address, as sockets report it in several; anything else comes back as it is. */
export function normalHost(host: string): string {
  const bytes = parseIp(host)
  return bytes === undefined ? host : formatIp(bytes)
}

/**
 * Whether a text is a host name (RFC 1123 section 2.1). One that ends in a number is none: resolvers read it as an
 * IPv4 address, and it would pass for a name where addresses are told apart.
 */
export function isDnsName(text: string): boolean {
  if (text.length > limits.dnsNameBytes) return false
  const labels = text.split('.')
  if (!labels.every((label) => /^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/i.test(label))) return false
  return !/^(\d+|0x[0-9a-f]*)$/i.test(labels.at(-1) as string)
}

function parseIpv4(text: string): Uint8Array | undefined {
  const parts = text.split('.')
  // No leading zeros: some readers take them for octal.
  if (parts.length !== IPV4_BYTES || !parts.every((part) => /^(0|[1-9]\d{0,2})$/.test(part))) return undefined
  const numbers = parts.map(Number)
  return numbers.every((number) => number <= 255) ? Uint8Array.from(numbers) : undefined
}

/** RFC 4291 section 2.2: eight groups, one run of zero groups as `::`, the last two groups also as IPv4. */
function parseIpv6(text: string): Uint8Array | undefined {
  const halves = text.split('::')
  if (halves.length > 2) return undefined
  const head = parseGroups(halves[0] as string, halves.length === 1)
  const tail = parseGroups(halves[1] ?? '', true)
  if (head === undefined || tail === undefined) return undefined
  const missing = IPV6_BYTES - head.length - tail.length
  if (halves.length === 1 ? missing !== 0 : missing < 2) return undefined
  return Uint8Array.from([...head, ...new Array<number>(missing).fill(0), ...tail])
}

function parseGroups(text: string, last: boolean): number[] | undefined {
  if (text === '') return []
  const bytes: number[] = []
  const groups = text.split(':')
  for (const [index, group] of groups.entries()) {
    const ipv4 = last && index === groups.length - 1 ? parseIpv4(group) : undefined
    if (ipv4 !== undefined) bytes.push(...ipv4)
    else if (/^[0-9a-f]{1,4}$/i.test(group))
      bytes.push(Number.parseInt(group, 16) >> 8, Number.parseInt(group, 16) & 0xff)
    else return undefined
  }
  return bytes
}

function formatIpv6(bytes: Uint8Array): string {
  const groups: number[] = []
  for (let i = 0; i < IPV6_BYTES; i += 2) groups.push(((bytes[i] as number) << 8) | (bytes[i + 1] as number))
  const { start, length } = longestZeroRun(groups)
  const text = (part: readonly number[]) => part.map((group) => group.toString(16)).join(':')
  // One zero group alone is written out (section 4.2.2).
  if (length < 2) return text(groups)
  return `${text(groups.slice(0, start))}::${text(groups.slice(start + length))}`
}

/** The first of the longest runs (section 4.2.3). */
function longestZeroRun(groups: readonly number[]): { start: number; length: number } {
  let longest = { start: 0, length: 0 }
  let start = 0
  for (const [index, group] of groups.entries()) {
    if (group !== 0) start = index + 1
    else if (index + 1 - start > longest.length) longest = { start, length: index + 1 - start }
  }
  return longest
}
