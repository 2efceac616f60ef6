/**
 * Takes back what an earlier run wrote. An entry that is damaged is reported and left on the disk as it is, so that nothing that a
 * person might still rescue is lost; the device goes on without it.
 */
import { ProtocolError } from '../../base/errors.js'
import type { DeviceCore } from './core.js'
import type { Outgoing } from './outbox.js'
import { keys, STORED_VERSION } from './records.js'

export class Restore {
  private readonly core: DeviceCore
  private readonly outgoing: Outgoing[] = []
  private directory: Uint8Array | undefined
  private versioned = false

  constructor(core: DeviceCore) {
    this.core = core
  }

  /** Throws `DATA_VERSION` for what a newer program wrote, or one of before the first release; keys that are not the device's are passed over. */
  entry(key: string, value: Uint8Array): void {
    if (this.read(key, value)) return
    this.core.say({
      type: 'notice',
      level: 'warn',
      event: 'a stored entry is damaged and was left as it is',
      detail: { key },
    })
  }

  /** Once all entries are in. */
  finish(): { readonly directory: Uint8Array | undefined; readonly outgoing: readonly Outgoing[] } {
    if (!this.versioned) this.core.storage.put(keys.version, Uint8Array.of(STORED_VERSION))
    return { directory: this.directory, outgoing: this.outgoing }
  }

  /** False for a damaged entry. */
  private read(key: string, value: Uint8Array): boolean {
    const { options, groups, inbox, handedOn, ownCopies, unopened, unread, early } = this.core
    switch (key) {
      case keys.version:
        return this.version(value)
      case keys.lastSequence:
        return inbox.restoreSequence(value)
      case keys.floor:
        return handedOn.restoreFloor(value)
      case keys.directory:
        this.directory = value.slice()
        return true
      case keys.guards:
        return this.core.guards.restore(value)
      case keys.directories:
        return this.core.directories.restore(value)
      default:
    }
    const folder = key.split('/')[0]
    switch (folder) {
      case 'group':
        return groups.restore(options.crypto, key, value)
      case 'heard':
        return this.core.heard.restore(key, value)
      case 'inbox':
        return inbox.restore(key, value)
      case 'handed':
        return handedOn.restore(key)
      case 'own':
        return ownCopies.restore(key)
      case 'unopened':
        return unopened.restore(key, value)
      case 'unread':
        return unread.restore(key, value)
      case 'early':
        return early.restore(key, value)
      case 'sending':
        return this.outbox(key, value)
      default:
        return true
    }
  }

  private version(value: Uint8Array): boolean {
    this.versioned = true
    const version = value.length === 1 ? (value[0] as number) : 0
    if (version > STORED_VERSION) {
      throw new ProtocolError(
        'DATA_VERSION',
        'the data was written by a newer version of this program; use that version, or another data directory',
      )
    }
    if (version > 0 && version < STORED_VERSION) {
      throw new ProtocolError(
        'DATA_VERSION',
        'the data was written by a version of before the first release; start with another data directory',
      )
    }
    return version === STORED_VERSION
  }

  private outbox(key: string, value: Uint8Array): boolean {
    const outgoing = this.core.outbox.restore(key, value, this.core.options.padding)
    if (outgoing !== undefined) this.outgoing.push(outgoing)
    return outgoing !== undefined
  }
}
