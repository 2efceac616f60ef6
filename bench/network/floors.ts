/**
 * What a copy cannot cost less than, measured in CPU time with the very shapes that P2 handles: its cryptography, sealing
 * its packets, and handing its datagrams to the kernel by a connected socket or by one whose lookup answers at once.
 */
import { randomBytes } from 'node:crypto'
import { createSocket, type Socket } from 'node:dgram'
import { once } from 'node:events'
import { limits } from '../../src/base/limits.js'
import type { Crypto } from '../../src/crypto/crypto.js'
import { PACKET_OVERHEAD_BYTES, PacketSealer } from '../../src/link/protection.js'
import { makeFixture } from '../fixtures.js'

export interface FloorShape {
  readonly copies: number
  readonly contentBytes: number
  /** UDP payload bytes of an average datagram. */
  readonly datagramBytes: number
}

/** Microseconds of CPU time. */
export interface Floors {
  /** A copy. */
  readonly cryptoUs: number
  /** A packet. */
  readonly sealUs: number
  /** A datagram, on a connected socket and on one with a lookup that answers at once. */
  readonly connectedSendUs: number
  readonly lookupSendUs: number
}

export interface SplitMemory {
  readonly copies: number
  readonly outputBytes: number
  /** What heap, byte strings and resident memory grew by, the output among it. */
  readonly heapGrewBytes: number
  readonly outsideGrewBytes: number
  readonly residentGrewBytes: number
}

const SPLITS = 8
const PACKETS = 4000
const DATAGRAMS = 4000
const BURST = 64
const HOST = '127.0.0.1'

export async function measureFloors(crypto: Crypto, shape: FloorShape, port: number): Promise<Floors> {
  return {
    cryptoUs: splitting(crypto, shape),
    sealUs: sealing(crypto, shape),
    connectedSendUs: await sending(await connected(port), shape, (socket, bytes, done) => socket.send(bytes, done)),
    lookupSendUs: await sending(await bound(), shape, (socket, bytes, done) => socket.send(bytes, port, HOST, done)),
  }
}

/** As P2 goes through a request: prepared once, then split in steps. */
function splitting(crypto: Crypto, { copies, contentBytes }: FloorShape): number {
  const { request } = makeFixture(crypto, copies, contentBytes)
  const before = cpuUs()
  for (let i = 0; i < SPLITS; i++) {
    const split = crypto.prepareSplit(request, randomBytes(32))
    if (split === undefined) throw new Error('the request did not prepare')
    for (let from = 0; from < copies; from += limits.splitStepCopies) {
      split.split(from, Math.min(limits.splitStepCopies, copies - from))
    }
    // The core forgets the request, so that the next run prepares it anew.
    split.wipe()
  }
  return (cpuUs() - before) / (SPLITS * copies)
}

/** One request of so many copies, split as a whole: what memory grows by while all copies are held. */
export function measureSplitMemory(crypto: Crypto, copies: number, contentBytes: number): SplitMemory {
  const { request } = makeFixture(crypto, copies, contentBytes)
  const splitOnce = () => {
    const split = crypto.prepareSplit(request, randomBytes(32))
    if (split === undefined) throw new Error('the request did not prepare')
    return split.split(0, copies)
  }
  // The first run brings in the pages of the core's own memory, which stay.
  splitOnce()
  globalThis.gc?.()
  const before = process.memoryUsage()
  const output = splitOnce()
  const after = process.memoryUsage()
  return {
    ...{ copies, outputBytes: output.length },
    heapGrewBytes: after.heapUsed - before.heapUsed,
    outsideGrewBytes: after.external - before.external,
    residentGrewBytes: after.rss - before.rss,
  }
}

function sealing(crypto: Crypto, { datagramBytes }: FloorShape): number {
  const sealer = new PacketSealer(crypto, randomBytes(32), randomBytes(4))
  const frames = randomBytes(Math.max(datagramBytes - PACKET_OVERHEAD_BYTES, 32))
  const before = cpuUs()
  for (let i = 0; i < PACKETS; i++) sealer.seal(frames)
  return (cpuUs() - before) / PACKETS
}

async function connected(port: number): Promise<Socket> {
  const socket = createSocket('udp4')
  socket.connect(port, HOST)
  await once(socket, 'connect')
  return socket
}

async function bound(): Promise<Socket> {
  const socket = createSocket({ type: 'udp4', lookup: (host, _options, done) => done(null, host, 4) })
  const listening = once(socket, 'listening')
  socket.bind(0, HOST)
  await listening
  return socket
}

type Send = (socket: Socket, bytes: Uint8Array, done: () => void) => void

async function sending(socket: Socket, { datagramBytes }: FloorShape, send: Send): Promise<number> {
  const bytes = randomBytes(datagramBytes)
  const burst = () =>
    new Promise<void>((resolve) => {
      let pending = BURST
      const done = () => {
        if (--pending === 0) setImmediate(resolve)
      }
      for (let i = 0; i < BURST; i++) send(socket, bytes, done)
    })
  const before = cpuUs()
  for (let sent = 0; sent < DATAGRAMS; sent += BURST) await burst()
  const us = (cpuUs() - before) / DATAGRAMS
  await new Promise<void>((resolve) => socket.close(() => resolve()))
  return us
}

function cpuUs(): number {
  const { user, system } = process.cpuUsage()
  return user + system
}
