/**
 * The only event loop: it drives one machine over one socket and one store. Each event is one mutation of the machine;
 * then everything it has to say is drained, and the timer set anew.
 */
import { ProtocolError } from '../base/errors.js'
import type { Millis } from '../base/time.js'
import type { PeerAddress } from '../link/link.js'
import type { JobInput, JobOutput } from '../role/jobs.js'
import type { Machine, RoleInput, RoleOutput } from '../role/role.js'
import type { Clock } from './clock.js'
import type { Log } from './log.js'
import { Notices } from './notices.js'
import type { Store } from './store.js'
import type { UdpSocket } from './udp.js'
import type { Workers } from './workers.js'

/** The longest wait that setTimeout takes. */
const MAX_TIMEOUT_MS = 2 ** 31 - 1
const STOP_MS = 2000

export interface Running<Input> {
  /** One mutation, then drain. Throws CLOSED once stopped. */
  handle(input: Input | RoleInput): void
  /** Drops so far, by code. */
  drops(): Readonly<Record<string, number>>
  /** Datagrams that the system did not send, and errors of the socket, by the system's code. */
  sendErrors(): Readonly<Record<string, number>>
  /** Says goodbye, lets what is under way reach disk and wire, and frees socket and store. */
  stop(): Promise<void>
  /** Resolves when stopped; rejects when the store failed, after which the machine has been stopped too. */
  readonly ended: Promise<void>
}

/** What the loop tells a machine, and what it does for it. */
export type LoopInput = RoleInput | JobInput
export type LoopOutput = RoleOutput | JobOutput

export interface RunOptions<Input, Output> {
  readonly machine: Machine<Input | LoopInput, Output | LoopOutput>
  readonly socket: UdpSocket
  readonly store: Store
  readonly clock: Clock
  readonly log: Log
  /** For a role that has jobs to do; closed with the loop. */
  readonly workers?: Workers
  /** Outputs of the role's own. */
  readonly onOutput?: (output: Output) => void
}

const OWN_OUTPUTS = new Set<string>([
  'transmit',
  'persist',
  'load',
  'drop',
  'notice',
  'rebind',
  'job',
] satisfies LoopOutput['type'][])

interface Arrived {
  readonly from: PeerAddress
  readonly bytes: Uint8Array
}

/** Restores the machine from its store, starts it and runs it until `stop`. */
export async function run<Input, Output extends { readonly type: string }>(
  options: RunOptions<Input, Output>,
): Promise<Running<Input>> {
  const { machine, store, clock } = options
  for await (const [key, value] of store.entries()) machine.restore(key, value)
  const loop = new Loop(options)
  machine.start(clock.now())
  loop.begin()
  return loop
}

class Loop<Input, Output extends { readonly type: string }> implements Running<Input> {
  readonly ended: Promise<void>
  private readonly options: RunOptions<Input, Output>
  private readonly dropCounts: Record<string, number> = {}
  private readonly notices: Notices
  private timer: NodeJS.Timeout | undefined
  private immediate: NodeJS.Immediate | undefined
  private armedFor: Millis | undefined
  private arrived: Arrived[] = []
  private writes: Promise<unknown> = Promise.resolve()
  private jobs = 0
  private jobsDone: (() => void) | undefined
  private phase: 'running' | 'stopping' | 'stopped' = 'running'
  private settle!: { resolve: () => void; reject: (error: unknown) => void }

  constructor(options: RunOptions<Input, Output>) {
    this.options = options
    this.notices = new Notices(options.log)
    this.ended = new Promise((resolve, reject) => {
      this.settle = { resolve, reject }
    })
    // Whoever awaits `ended` sees the failure; nobody has to.
    this.ended.catch(() => undefined)
  }

  begin(): void {
    this.options.socket.onDatagram((from, bytes) => this.arrive({ from, bytes }))
    this.drain()
  }

  handle(input: Input | RoleInput): void {
    if (this.phase !== 'running') throw new ProtocolError('CLOSED', 'this node has been stopped')
    this.mutate(input)
  }

  drops(): Readonly<Record<string, number>> {
    return this.dropCounts
  }

  sendErrors(): Readonly<Record<string, number>> {
    return this.options.socket.sendErrorCodes()
  }

  async stop(): Promise<void> {
    if (this.phase !== 'running') return this.ended
    this.phase = 'stopping'
    this.mutate({ type: 'stop' })
    await this.finish(undefined)
  }

