/**
 * One UDP socket. IPv6 sockets take IPv4 as well (dual stack); addresses are handed on in the usual text of their own
 * family either way. A send that fails, or that the kernel has no room for, is counted, never thrown and never kept: the
 * link layer sees a lost packet, sends again what matters, and slows down until its own queues are full.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'
import { ProtocolError } from '../base/errors.js'
import type { PeerAddress } from '../link/link.js'

/** What the kernel is asked to hold for us: the default drops everything past about ninety datagrams of a burst. */
const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024
/** What waits for the kernel at one time: memory must not grow because the network is slow. */
const SEND_QUEUE_BYTES = 4 * 1024 * 1024
const MAPPED = '::ffff:'
const LAST_PORT = 65_535

export interface UdpSocket {
  /** Where it is bound. */
  readonly address: PeerAddress
  /** Bytes the kernel granted for arrivals, which can be less than was asked for. */
  readonly receiveBufferBytes: number
  readonly receiveBufferWantedBytes: number
  /** Datagrams that were not sent, and errors of the socket: in all, and by the system's code. */
  sendErrors(): number
  sendErrorCodes(): Readonly<Record<string, number>>
  send(to: PeerAddress, bytes: Uint8Array): void
  onDatagram(handler: (from: PeerAddress, bytes: Uint8Array) => void): void
  /** Moves to another local port, unless one was asked for; tells whether it did. */
  rebind(): Promise<boolean>
  /** Resolves when everything handed to `send` has left. */
  drained(): Promise<void>
  close(): Promise<void>
}

/** Binds a socket. Without `at`, any free port of every address, dual stack where the machine has IPv6. */
export async function openUdp(at?: PeerAddress): Promise<UdpSocket> {
  if (at !== undefined) return new Port(await bind(at), isIPv6(at.host), at)
  try {
    return new Port(await bind({ host: '::', port: 0 }), true, undefined)
  } catch {
    // A machine without IPv6; whatever else is wrong shows again.
    return new Port(await bind({ host: '0.0.0.0', port: 0 }), false, undefined)
  }
}

async function bind(at: PeerAddress): Promise<Socket> {
  const family = isIPv6(at.host) ? 6 : 4
  const socket = createSocket({
    type: `udp${family}`,
    // Addresses are numeric already, and of the socket's family; the default would ask the resolver for every datagram.
    lookup: (host, _options, done) => done(null, host, family),
  })
  try {
    // Asked for first: with a lookup that answers at once, the socket listens before `bind` returns.
    const listening = once(socket, 'listening')
    socket.bind(at.port, at.host)
    await listening
  } catch (error) {
    socket.close()
    throw bindError(error as NodeJS.ErrnoException, at)
  }
  return socket
}

function bindError(error: NodeJS.ErrnoException, at: PeerAddress): ProtocolError {
  const where = isIPv6(at.host) ? `[${at.host}]:${at.port}` : `${at.host}:${at.port}`
  if (error.code === 'EADDRINUSE') {
    return new ProtocolError(
      'PORT_IN_USE',
      `UDP port ${where} is in use; stop what uses it or choose another with --listen`,
    )
  }
  const hint =
    error.code === 'EACCES' ? 'ports below 1024 need privileges' : 'choose an address of this machine with --listen'
  return new ProtocolError('ADDRESS_UNAVAILABLE', `cannot listen on ${where} (${error.code ?? error.message}); ${hint}`)
}

class Port implements UdpSocket {
  readonly receiveBufferWantedBytes = RECEIVE_BUFFER_BYTES
  private socket: Socket
  private dual: boolean
  private readonly at: PeerAddress | undefined
  private readonly errors = new Map<string, number>()
  private readonly idle: (() => void)[] = []
  private handler: (from: PeerAddress, bytes: Uint8Array) => void = () => undefined
  private pending = 0
  private pendingBytes = 0
  private rebinding = false
  private closed = false

