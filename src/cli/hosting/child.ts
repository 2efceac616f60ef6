/**
 * The parent's side of a child process that hosts nodes: started, called, and in every case ended. A child that ends on its
 * own fails everything that waits for it.
 */
import { type ChildProcess, fork } from 'node:child_process'
import { ProtocolError } from '../../base/errors.js'
import type { AnyCall, CallOf, FromHost, ResultsOf } from './calls.js'

/** How long a child has to say goodbye before it is killed. */
const PATIENCE_MS = 5000

type Waiting = { readonly resolve: (result: never) => void; readonly reject: (error: Error) => void }

export interface ChildOptions<E> {
  /** What the child is called where it fails. */
  readonly label: string
  /** What it runs: a module that calls `serveCalls`. */
  readonly program: URL
  readonly onEvent: (event: E) => void
  /** Options for Node itself, such as `--expose-gc`. */
  readonly execArgv?: readonly string[]
}

export class Child<C extends AnyCall, R extends ResultsOf<C>, E> {
  readonly label: string
  readonly pid: number | undefined
  private readonly process: ChildProcess
  private readonly exited: Promise<void>
  private readonly waiting = new Map<number, Waiting>()
  private next = 1

  constructor({ label, program, onEvent, execArgv = [] }: ChildOptions<E>) {
    this.label = label
    this.process = fork(program, {
      serialization: 'advanced',
      stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      execArgv: [...execArgv],
    })
    this.pid = this.process.pid
    this.exited = new Promise((resolve) => this.process.once('exit', () => resolve()))
    this.process.once('exit', (code, signal) => this.failAll(`the process of ${label} ended (${signal ?? code})`))
    this.process.once('error', (error) =>
      this.failAll(`the process of ${label} could not be started: ${error.message}`),
    )
    this.process.on('message', (message: FromHost<E>) => {
      if (message.type === 'event') onEvent(message.event)
      else this.settle(message)
    })
  }

  call<N extends C['call']>(call: N, parameters: Omit<CallOf<C, N>, 'call'>): Promise<R[N]> {
    const number = this.next++
    return new Promise((resolve, reject) => {
      this.waiting.set(number, { resolve, reject })
      this.process.send({ ...parameters, number, call }, (error) => {
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

  private settle(message: Exclude<FromHost<E>, { type: 'event' }>): void {
    const waiting = this.waiting.get(message.number)
    this.waiting.delete(message.number)
    if (message.type === 'answer') waiting?.resolve(message.result as never)
    else waiting?.reject(new HostedFailure(`${this.label}: ${message.message} [${message.code}]`))
  }

  private failAll(reason: string): void {
    for (const { reject } of this.waiting.values()) reject(new HostedFailure(reason))
    this.waiting.clear()
  }
}

/** Why a hosted network failed, in words for whoever started it. */
export class HostedFailure extends ProtocolError {
  constructor(reason: string) {
    super('SEND_FAILED', reason)
    this.name = 'HostedFailure'
  }
}