  private async finish(failure: unknown): Promise<void> {
    const { socket, store, workers } = this.options
    const patience = new Promise<void>((resolve) => setTimeout(resolve, STOP_MS).unref())
    await Promise.race([this.settled(), patience])
    this.phase = 'stopped'
    this.disarm()
    await workers?.close()
    await socket.close()
    await store.close()
    if (failure === undefined) this.settle.resolve()
    else this.settle.reject(failure)
  }

  /** Resolves when what is under way has reached disk and wire; jobs first, since they lead to both. */
  private async settled(): Promise<void> {
    if (this.jobs > 0) {
      await new Promise<void>((resolve) => {
        this.jobsDone = resolve
      })
    }
    await Promise.allSettled([this.writes, this.options.socket.drained()])
  }

  /** The socket tells of everything that has arrived before any immediate runs. */
  private arrive(datagram: Arrived): void {
    this.arrived.push(datagram)
    if (this.arrived.length === 1) setImmediate(() => this.takeArrived())
  }

  private takeArrived(): void {
    const { arrived } = this
    this.arrived = []
    if (this.phase === 'stopped') return
    const { machine, clock } = this.options
    const now = clock.now()
    const last = arrived.length - 1
    for (const [index, { from, bytes }] of arrived.entries()) {
      const datagram = { type: 'datagram', from, bytes } as const
      machine.handle(now, index < last ? { ...datagram, more: true } : datagram)
    }
    this.drain()
  }

  private mutate(input: Input | LoopInput): void {
    if (this.phase === 'stopped') return
    this.options.machine.handle(this.options.clock.now(), input)
    this.drain()
  }

  private drain(): void {
    const { machine, onOutput } = this.options
    for (let output = machine.poll(); output !== undefined; output = machine.poll()) {
      if (OWN_OUTPUTS.has(output.type)) this.perform(output as LoopOutput)
      else onOutput?.(output as Output)
    }
    this.arm()
  }

  private perform(output: LoopOutput): void {
    switch (output.type) {
      case 'transmit':
        this.options.socket.send(output.to, output.bytes)
        return
      case 'rebind':
        this.rebind()
        return
      case 'persist':
        this.persist(output)
        return
      case 'load':
        this.load(output)
        return
      case 'drop':
        this.dropCounts[output.code] = (this.dropCounts[output.code] ?? 0) + 1
        this.options.log.debug({ code: output.code }, 'dropped')
        return
      case 'notice':
        this.notices.take(this.options.clock.now(), output)
        return
      case 'job':
        this.run(output)
        return
      default:
        output satisfies never
    }
  }

  private rebind(): void {
    void this.options.socket.rebind().then((moved) => {
      if (moved) this.options.log.info({ address: this.options.socket.address }, 'no answers; moved to another port')
    })
  }

  private persist({ reference, writes }: Extract<RoleOutput, { type: 'persist' }>): void {
    const written = this.options.store.write(writes)
    this.writes = written
    written.then(
      () => this.mutate({ type: 'persisted', reference }),
      (error: unknown) => this.fail(error),
    )
  }

  private run({ id, job }: JobOutput): void {
    this.jobs++
    this.options.workers?.run(job, (result) => {
      this.jobs--
      this.mutate({ type: 'done', id, result })
      if (this.jobs === 0) this.jobsDone?.()
    })
  }

  private load({ reference, key }: Extract<RoleOutput, { type: 'load' }>): void {
    this.options.store.get(key).then(
      (value) => this.mutate({ type: 'loaded', reference, value }),
      (error: unknown) => this.fail(error),
    )
  }

  /** A disk that no longer takes writes cannot keep promises; going on would break them silently. */
  private fail(error: unknown): void {
    if (this.phase !== 'running') return
    this.phase = 'stopping'
    this.options.log.error({ error: String(error) }, 'the store failed; stopping')
    const failure =
      error instanceof ProtocolError
        ? error
        : new ProtocolError('DATA_UNWRITABLE', `the data directory can no longer be written: ${error}`)
    void this.finish(failure)
  }

  private arm(): void {
    const deadline = this.phase === 'stopped' ? undefined : this.options.machine.deadline()
    if (deadline === this.armedFor) return
    this.disarm()
    this.armedFor = deadline
    if (deadline === undefined) return
    const waitMs = deadline - this.options.clock.now()
    const due = () => {
      this.armedFor = undefined
      this.mutate({ type: 'timeout' })
    }
    if (waitMs <= 0) this.immediate = setImmediate(due)
    else this.timer = setTimeout(due, Math.min(waitMs, MAX_TIMEOUT_MS))
  }

  private disarm(): void {
    clearTimeout(this.timer)
    clearImmediate(this.immediate)
    this.armedFor = undefined
  }
}
