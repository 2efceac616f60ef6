/**
 * The demo's child processes: started, called, and in every case ended. A child that ends on its own fails everything
 * that waits for it.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { ProtocolError } from '../../base/errors.js'
import type { CallName, CallOf, FromHost, Results, ToHost } from './host-protocol.js'

const HOST_URL = new URL('./host.js', import.meta.url)
/** How long a child has to say goodbye before it is killed. */
const PATIENCE_MS = 5000

export type Received = Extract<FromHost, { type: 'received' }>

type Waiting = { readonly resolve: (result: never) => void; readonly reject: (error: Error) => void }
type WithoutName<N extends CallName> = Omit<CallOf<N>, 'call'>

export class Child {
  readonly label: string
  readonly pid: number | undefined
  private readonly process: ChildProcess
  private readonly exited: Promise<void>
  private readonly waiting = new Map<number, Waiting>()
  private next = 1

  constructor(label: string, onReceived: (received: Received) => void) {
    this.label = label
    this.process = fork(HOST_URL, { serialization: 'advanced', stdio: ['ignore', 'ignore', 'inherit', 'ipc'] })
    this.pid = this.process.pid
    this.exited = new Promise((resolve) => this.process.once('exit', () => resolve()))
    this.process.once('exit', (code, signal) => this.failAll(`the process of ${label} ended (${signal ?? code})`))
    this.process.once('error', (error) =>
      this.failAll(`the process of ${label} could not be started: ${error.message}`),
    )
    this.process.on('message', (message: FromHost) => {
      if (message.type === 'received') onReceived(message)
      else this.settle(message)
    })
  }

  call<N extends CallName>(call: N, parameters: WithoutName<N>): Promise<Results[N]> {
    const number = this.next++
    return new Promise((resolve, reject) => {
      this.waiting.set(number, { resolve, reject })
      this.process.send({ number, call, ...parameters } as unknown as ToHost, (error) => {
        if (error !== null) this.failAll(`the process of ${this.label} cannot be reached: ${error.message}`)
      })
    })
  }

  /** Resolves when the process is gone. */
  async end(): Promise<void> {
    if (this.process.connected) this.process.disconnect()
    const killer = setTimeout(() => this.process.kill('SIGKILL'), PATIENCE_MS)
    await this.exited
    clearTimeout(killer)
  }

  private settle(message: Exclude<FromHost, Received>): void {
    const waiting = this.waiting.get(message.number)
    this.waiting.delete(message.number)
    if (message.type === 'answer') waiting?.resolve(message.result as never)
    else waiting?.reject(new DemoFailure(`${this.label}: ${message.message} [${message.code}]`))
  }

  private failAll(reason: string): void {
    for (const { reject } of this.waiting.values()) reject(new DemoFailure(reason))
    this.waiting.clear()
  }
}

/** Why the demo failed, in words for whoever ran it. */
export class DemoFailure extends ProtocolError {
  constructor(reason: string) {
    super('SEND_FAILED', reason)
    this.name = 'DemoFailure'
  }
}
