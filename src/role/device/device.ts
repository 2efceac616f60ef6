/**
 * The device as a machine: inputs find the part they concern, and what the parts have to say finds its way out
 * (PROTOCOL.md sections 4 to 8). What one input changes is one write; CS hears of a delivery once that write is durable.
 */
import { toHex } from '../../base/bytes.js'
import { ProtocolError } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import { earliest, type Millis } from '../../base/time.js'
import { keysNeededFrom } from '../../group/epochs.js'
import type { Group } from '../../group/group.js'
import { createEndpoint } from '../../link/endpoint.js'
import type { LinkEndpoint, LinkOutput } from '../../link/link.js'
import { encodeMessage, parseMessage } from '../../wire/message.js'
import type {
  DeviceCommand,
  DeviceInput,
  DeviceOptions,
  DeviceOutput,
  Device as DeviceRole,
  DeviceStatus,
} from '../device.js'
import { LinkTotals } from '../link-totals.js'
import { createServerLink } from '../server-link/create.js'
import type { ServerLink, ServerLinkEvent, VerifiedDirectory } from '../server-link.js'
import { Commands } from './commands.js'
import { createCore, type DeviceBounds, type DeviceCore } from './core.js'
import { Cover } from './cover.js'
import { expire } from './inviting.js'
import { Receiving } from './receiving.js'
import { keys } from './records.js'
import { Restore } from './restore.js'
import { Sending } from './sending.js'

/** Throws `NETWORK_CARD_MALFORMED` for a card that names no server. */
export function createDevice(options: DeviceOptions, bounds: DeviceBounds = {}): DeviceRole {
  return new DeviceMachine(options, bounds)
}

const UPKEEP_MS = 600_000

class DeviceMachine implements DeviceRole {
  private readonly options: DeviceOptions
  private readonly core: DeviceCore
  private readonly endpoint: LinkEndpoint
  private readonly totals: LinkTotals<'server' | 'proxies'>
  private readonly serverLink: ServerLink
  private readonly sending: Sending
  private readonly receiving: Receiving
  private readonly cover: Cover
  private readonly commands: Commands
  private readonly restored: Restore
  private readonly outputs: DeviceOutput[] = []
  /** Deliveries that CS may delete. */
  private confirmations: number[] = []
  /** CS has said on this link that nothing waits from before it. */
  private caughtUp = false
  private upkeepAt: Millis = 0
  private stopped = false
  private now: Millis = 0

  constructor(options: DeviceOptions, bounds: DeviceBounds) {
    const { crypto, random, self, server, accessCode } = options
    this.options = options
    this.endpoint = createEndpoint({}, crypto, random)
    this.totals = new LinkTotals(this.endpoint)
    this.serverLink = createServerLink({
      context: options,
      endpoint: this.endpoint,
      server,
      self,
      role: 'device',
      accessCode,
    })
    const say = (output: DeviceOutput): void => {
      this.outputs.push(output)
    }
    const connected = () => this.serverLink.session !== undefined
    const linkedSince = () => (this.caughtUp ? this.serverLink.connection.upSince : undefined)
    this.core = createCore({ options, say, directory: () => this.directory(), connected, linkedSince }, bounds)
    this.sending = new Sending(this.core, this.endpoint)
    this.receiving = new Receiving(this.core, (number) => this.confirm(number))
    this.cover = new Cover(this.core, options.coverMeanMs ?? 0)
    this.commands = new Commands(this.core, this.sending, this.receiving, this.cover)
    this.restored = new Restore(this.core)
  }

  restore(key: string, value: Uint8Array): void {
    this.restored.entry(key, value)
  }

  start(now: Millis): void {
    this.now = now
    const { directory, outgoing } = this.restored.finish()
    if (directory !== undefined) this.serverLink.restoreDirectory(now, directory)
    const held = this.serverLink.directory
    if (held !== undefined) this.core.directories.hold(held.digest)
    this.sending.enqueue(...outgoing)
    for (const message of this.core.inbox.takeRestored()) this.core.say({ type: 'message', message })
    this.core.groups.refresh(this.options.crypto, now)
    this.upkeep(now)
    this.cover.start(now)
    this.serverLink.start(now)
    this.settle(now)
  }

