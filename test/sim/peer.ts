/**
 * A bare endpoint as a node of the virtual network: a test speaks through it, well or badly, to the role it examines, in
 * the place of a device, a proxy or the server.
 */
import type { RandomBytes } from '../../src/base/random.js'
import type { Millis } from '../../src/base/time.js'
import type { Crypto } from '../../src/crypto/crypto.js'
import { createEndpoint } from '../../src/link/endpoint.js'
import type { EndpointOptions, LinkEndpoint, LinkOutput, SessionId } from '../../src/link/link.js'
import type { Machine, RoleInput, RoleOutput } from '../../src/role/role.js'
import { type Message, type MessageKind, type MessageOf, parseMessage } from '../../src/wire/message.js'

/** A message as it came. */
export interface Received {
  readonly session: SessionId
  readonly number: number
  readonly message: Message
}

export class Peer implements Machine<RoleInput, RoleOutput> {
  readonly endpoint: LinkEndpoint
  readonly received: Received[] = []
  readonly events: LinkOutput[] = []
  /** Called with each message that comes. */
  onMessage: (now: Millis, received: Received) => void = () => {}
  private readonly outputs: RoleOutput[] = []

  constructor(options: EndpointOptions, crypto: Crypto, random: RandomBytes) {
    this.endpoint = createEndpoint(options, crypto, random)
  }

  /** The values of all messages of one kind. */
  of<K extends MessageKind>(kind: K): MessageOf<K>['value'][] {
    return this.received.flatMap(({ message }) =>
      message.kind === kind ? [message.value as MessageOf<K>['value']] : [],
    )
  }

  restore(): void {}
  start(): void {}

  handle(now: Millis, input: RoleInput): void {
    if (input.type === 'datagram') this.endpoint.datagram(now, input.from, input.bytes)
    if (input.type === 'timeout') this.endpoint.timeout(now)
    this.settle(now)
  }

  poll(): RoleOutput | undefined {
    return this.outputs.shift()
  }

  deadline(): Millis | undefined {
    return this.endpoint.deadline()
  }

  private settle(now: Millis): void {
    for (let output = this.endpoint.poll(); output !== undefined; output = this.endpoint.poll()) {
      if (output.type === 'transmit' || output.type === 'drop') this.outputs.push(output)
      else if (output.type === 'received') this.take(now, output)
      else this.events.push(output)
    }
  }

  private take(now: Millis, output: LinkOutput & { type: 'received' }): void {
    const parsed = parseMessage(output.message.slice())
    if (!parsed.ok) throw new Error(`the role sent what does not parse: ${parsed.code}`)
    const received = { session: output.session, number: output.number, message: parsed.value }
    this.received.push(received)
    this.onMessage(now, received)
  }
}
