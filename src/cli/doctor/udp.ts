/** UDP on this machine, tried with real sockets on loopback: both families, and how much the kernel buffers for us. */
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { setTimeout } from 'node:timers/promises'
import { openUdp } from '../../driver/udp.js'
import { type Examined, type Finding, problem, reasonOf, warning } from './finding.js'

const ANSWER_MS = 2000

export interface UdpFacts {
  readonly ipv4: boolean
  readonly ipv6: boolean
  /** What nodes ask for, and what one socket was granted; null where there is no UDP at all. */
  readonly wantedBufferBytes: number | null
  readonly receiveBufferBytes: number | null
  readonly sendBufferBytes: number | null
}

export async function examineUdp(): Promise<Examined<UdpFacts>> {
  const [ipv4, ipv6] = await Promise.all([works('127.0.0.1'), works('::1')])
  try {
    const buffers = await examineBuffers()
    const none =
      ipv4 || ipv6 ? [] : [problem('no UDP datagram arrives on loopback; check the firewall of this machine')]
    return { facts: { ipv4, ipv6, ...buffers }, findings: [...none, ...smallBuffers(buffers)] }
  } catch (error) {
    return {
      facts: { ipv4, ipv6, wantedBufferBytes: null, receiveBufferBytes: null, sendBufferBytes: null },
      findings: [problem(`no UDP socket can be opened (${reasonOf(error)}); check what this process may do`)],
    }
  }
}

/** Whether a socket of that family gets what it sends to itself. */
async function works(host: string): Promise<boolean> {
  try {
    const socket = await openUdp({ host, port: 0 })
    try {
      const arrival = new Promise<boolean>((arrived) => socket.onDatagram(() => arrived(true)))
      socket.send(socket.address, Uint8Array.of(0))
      return await Promise.race([arrival, setTimeout(ANSWER_MS, false, { ref: false })])
    } finally {
      await socket.close()
    }
  } catch {
    return false
  }
}

interface Buffers {
  readonly wantedBufferBytes: number
  readonly receiveBufferBytes: number
  readonly sendBufferBytes: number
}

async function examineBuffers(): Promise<Buffers> {
  const node = await openUdp()
  const { receiveBufferBytes, receiveBufferWantedBytes: wantedBufferBytes } = node
  await node.close()
  const socket = createSocket('udp4').bind(0, '127.0.0.1')
  try {
    await once(socket, 'listening')
    return { wantedBufferBytes, receiveBufferBytes, sendBufferBytes: sendBufferOf(socket, wantedBufferBytes) }
  } finally {
    socket.close()
  }
}

function sendBufferOf(socket: Socket, wantedBytes: number): number {
  try {
    socket.setSendBufferSize(wantedBytes)
  } catch {
    // macOS refuses what is past its limit and leaves what was.
  }
  const reported = socket.getSendBufferSize()
  // Linux reports twice what it grants, to count its own bookkeeping.
  return process.platform === 'linux' ? reported / 2 : reported
}

function smallBuffers({ wantedBufferBytes, receiveBufferBytes, sendBufferBytes }: Buffers): Finding[] {
  const kinds = [
    ['receive', receiveBufferBytes, 'net.core.rmem_max', 'bursts of copies are dropped and sent again'],
    ['send', sendBufferBytes, 'net.core.wmem_max', 'bursts wait in this process'],
  ] as const
  return kinds
    .filter(([, bytes]) => bytes < wantedBufferBytes)
    .map(([name, bytes, setting, effect]) => {
      const raise =
        process.platform === 'linux' ? `sysctl -w ${setting}=${2 * wantedBufferBytes}` : 'raise kern.ipc.maxsockbuf'
      return warning(
        `the kernel grants a ${name} buffer of ${kibibytes(bytes)} where nodes ask for ${kibibytes(wantedBufferBytes)}: ${effect}; ${raise}`,
      )
    })
}

/** `208 KiB`. */
export function kibibytes(bytes: number): string {
  return `${Math.round(bytes / 1024)} KiB`
}