  handle(now: Millis, input: DeviceInput): void {
    this.now = now
    switch (input.type) {
      case 'datagram':
        this.endpoint.datagram(now, input.from, input.bytes)
        break
      case 'timeout':
        this.timeout(now)
        break
      case 'persisted':
        this.core.storage.persisted(now, input.reference)
        break
      case 'loaded':
        break
      case 'stop':
        this.stop(now)
        break
      case 'serverMoved':
        this.serverLink.moved(now, input.addresses)
        break
      case 'derived':
        this.commands.derived(now, input.reference, input.derived)
        break
      case 'createGroup':
      case 'invite':
      case 'join':
      case 'decline':
      case 'uninvite':
      case 'send':
      case 'leaveGroup':
      case 'removeMembers':
      case 'renameMember':
      case 'acknowledge':
      case 'abort':
        this.command(now, input)
        break
      default:
        input satisfies never
    }
    this.settle(now)
  }

  poll(): DeviceOutput | undefined {
    return this.outputs.shift()
  }

  deadline(): Millis | undefined {
    if (this.stopped) return undefined
    const canAttend = this.core.directory() !== undefined && this.core.outbox.hasRoom
    const parts = [
      this.endpoint.deadline(),
      this.serverLink.deadline(),
      this.sending.deadline(),
      this.cover.deadline(),
      this.commands.deadline(),
      canAttend ? this.core.groups.dueAt : undefined,
      this.core.groups.refreshDueAt,
      this.upkeepAt,
    ]
    return parts.reduce(earliest, undefined)
  }

  status(): DeviceStatus {
    const { groups, unopened, inbox, outbox } = this.core
    return {
      id: this.options.self.id,
      connected: !this.stopped && this.serverLink.session !== undefined,
      serverLink: this.serverLink.connection,
      directory: this.core.directory(),
      directories: this.core.directories.compare(this.now),
      firstProxies: this.core.guards.status(this.now, this.core.directory()),
      groups: groups.all(),
      // Where nothing comes here, nothing follows from it that nobody is heard.
      silentGroups: this.core.heard.silent(this.now, this.caughtUp && !this.stopped ? groups.all() : []),
      unopened: unopened.count,
      inboxMessages: inbox.count,
      outgoingMessages: outbox.untaken,
      unprovenMessages: outbox.count - outbox.untaken,
      cover: this.cover.status(),
      links: { server: this.totals.of('server'), proxies: this.totals.of('proxies') },
    }
  }

  group(name: string): Group | undefined {
    return this.core.groups.byName(name)
  }

  private directory(): VerifiedDirectory | undefined {
    const { directory } = this.serverLink
    return directory !== undefined && this.now <= directory.validUntil ? directory : undefined
  }

  private command(now: Millis, command: DeviceCommand): void {
    if (!this.stopped) this.commands.handle(now, command)
    else if (command.type !== 'abort') {
      this.core.replies.begin(command.reference, () => {
        throw new ProtocolError('CLOSED', 'the device has been stopped')
      })
    }
  }

  private timeout(now: Millis): void {
    if (this.stopped) return
    this.endpoint.timeout(now)
    this.serverLink.timeout(now)
    this.sending.timeout(now)
    this.sending.enqueue(...this.cover.take(now))
    this.commands.timeout(now)
    if (this.upkeepAt <= now) this.upkeep(now)
  }

  private upkeep(now: Millis): void {
    this.upkeepAt = now + UPKEEP_MS
    this.core.handedOn.prune(now)
    this.core.ownCopies.prune(now)
    this.core.unopened.prune(now)
    this.core.unread.prune(now)
    this.core.early.prune(now)
    expire(this.core, now)
    this.core.heard.keep(now, this.core.groups.all())
    this.core.groups.plan(this.options.random, this.options.self.id, now)
    this.forgetKeys(now)
    this.reportDirectories(now)
  }

  private reportDirectories(now: Millis): void {
    for (const { member, at } of this.core.directories.unreported(now)) {
      const event = 'a member announced a directory that this device was not given'
      this.core.say({ type: 'notice', level: 'warn', event, detail: { member: toHex(member), at } })
    }
  }

  /** Two clocks must agree that a day is over before its keys go: the own one, and CS's as the directory has it. */
  private forgetKeys(now: Millis): void {
    const { directory } = this.serverLink
    if (directory === undefined) return
    const certain = Math.min(now, directory.issuedAt)
    const caughtUp = this.caughtUp && this.receiving.tookAll
    this.core.groups.forget(this.options.crypto, keysNeededFrom(now, certain, caughtUp), certain, now)
  }

  /** Lets every part see what the others caused, until nothing moves any more. */
  private settle(now: Millis): void {
    if (!this.stopped) this.drainLinks(now)
    this.core.storage.flush(now)
    if (this.stopped) {
      this.drainTransmits()
      return
    }
    this.sendConfirmations(now)
    this.drainLinks(now)
    this.core.storage.flush(now)
  }

