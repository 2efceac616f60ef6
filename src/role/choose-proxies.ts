/**
 * The choice of P1 and P2 among the proxies that the directory lists (PROTOCOL.md section 9.9): uniformly random, P1 among the
 * few that the sender keeps to, not its own proxy, apart in the network, so that nobody on one network sees both, and with an address family in common,
 * so that the first can reach the second.
 */
import { equal, type NodeId, toHex } from '../base/bytes.js'
import { type RandomBytes, randomBelow } from '../base/random.js'
import { parseIp } from '../wire/host.js'
import type { ListedProxy, VerifiedDirectory } from './server-link.js'

export interface ProxyWishes {
  /** UTC day whose sealing key P2 must have. */
  readonly day: number
  /** The sender's own proxy. */
  readonly own: NodeId | undefined
  /** Hex ids of those that may be P1; `undefined` for all. */
  readonly firstAmong?: ReadonlySet<string> | undefined
  /** Hex ids of proxies that failed; taken as P1 only where there is no other choice. */
  readonly avoid: ReadonlySet<string>
  /** The same for P2; weighs less. */
  readonly avoidSecond: ReadonlySet<string>
}

export type ProxyChoice =
  /** `apart` says what told the two apart: their networks, or no more than their addresses. */
  | {
      readonly ok: true
      readonly first: ListedProxy
      readonly second: ListedProxy
      readonly apart: 'network' | 'address'
    }
  /** No two fit; of `listed` proxies `usable` are not the sender's own. */
  | { readonly ok: false; readonly listed: number; readonly usable: number }

/**
 * Networks are told apart by /16 (IPv4) and /32 (IPv6). Only where every listed proxy is in one and the same network, as on a test
 * machine, do different addresses suffice; a directory with two networks or more never falls back to that.
 */
export function chooseProxies(random: RandomBytes, directory: VerifiedDirectory, wishes: ProxyWishes): ProxyChoice {
  const { apart, places } = groundOf(directory)
  const listed = [...places.keys()]
  const usable = listed.filter((proxy) => wishes.own === undefined || !equal(proxy.id, wishes.own))
  const splitters = usable.filter((proxy) => proxy.sealingKeys.has(wishes.day))
  const { firstAmong } = wishes
  const firsts = firstAmong === undefined ? usable : usable.filter((proxy) => firstAmong.has(toHex(proxy.id)))
  const failed = firsts.filter((proxy) => wishes.avoid.has(toHex(proxy.id)))
  const fresh = failed.length === 0 ? [...firsts] : firsts.filter((proxy) => !failed.includes(proxy))
  for (const candidates of [fresh, failed]) {
    for (let first = draw(random, candidates); first !== undefined; first = draw(random, candidates)) {
      const partners = partnersOf(first, splitters, places)
      const good = partners.filter(({ id }) => !wishes.avoidSecond.has(toHex(id)))
      const second = draw(random, good.length > 0 ? good : partners)
      if (second !== undefined) return { ok: true, first, second, apart }
    }
  }
  return { ok: false, listed: listed.length, usable: usable.length }
}

/** The listed proxies apart from one of them in the network, and with an address family in common; none where it is not listed. */
export function proxiesApart(directory: VerifiedDirectory, from: NodeId): ListedProxy[] {
  const proxy = directory.proxies.get(toHex(from))
  const { places } = groundOf(directory)
  return proxy === undefined ? [] : partnersOf(proxy, [...places.keys()], places)
}

/** What tells the proxies of a directory apart: the networks or the hosts of each. */
interface Ground {
  readonly apart: 'network' | 'address'
  readonly places: ReadonlyMap<ListedProxy, ReadonlySet<string>>
}

/** A directory serves many messages, and parsing thousands of addresses for each would be most of the work. */
const grounds = new WeakMap<VerifiedDirectory, Ground>()

function groundOf(directory: VerifiedDirectory): Ground {
  const known = grounds.get(directory)
  if (known !== undefined) return known
  const listed = [...directory.proxies.values()]
  const apart = shareOneNetwork(listed) ? 'address' : 'network'
  const ground = { apart, places: new Map(listed.map((proxy) => [proxy, placesOf(proxy, apart)])) } as const
  grounds.set(directory, ground)
  return ground
}

function partnersOf(first: ListedProxy, among: readonly ListedProxy[], places: Ground['places']): ListedProxy[] {
  const taken = places.get(first) ?? new Set()
  return among.filter(
    (each) => each !== first && disjoint(taken, places.get(each) ?? new Set()) && shareFamily(first, each),
  )
}

function shareFamily(a: ListedProxy, b: ListedProxy): boolean {
  return a.addresses.some((mine) => b.addresses.some((other) => isIpv6(mine.host) === isIpv6(other.host)))
}

function isIpv6(host: string): boolean {
  return host.includes(':')
}

/** Takes out one of the candidates, each equally likely. */
function draw(random: RandomBytes, candidates: ListedProxy[]): ListedProxy | undefined {
  if (candidates.length === 0) return undefined
  const index = randomBelow(random, candidates.length)
  const drawn = candidates[index]
  const last = candidates.pop()
  if (index < candidates.length && last !== undefined) candidates[index] = last
  return drawn
}

const IPV4_PREFIX_BYTES = 2
const IPV6_PREFIX_BYTES = 4
const IPV4_BYTES = 4

function shareOneNetwork(proxies: readonly ListedProxy[]): boolean {
  const networks = proxies.map((proxy) => placesOf(proxy, 'network'))
  const first = networks[0] ?? new Set<string>()
  return [...first].some((network) => networks.every((each) => each.has(network)))
}

function placesOf(proxy: ListedProxy, apart: 'network' | 'address'): ReadonlySet<string> {
  return new Set(proxy.addresses.map(({ host }) => (apart === 'network' ? networkOf(host) : host)))
}

/** Hex of the prefix; it has another length for each family, so the two never look alike. */
export function networkOf(host: string): string {
  const bytes = parseIp(host)
  if (bytes === undefined) return host
  return toHex(bytes.subarray(0, bytes.length === IPV4_BYTES ? IPV4_PREFIX_BYTES : IPV6_PREFIX_BYTES))
}

function disjoint(a: ReadonlySet<string>, b: ReadonlySet<string>): boolean {
  for (const each of a) if (b.has(each)) return false
  return true
}
