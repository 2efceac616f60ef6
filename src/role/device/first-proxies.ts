/**
 * Sessions with first proxies: opened when a message needs one, used again while they last, closed after some idle
 * time (PROTOCOL.md section 10). They are anonymous: a device proves no identity to a proxy.
 */
import { key, type NodeId, toHex } from '../../base/bytes.js'
import { limits } from '../../base/limits.js'
import { type RandomBytes, randomBelow } from '../../base/random.js'
import { earliest, type Millis } from '../../base/time.js'
import type { LinkEndpoint, SessionId } from '../../link/link.js'
import type { CloseReason } from '../../wire/frame.js'
import { fromTurn } from '../addresses.js'
import type { ListedProxy } from '../server-link.js'

interface FirstProxy {
  readonly proxy: NodeId
  /** Hex id. */
  readonly id: string
  readonly session: SessionId
  /** Messages on their way to it. */
  underWay: number
  usedAt: Millis
}

export class FirstProxies {
  private readonly endpoint: LinkEndpoint
  private readonly random: RandomBytes
  private readonly byId = new Map<string, FirstProxy>()
  private readonly bySession = new Map<SessionId, FirstProxy>()

  constructor(endpoint: LinkEndpoint, random: RandomBytes) {
    this.endpoint = endpoint
    this.random = random
  }

  /** The open session with the proxy, or a new one. */
  session(now: Millis, proxy: ListedProxy): SessionId {
    const id = toHex(proxy.id)
    const open = this.byId.get(id)
    if (open !== undefined) return open.session
    if (this.byId.size >= limits.firstProxySessions) this.closeLongestIdle(now)
    const addresses = fromTurn(proxy.addresses, randomBelow(this.random, proxy.addresses.length))
    const session = this.endpoint.connect(now, key(proxy.linkKey), addresses)
    const opened = { proxy: proxy.id, id, session, underWay: 0, usedAt: now }
    this.byId.set(id, opened)
    this.bySession.set(session, opened)
    return session
  }

  /** Says something to the proxy that nothing is kept for; the session, or `undefined` where that has no room. */
  say(now: Millis, proxy: ListedProxy, message: Uint8Array): SessionId | undefined {
    const session = this.session(now, proxy)
    const said = this.endpoint.send(now, session, message, 'receipt')
    const open = this.bySession.get(session)
    if (open !== undefined) open.usedAt = now
    return said === undefined ? undefined : session
  }

  /** Who is at the other end. */
  idOf(session: SessionId): NodeId | undefined {
    return this.bySession.get(session)?.proxy
  }

  begin(now: Millis, session: SessionId): void {
    const proxy = this.bySession.get(session)
    if (proxy === undefined) return
    proxy.underWay++
    proxy.usedAt = now
  }

  end(now: Millis, session: SessionId): void {
    const proxy = this.bySession.get(session)
    if (proxy === undefined) return
    proxy.underWay--
    proxy.usedAt = now
  }

  forget(session: SessionId): void {
    const proxy = this.bySession.get(session)
    if (proxy === undefined) return
    this.bySession.delete(session)
    this.byId.delete(proxy.id)
  }

  closeIdle(now: Millis): void {
    for (const proxy of [...this.byId.values()])
      if ((idleUntil(proxy) ?? now + 1) <= now) this.close(now, proxy, 'idle')
  }

  closeAll(now: Millis): void {
    for (const proxy of [...this.byId.values()]) this.close(now, proxy, 'goingAway')
  }

  deadline(): Millis | undefined {
    let due: Millis | undefined
    for (const proxy of this.byId.values()) due = earliest(due, idleUntil(proxy))
    return due
  }

  private close(now: Millis, proxy: FirstProxy, reason: CloseReason): void {
    this.endpoint.close(now, proxy.session, reason)
    this.forget(proxy.session)
  }

  /** There is one: fewer requests are under way at a time than sessions may be open. */
  private closeLongestIdle(now: Millis): void {
    const idle = [...this.byId.values()].filter(({ underWay }) => underWay === 0)
    const longest = idle.sort((a, b) => a.usedAt - b.usedAt)[0]
    if (longest !== undefined) this.close(now, longest, 'idle')
  }
}

function idleUntil(proxy: FirstProxy): Millis | undefined {
  return proxy.underWay === 0 ? proxy.usedAt + limits.firstProxyIdleMs : undefined
}
