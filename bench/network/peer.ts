/** One endpoint as a machine, for what stands at the other end of a node or link that is measured. */
import type { Millis } from '../../src/base/time.js'
import type { LinkEndpoint, LinkOutput } from '../../src/link/link.js'
import type { Machine, RoleInput, RoleOutput } from '../../src/role/role.js'

/** What a subclass does with the outputs of its endpoint is its own. */
export abstract class Peer implements Machine<RoleInput, RoleOutput> {
  protected readonly endpoint: LinkEndpoint
  protected readonly outputs: RoleOutput[] = []

  constructor(endpoint: LinkEndpoint) {
    this.endpoint = endpoint
  }

  restore(): void {}
  start(_now: Millis): void {}

  handle(now: Millis, input: RoleInput): void {
    if (input.type === 'datagram') {
      this.endpoint.datagram(now, input.from, input.bytes)
      if (input.more) return
    } else if (input.type === 'timeout') {
      this.endpoint.timeout(now)
      this.due(now)
    }
    this.settle(now)
  }

  poll(): RoleOutput | undefined {
    return this.outputs.shift()
  }

  deadline(): Millis | undefined {
    return this.endpoint.deadline()
  }

  protected settle(now: Millis): void {
    for (let output = this.endpoint.poll(); output !== undefined; output = this.endpoint.poll()) {
      if (output.type === 'transmit' || output.type === 'drop') this.outputs.push(output)
      else this.event(now, output)
    }
  }

  protected due(_now: Millis): void {}
  protected abstract event(now: Millis, output: LinkOutput): void
}
