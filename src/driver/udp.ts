/**
 * One UDP socket. IPv6 sockets take IPv4 as well (dual stack); addresses are handed on in the usual text of their own
 * family either way. A send that fails is counted, never thrown: the link layer sends again what matters.
 */
import { createSocket, type RemoteInfo, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { isIPv6 } from 'node:net'
import { ProtocolError } from '../base/errors.js'
import type { PeerAddress } from '../link/link.js'

/** What the kernel is asked to hold for us: the default drops everything past about ninety datagrams of a burst. */
const RECEIVE_BUFFER_BYTES = 4 * 1024 * 1024
const MAPPED = '::ffff:'
const LAST_PORT = 65_535

export interface UdpSocket {
  /** Where it is bound. */
  readonly address: PeerAddress
  /** Bytes the kernel granted for arrivals, which can be less than was asked for. */
  readonly receiveBufferBytes: number
  readonly receiveBufferWantedBytes: number
  readonly sendErrors: () => number
  send(to: PeerAddress, bytes: Uint8Array): void
  onDatagram(handler: (from: PeerAddress, bytes: Uint8Array) => void): void
  /** Resolves when everything handed to `send` has left. */
  drained(): Promise<void>
  close(): Promise<void>
}

/** Binds a socket. Without `at`, any free port of every address, dual stack where the machine has IPv6. */
export async function openUdp(at?: PeerAddress): Promise<UdpSocket> {
  if (at !== undefined) return wrap(await bind(at), isIPv6(at.host))
  try {
    return wrap(await bind({ host: '::', port: 0 }), true)
  } catch {
    return wrap(await bind({ host: '0.0.0.0', port: 0 }), false)
  }
}

async function bind(at: PeerAddress): Promise<Socket> {
  const socket = createSocket({
    type: isIPv6(at.host) ? 'udp6' : 'udp4',
    // Addresses are numeric already; the default would ask the resolver for every datagram.
    lookup: (host, _options, done) => done(null, host, isIPv6(host) ? 6 : 4),
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

function wrap(socket: Socket, dual: boolean): UdpSocket {
  const { address, port } = socket.address()
  let pending = 0
  let sendErrors = 0
  const idle: (() => void)[] = []
  grow(socket)
  // Errors of the socket itself (an ICMP refusal, a full queue) must not end the process.
  socket.on('error', () => {
    sendErrors++
  })
  return {
    address: { host: address, port },
    receiveBufferBytes: grantedBytes(socket),
    receiveBufferWantedBytes: RECEIVE_BUFFER_BYTES,
    sendErrors: () => sendErrors,
    send(to, bytes) {
      // What no datagram can be sent to makes the socket throw instead of report.
      if (to.port < 1 || to.port > LAST_PORT) {
        sendErrors++
        return
      }
      pending++
      socket.send(bytes, to.port, dual && !isIPv6(to.host) ? MAPPED + to.host : to.host, (error) => {
        pending--
        if (error) sendErrors++
        if (pending === 0) for (const resolve of idle.splice(0)) resolve()
      })
    },
    onDatagram(handler) {
      socket.on('message', (bytes: Uint8Array, from: RemoteInfo) => handler(peerOf(from), bytes))
    },
    drained: () => (pending === 0 ? Promise.resolve() : new Promise((resolve) => idle.push(resolve))),
    close: () => new Promise((resolve) => socket.close(() => resolve())),
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