  constructor(socket: Socket, dual: boolean, at: PeerAddress | undefined) {
    this.socket = socket
    this.dual = dual
    this.at = at
    this.listen(socket)
  }

  get address(): PeerAddress {
    const { address, port } = this.socket.address()
    return { host: address, port }
  }

  get receiveBufferBytes(): number {
    return grantedBytes(this.socket)
  }

  sendErrors(): number {
    return [...this.errors.values()].reduce((sum, count) => sum + count, 0)
  }

  sendErrorCodes(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.errors)
  }

  send(to: PeerAddress, bytes: Uint8Array): void {
    // What no datagram can be sent to makes the socket throw instead of report.
    const refused = to.port < 1 || to.port > LAST_PORT ? 'ERR_SOCKET_BAD_PORT' : this.fullCode(bytes)
    if (refused !== undefined) {
      this.failed(refused)
      return
    }
    this.pending++
    this.pendingBytes += bytes.length
    // Of numeric addresses those of IPv6 alone have colons: all that has to be found out here, for every datagram.
    const host = this.dual && !to.host.includes(':') ? MAPPED + to.host : to.host
    this.socket.send(bytes, to.port, host, (error) => {
      this.pending--
      this.pendingBytes -= bytes.length
      if (error) this.failed((error as NodeJS.ErrnoException).code ?? 'unknown')
      if (this.pending === 0) for (const resolve of this.idle.splice(0)) resolve()
    })
  }

  /** Where the kernel takes no more, what would wait here is lost instead, and its sender slows down. */
  private fullCode(bytes: Uint8Array): string | undefined {
    if (this.closed) return 'ERR_SOCKET_DGRAM_NOT_RUNNING'
    return this.pendingBytes + bytes.length > SEND_QUEUE_BYTES ? 'ENOBUFS' : undefined
  }

  onDatagram(handler: (from: PeerAddress, bytes: Uint8Array) => void): void {
    this.handler = handler
  }

  async rebind(): Promise<boolean> {
    const asked = this.at !== undefined && this.at.port !== 0
    if (asked || this.rebinding || this.closed) return false
    this.rebinding = true
    try {
      const socket = await bind({ host: this.at?.host ?? this.address.host, port: 0 })
      if (this.closed) {
        socket.close()
        return false
      }
      const old = this.socket
      this.socket = socket
      this.listen(socket)
      await this.drained()
      old.close()
      return true
    } catch (error) {
      this.failed((error as ProtocolError).code)
      return false
    } finally {
      this.rebinding = false
    }
  }

  drained(): Promise<void> {
    return this.pending === 0 ? Promise.resolve() : new Promise((resolve) => this.idle.push(resolve))
  }

  close(): Promise<void> {
    if (this.closed) return Promise.resolve()
    this.closed = true
    return new Promise((resolve) => this.socket.close(() => resolve()))
  }

  private listen(socket: Socket): void {
    grow(socket)
    socket.on('message', (bytes: Uint8Array, from: RemoteInfo) => this.handler(peerOf(from), bytes))
    // Errors of the socket itself (an ICMP refusal, an interface that is gone) must not end the process.
    socket.on('error', (error: NodeJS.ErrnoException) => this.failed(error.code ?? 'unknown'))
  }

  private failed(code: string): void {
    this.errors.set(code, (this.errors.get(code) ?? 0) + 1)
  }
}

function peerOf(from: RemoteInfo): PeerAddress {
  const host = from.address.startsWith(MAPPED) ? from.address.slice(MAPPED.length) : from.address
  return { host, port: from.port }
}

function grow(socket: Socket): void {
  try {
    socket.setRecvBufferSize(RECEIVE_BUFFER_BYTES)
  } catch {
    // The kernel's limit stands; the caller sees it in receiveBufferBytes.
  }
}

/** Linux reports twice what it grants, to count its own bookkeeping. */
function grantedBytes(socket: Socket): number {
  const reported = socket.getRecvBufferSize()
  return process.platform === 'linux' ? reported / 2 : reported
}
