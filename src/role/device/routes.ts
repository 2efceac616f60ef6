/**
 * Which proxies a request goes by (PROTOCOL.md sections 7.1 and 9), and how proxies have done: one by which messages keep
 * going without proof, or that cannot be reached, is avoided for a while. That is no proof against it, so where there is no
 * other choice it is taken all the same.
 */
import { type NodeId, toHex } from '../../base/bytes.js'
import { limits } from '../../base/limits.js'
import { type Millis, utcDay } from '../../base/time.js'
import { chooseProxies, type ProxyChoice } from '../choose-proxies.js'
import type { VerifiedDirectory } from '../server-link.js'
import type { DeviceCore } from './core.js'
import type { Outgoing } from './outbox.js'

interface Standing {
  /** In a row. */
  failures: number
  avoidedUntil: Millis
}

export class Routes {
  private readonly core: DeviceCore
  /** By hex id; those that failed longest ago first. */
  private readonly standings = new Map<string, Standing>()
  private saidOneNetwork = false

  constructor(core: DeviceCore) {
    this.core = core
  }

  choose(now: Millis, { failed, parcel }: Outgoing, directory: VerifiedDirectory): ProxyChoice {
    const { random, ownProxy } = this.core.options
    const avoided = [...this.avoided(now)]
    const avoid = new Set([...failed, ...avoided])
    const avoidSecond = new Set([...parcel.avoid, ...avoided])
    const firstAmong = this.core.guards.candidates(now, directory)
    const wishes = { day: utcDay(now), own: ownProxy, firstAmong, avoid, avoidSecond }
    const choice = chooseProxies(random, directory, wishes)
    if (choice.ok && choice.apart === 'address' && !this.saidOneNetwork) {
      this.saidOneNetwork = true
      const event = 'all proxies are in one network: whoever watches it sees first and second proxy'
      this.core.say({ type: 'notice', level: 'warn', event, detail: { proxies: directory.proxies.size } })
    }
    return choice
  }

  /** It could not be reached, or refused a message. */
  unreached(now: Millis, id: NodeId): void {
    this.core.guards.unreached(now, id)
    this.failed(now, id)
  }

  /** A message went by these without proof. */
  failed(now: Millis, ...ids: readonly NodeId[]): void {
    for (const id of ids) this.core.guards.failed(now, id)
    for (const id of ids.map(toHex)) {
      const failures = (this.standings.get(id)?.failures ?? 0) + 1
      const past = failures - limits.proxyFailures
      const avoidedUntil = past < 0 ? 0 : now + Math.min(limits.avoidMs * 2 ** past, limits.avoidMaxMs)
      this.standings.delete(id)
      this.standings.set(id, { failures, avoidedUntil })
    }
    for (const oldest of this.standings.keys()) {
      if (this.standings.size <= limits.proxies) break
      this.standings.delete(oldest)
    }
  }

  /** All that went by these is accounted for. */
  succeeded(...ids: readonly NodeId[]): void {
    for (const id of ids) {
      this.core.guards.succeeded(id)
      this.standings.delete(toHex(id))
    }
  }

  private *avoided(now: Millis): Generator<string> {
    for (const [id, { avoidedUntil }] of this.standings) if (avoidedUntil > now) yield id
  }
}

export function tooFew({ usable }: Extract<ProxyChoice, { ok: false }>): string {
  // No two fit each other, so of those there are one is as good as all of them.
  return (
    "two proxies at different addresses, and in different networks where there are several, are needed besides this node's own; " +
    `the directory lists ${Math.min(usable, 1)} that would do: start more proxies`
  )
}
