/**
 * The devices the server knows: each id is bound to the first key that proved it, because 64-bit ids can be ground,
 * and carries the access code that lets copies in (PROTOCOL.md sections 4 and 9.1).
 */
import { equal, equalConstantTime, type IdentityKey, identityKey, toHex } from '../../base/bytes.js'
import type { DropCode } from '../../base/errors.js'
import type { Write } from '../role.js'
import { deviceRecord, keyParts, storeKeys } from './records.js'

const ID_BYTES = 8
const RECIPIENT_BYTES = 10

interface Device {
  readonly identityKey: IdentityKey
  readonly accessCode: Uint8Array
}

export type Binding =
  | { readonly ok: true; readonly writes: readonly Write[] }
  | { readonly ok: false; readonly code: DropCode }

/** Whom a copy is for: the recipient as its slot said it, or why there is none. */
export type Found =
  | { readonly type: 'device'; readonly id: string; readonly recipient: Uint8Array }
  | { readonly type: 'decoy' | 'wrongCode' | 'unknown' }

export class Devices {
  private readonly most: number
  private readonly devices = new Map<string, Device>()

  constructor(most: number) {
    this.most = most
  }

  get count(): number {
    return this.devices.size
  }

  restore(key: string, value: Uint8Array): void {
    const id = keyParts('device', key)?.[0]
    const parsed = deviceRecord.parse(value)
    if (id !== undefined && parsed.ok) this.keep(id, parsed.value)
  }

  /** Binds an id to the key that proved it, or takes over a new access code. */
  bind(id: string, proved: Device): Binding {
    const held = this.devices.get(id)
    if (held === undefined && this.devices.size >= this.most) return { ok: false, code: 'DEVICES_FULL' }
    if (held !== undefined && !equal(held.identityKey, proved.identityKey)) return { ok: false, code: 'IDENTITY_TAKEN' }
    if (held !== undefined && equal(held.accessCode, proved.accessCode)) return { ok: true, writes: [] }
    this.keep(id, proved)
    return { ok: true, writes: [{ key: storeKeys.device(id), value: deviceRecord.encode(proved) }] }
  }

  /** The one real recipient among what a slot says under each window; all but one of them are noise. */
  find(candidates: readonly Uint8Array[]): Found {
    let type: 'decoy' | 'wrongCode' | 'unknown' = 'unknown'
    for (const recipient of candidates) {
      const idBytes = recipient.subarray(0, ID_BYTES)
      if (idBytes.every((byte) => byte === 0)) return { type: 'decoy' }
      const id = toHex(idBytes)
      const device = this.devices.get(id)
      if (device === undefined) continue
      const code = recipient.subarray(ID_BYTES, RECIPIENT_BYTES)
      if (equalConstantTime(device.accessCode, code)) return { type: 'device', id, recipient }
      type = 'wrongCode'
    }
    return { type }
  }

  private keep(id: string, { identityKey: key, accessCode }: Device): void {
    this.devices.set(id, { identityKey: identityKey(key.slice()), accessCode: accessCode.slice() })
  }
}
