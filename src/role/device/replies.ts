/**
 * Sees to it that each command is answered exactly once, whatever becomes of it: done, failed, given up by the user, or
 * cut short because the device stops.
 */
import { type ErrorCode, ProtocolError } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import type { DeviceOutput, DeviceResult } from '../device.js'
import type { Reference } from '../role.js'

export class Replies {
  private readonly say: (output: DeviceOutput) => void
  private readonly limit: number
  private readonly open = new Set<Reference>()

  constructor(say: (output: DeviceOutput) => void, limit: number = limits.outgoingMessages) {
    this.say = say
    this.limit = limit
  }

  /** Runs a command; what it throws as a `ProtocolError` is its answer. */
  begin(reference: Reference, command: () => void): void {
    if (this.open.size >= this.limit) {
      const message = `${this.limit} commands are under way already; wait for some of them`
      this.say({ type: 'failed', reference, code: 'SEND_QUEUE_FULL', message })
      return
    }
    this.open.add(reference)
    this.attempt(reference, command)
  }

  /** Goes on with a command that was begun. */
  attempt(reference: Reference, step: () => void): void {
    try {
      step()
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error
      this.failed(reference, error.code, error.message)
    }
  }

  isOpen(reference: Reference): boolean {
    return this.open.has(reference)
  }

  done(reference: Reference, result: DeviceResult): void {
    if (this.open.delete(reference)) this.say({ type: 'done', reference, result })
  }

  failed(reference: Reference, code: ErrorCode, message: string): void {
    if (this.open.delete(reference)) this.say({ type: 'failed', reference, code, message })
  }

  failAll(code: ErrorCode, message: string): void {
    for (const reference of [...this.open]) this.failed(reference, code, message)
  }
}
