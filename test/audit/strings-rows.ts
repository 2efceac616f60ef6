/**
 * The rows on byte strings that come twice (requirement R20): in datagrams, as an observer of all links sees them, and in
 * what servers read, where each object on its way is a thread.
 */
import { toHex } from '../../src/base/bytes.js'
import type { Crypto } from '../../src/crypto/crypto.js'
import { crypto } from '../sim/world.js'
import type { Found } from './analyser.js'
import { brokenCopies } from './broken.js'
import { allServers, decryptAs, type Evidence, everyNode, recordBroken } from './evidence.js'
import type { Recording } from './recording.js'
import type { Row, Variant } from './row.js'
import { STRING_BYTES, Strings } from './strings.js'

const PACKET = 0x14

export function stringRows(evidence: readonly Evidence[], brokenSeed: number): Row[] {
  return [datagramStrings(evidence, brokenSeed), innerStrings(evidence, brokenSeed)]
}

function datagramStrings(evidence: readonly Evidence[], seed: number): Row {
  const results = evidence.map(({ recording }) => stringsOfDatagrams(recording))
  const repeats = results.flatMap((strings) => strings.repeats)
  const examined = results.reduce((sum, strings) => sum + strings.examined, 0)
  const unencrypted = stringsOfDatagrams(
    recordBroken(seed, ({ recording }) => everyNode(recording, withoutPackets)).recording,
  ).repeats
  return {
    part: 'byte strings',
    claim: `no string of ${STRING_BYTES} bytes in two datagrams, of any links; a handshake repeated on its own link and the empty cookie field of its first message apart`,
    holds: repeats.length === 0,
    measured: `${repeats.length} among ${examined} strings${repeats[0] ? `: ${repeats[0].first}, ${repeats[0].second}` : ''}`,
    variants: [
      {
        name: 'links that do not encrypt',
        caught: unencrypted.length > 0,
        measured: `${unencrypted.length} strings twice`,
      },
    ],
  }
}

const INIT = 0x11
const COOKIE_MAC_BYTES = 16

function stringsOfDatagrams({ datagrams }: Recording): Strings {
  const strings = new Strings()
  for (const [index, { from, to, bytes }] of datagrams.entries()) {
    const link = `${from} to ${to}`
    if (bytes[0] === PACKET) strings.add(`packet ${index}, ${link}`, bytes)
    else {
      const cut = bytes[0] === INIT ? bytes.subarray(0, bytes.length - COOKIE_MAC_BYTES) : bytes
      strings.add(`handshake ${toHex(crypto.hash(bytes))}, ${link}`, cut)
    }
  }
  return strings
}

/** Frames that anybody reads. */
function withoutPackets(real: Crypto): Crypto {
  const number = (value: number) => Uint8Array.of(value >>> 24, value >>> 16, value >>> 8, value)
  return {
    ...real,
    sealPacket: (_, receiverIndex, counted, frames) =>
      Buffer.concat([Uint8Array.of(PACKET), receiverIndex, number(counted), frames, new Uint8Array(16)]),
    openPacket: (_, __, counted, sealed) => ({
      number: Buffer.from(counted).readUInt32BE(),
      frames: sealed.slice(0, -16),
    }),
  }
}

function innerStrings(evidence: readonly Evidence[], seed: number): Row {
  const results = evidence.map(stringsInside)
  const repeats = results.flatMap((strings) => strings.repeats)
  const examined = results.reduce((sum, strings) => sum + strings.examined, 0)
  const variants = brokenCopies
    .filter(({ name }) => /e_i reused|outer ephemeral constant/.test(name))
    .map(({ name, of }): Variant => {
      const evidence = recordBroken(seed, ({ recording }) => {
        recording.jobCrypto = of(crypto)
      })
      const found = stringsInside(evidence).repeats
      const measured =
        found[0] === undefined
          ? 'nothing found'
          : `${found.length} strings twice, ${found[0].first} and ${found[0].second}`
      return { name, caught: found.length > 0, measured }
    })
  return {
    part: 'byte strings',
    claim: `no string of ${STRING_BYTES} bytes in two requests or two copies as servers read them, nor in a request and a copy; a request is the same at P1 and P2, its ticket (part of R, or of a direct message's copy) in receipts, its tokens at P2 and P1, a sealed copy at P2 (and P3) and CS, a payload at CS and in its delivery`,
    holds: repeats.length === 0,
    measured: `${repeats.length} among ${examined} strings${repeats[0] ? `: ${repeats[0].first}, ${repeats[0].second}` : ''}`,
    variants,
  }
}

