/** Commands to a device role as promises: each reference is answered once, or given up by its caller's signal. */
import { type ErrorCode, ProtocolError } from '../base/errors.js'
import type { DeviceCommand, DeviceResult, Outcome } from '../role/device.js'
import type { Reference } from '../role/role.js'

/** A command without the reference, which is given here. */
export type Command = DeviceCommand extends infer C
  ? C extends { reference: Reference }
    ? Omit<C, 'reference'>
    : never
  : never

type Waiting = {
  readonly resolve: (result: DeviceResult) => void
  readonly reject: (error: Error) => void
  readonly progress: ((outcome: Outcome) => void) | undefined
}

export class Commands {
  private readonly handle: (command: DeviceCommand) => void
  private readonly waiting = new Map<Reference, Waiting>()
  private next = 1

  constructor(handle: (command: DeviceCommand) => void) {
    this.handle = handle
  }

  async issue<T extends DeviceResult['type']>(
    expected: T,
    command: Command,
    signal?: AbortSignal,
    progress?: (outcome: Outcome) => void,
  ): Promise<Extract<DeviceResult, { type: T }>> {
    if (signal?.aborted) throw aborted()
    const reference = this.next++
    const answered = new Promise<DeviceResult>((resolve, reject) => {
      this.waiting.set(reference, { resolve, reject, progress })
    })
    const abort = () => this.abort(reference)
    signal?.addEventListener('abort', abort, { once: true })
    try {
      this.handle({ ...command, reference } as DeviceCommand)
      const result = await answered
      if (result.type !== expected)
        throw new Error(`internal: a ${command.type} command was answered by ${result.type}`)
      return result as Extract<DeviceResult, { type: T }>
    } finally {
      signal?.removeEventListener('abort', abort)
      this.waiting.delete(reference)
    }
  }

  done(reference: Reference, result: DeviceResult): void {
    this.waiting.get(reference)?.resolve(result)
  }

  progress(reference: Reference, outcome: Outcome): void {
    this.waiting.get(reference)?.progress?.(outcome)
  }

  failed(reference: Reference, code: ErrorCode, message: string): void {
    this.waiting.get(reference)?.reject(new ProtocolError(code, message))
  }

  /** The machine answers what is given up; where it has been stopped, nobody else would. */
  private abort(reference: Reference): void {
    try {
      this.handle({ type: 'abort', reference })
    } catch (error) {
      this.waiting.get(reference)?.reject(error as Error)
    }
  }

  /** The machine is gone; nobody will answer. */
  failAll(): void {
    for (const { reject } of this.waiting.values()) reject(closed())
    this.waiting.clear()
  }
}

export function closed(): ProtocolError {
  return new ProtocolError('CLOSED', 'the device has been closed')
}

export function aborted(): ProtocolError {
  return new ProtocolError('ABORTED', "given up at the caller's request")
}
