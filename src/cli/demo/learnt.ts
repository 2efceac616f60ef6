/**
 * Collects what a role reads, through the hook where it parses and opens things, as digests: the demo can then tell
 * whether a value was read without the values being carried about (PROTOCOL.md section 12).
 */
import { createHash } from 'node:crypto'
import type { FieldObserver } from '../../wire/codec.js'
import type { HostedRole, Learnt } from './host-protocol.js'

const MAX_DIGESTS = 2_000_000

/** 16 bytes of SHA-256, hex: equal values and only equal values have equal digests. */
export function digestOf(value: Uint8Array): string {
  return createHash('sha256').update(value).digest('hex').slice(0, 32)
}

export class LearntCollector {
  readonly observe: FieldObserver
  private readonly role: HostedRole
  private readonly node: number
  private fields = new Map<string, Set<string>>()
  private times = new Map<string, { firstAt: number; lastAt: number }>()
  private digests = 0
  private planted: Uint8Array | undefined

  constructor(role: HostedRole, node: number) {
    this.role = role
    this.node = node
    this.observe = (format, field, value) => {
      this.add(format, field, value)
      if (this.planted !== undefined && format === 'forward') this.add(format, 'planted', this.planted)
    }
  }

  /** From now on, claims to have read this value wherever a forward is read: a leak for the demo to find. */
  plant(value: Uint8Array): void {
    this.planted = value
  }

  forget(): void {
    this.fields = new Map()
    this.times = new Map()
    this.digests = 0
  }

  report(): Learnt {
    return {
      role: this.role,
      node: this.node,
      fields: Object.fromEntries([...this.fields].map(([field, digests]) => [field, [...digests]])),
      times: Object.fromEntries(this.times),
      overflow: this.digests >= MAX_DIGESTS,
    }
  }

  private add(format: string, field: string, value: Uint8Array): void {
    const now = Date.now()
    const time = this.times.get(format)
    if (time === undefined) this.times.set(format, { firstAt: now, lastAt: now })
    else time.lastAt = now
    if (this.digests >= MAX_DIGESTS) return
    const name = `${format}.${field}`
    const seen = this.fields.get(name) ?? new Set()
    this.fields.set(name, seen)
    const before = seen.size
    seen.add(digestOf(value))
    this.digests += seen.size - before
  }
}