/** All that the servers decrypt, each object a thread. */
function stringsInside(evidence: Evidence): Strings {
  const strings = new Strings()
  const { found } = decryptAs(evidence, allServers(evidence.recording))
  const threads = new Threads()
  for (const each of found) for (const [thread, bytes] of threads.of(each)) strings.add(thread, bytes)
  return strings
}

const REQUEST_KIND = 0x11
/** Kind, reference and empty extension of a message *copy*. */
const COPY_HEAD_BYTES = 6

type Piece = readonly [thread: string, bytes: Uint8Array]

/** The pieces of what was decrypted, each under the name of the object that it is. */
class Threads {
  private readonly byTicket = new Map<string, string>()
  private readonly byPayload = new Map<string, string>()

  of({ chain, format, fields, plaintext }: Found): Piece[] {
    if (chain === 'request') {
      const body = `request body ${digest(plaintext)}`
      return ['oneTimeBase', 'oneTimeKey', 'slots', 'personalParts', 'content'].flatMap((name) =>
        piece(`${name} of ${body}`, fields[name]),
      )
    }
    if (chain === 'copy') return this.copy(plaintext, fields['payload'])
    switch (format) {
      case 'forward':
        return this.forwarded(fields['message'] ?? plaintext)
      case 'request':
        return this.request(plaintext.subarray(1))
      case 'copy':
        return sealedCopy(fields['sealed'] ?? plaintext)
      case 'delivery':
        return piece(
          this.byPayload.get(toHex(fields['payload'] ?? plaintext)) ?? 'a delivery of no copy',
          fields['payload'],
        )
      case 'receipts':
      case 'receiptReply':
      case 'receiptRequest':
        return this.receipt(fields['ticket'] ?? plaintext, fields['tokens'])
      default:
        return []
    }
  }

  private forwarded(message: Uint8Array): Piece[] {
    if (message[0] === REQUEST_KIND) return this.request(message.subarray(1))
    const sealed = message.subarray(COPY_HEAD_BYTES)
    // Of a message without a second proxy the ticket is part of the sealed copy, which S and P1 hold both.
    this.byTicket.set(toHex(sealed.subarray(0, STRING_BYTES)), `sealed copy ${digest(sealed)}`)
    return sealedCopy(sealed)
  }

  private request(bytes: Uint8Array): Piece[] {
    const thread = `request ${digest(bytes)}`
    this.byTicket.set(toHex(bytes.subarray(0, STRING_BYTES)), thread)
    return piece(thread, bytes)
  }

  private copy(plaintext: Uint8Array, payload: Uint8Array | undefined): Piece[] {
    const thread = `copy ${digest(plaintext)}`
    if (payload !== undefined) this.byPayload.set(toHex(payload), thread)
    return piece(thread, plaintext)
  }

  private receipt(ticket: Uint8Array, tokens: Uint8Array | undefined): Piece[] {
    const named = this.byTicket.get(toHex(ticket)) ?? 'a ticket of no request'
    return [...piece(named, ticket), ...piece(`tokens of ${toHex(ticket)}`, tokens)]
  }
}

function sealedCopy(bytes: Uint8Array): Piece[] {
  return piece(`sealed copy ${digest(bytes)}`, bytes)
}

function piece(thread: string, bytes: Uint8Array | undefined): Piece[] {
  return bytes === undefined ? [] : [[thread, bytes]]
}

function digest(bytes: Uint8Array): string {
  return toHex(crypto.hash(bytes)).slice(0, 16)
}