  private drainLinks(now: Millis): void {
    for (;;) {
      const output = this.endpoint.poll()
      if (output !== undefined) {
        this.linkOutput(now, output)
        continue
      }
      const event = this.serverLink.poll()
      if (event !== undefined) {
        this.serverEvent(now, event)
        continue
      }
      if (!this.work(now)) return
    }
  }

  /** What follows from what came in; true where it may have given the links something to do. */
  private work(now: Millis): boolean {
    if (this.core.groups.refresh(this.options.crypto, now)) this.receiving.keysChanged()
    this.receiving.retryWhatMayOpen(now)
    this.sending.enqueue(...this.receiving.attendDue(now))
    // Before CS is known to know this end there is nothing to begin anew, though copies may have come already.
    if (this.serverLink.session !== undefined && this.receiving.wantsRefused(now)) {
      this.receiving.retryKept(now)
      this.reconnect(now)
      return true
    }
    const pumped = this.sending.pump(now)
    this.core.groups.dropLeft(({ id }) => this.core.outbox.hasOf(id))
    return pumped
  }

  private linkOutput(now: Millis, output: LinkOutput): void {
    switch (output.type) {
      case 'transmit':
      case 'rebind':
        this.outputs.push(output)
        return
      case 'drop':
        this.core.drop(output.code)
        return
      case 'received':
        if (this.serverLink.owns(output.session)) this.fromServer(now, output.message)
        else this.sending.linkOutput(now, output)
        return
      case 'connected':
        this.totals.assign(output.session, this.serverLink.owns(output.session) ? 'server' : 'proxies')
        break
      case 'closed':
        this.totals.closed(output)
        break
      case 'accepted':
      case 'delivered':
        break
      default:
        output satisfies never
    }
    if (!this.serverLink.linkOutput(now, output)) this.sending.linkOutput(now, output)
  }

  private fromServer(now: Millis, bytes: Uint8Array): void {
    const parsed = parseMessage(bytes, this.options.observe)
    if (!parsed.ok) this.core.drop(parsed.code)
    else if (this.serverLink.message(now, parsed.value)) return
    else if (parsed.value.kind === 'delivery') {
      this.receiving.delivery(now, parsed.value.value.number, parsed.value.value.payload)
    } else if (parsed.value.kind === 'mailboxEmpty') {
      this.caughtUp = true
      this.forgetKeys(now)
    } else this.core.drop('ROLE_UNEXPECTED')
  }

  private serverEvent(now: Millis, event: ServerLinkEvent): void {
    switch (event.type) {
      case 'ready':
        this.core.say({ type: 'connection' })
        return
      case 'lost':
        // They come again, and are known then.
        this.confirmations = []
        this.caughtUp = false
        this.core.say({ type: 'connection' })
        return
      case 'directory':
        this.core.storage.put(keys.directory, event.directory.encoded)
        this.core.directories.hold(event.directory.digest)
        this.core.say({ type: 'connection' })
        this.commands.resume(now)
        this.sending.resume()
        return
      case 'drop':
        this.core.drop(event.code)
        return
      default:
        event satisfies never
    }
  }

  /** CS sends again on a new session whatever was not confirmed on the old one. */
  private reconnect(now: Millis): void {
    const { session } = this.serverLink
    if (session !== undefined) this.endpoint.close(now, session, 'done')
  }

  private confirm(number: number): void {
    // CS has no more than this under way; past it, it breaks its own rule and may send again.
    if (this.confirmations.length < limits.deliveriesInFlight) this.confirmations.push(number)
  }

  private sendConfirmations(now: Millis): void {
    const { session } = this.serverLink
    if (session === undefined || this.confirmations.length === 0) return
    const numbers = this.confirmations.map((number) => ({ number }))
    const sent = this.endpoint.send(now, session, encodeMessage('deliveryConfirmation', { numbers }), 'receipt')
    if (sent !== undefined) this.confirmations = []
  }

  private stop(now: Millis): void {
    if (this.stopped) return
    this.drainLinks(now)
    this.core.replies.failAll('CLOSED', 'the device has been stopped')
    this.stopped = true
    this.sending.stop(now)
    const { session } = this.serverLink
    if (session !== undefined) this.endpoint.close(now, session, 'goingAway')
  }

  /** Goodbyes, and nothing that they cause. */
  private drainTransmits(): void {
    for (let output = this.endpoint.poll(); output !== undefined; output = this.endpoint.poll()) {
      if (output.type === 'transmit') this.outputs.push(output)
    }
  }
}
