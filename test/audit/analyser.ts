/**
 * What somebody can decrypt who has recorded every link and holds the secrets in a vault: each datagram under each packet key,
 * the messages put together from frames, and in those, again and again, each field under each key that there is. It needs
 * to know the formats, which are public, and not who sent what.
 */
import { bigEndian, concat, fromBigEndian, type Scalar, toHex } from '../../src/base/bytes.js'
import { labels } from '../../src/base/labels.js'
import { slotWindow } from '../../src/base/time.js'
import type { Crypto } from '../../src/crypto/crypto.js'
import { content, openedCopy, requestBody, scrambledPayload } from '../../src/wire/content.js'
import { parseDatagram } from '../../src/wire/datagram.js'
import { parseFrames } from '../../src/wire/frame.js'
import { parseMessage } from '../../src/wire/message.js'
import type { Recorded } from './recording.js'
import { NO_KEY, type Vault } from './vault.js'

/** How a plaintext was come by: from a link, or out of another by the key of one label. */
export type Chain = 'link' | 'request' | 'copy' | 'slot' | 'payload' | 'content'

export interface Found {
  readonly chain: Chain
  /** Of a link message its kind, else the format. */
  readonly format: string
  readonly plaintext: Uint8Array
  /** The fields that are read of it, where it parses. */
  readonly fields: Readonly<Record<string, Uint8Array>>
  /** The link on which it was first seen, one direction of it. */
  readonly link: string
}

export interface Decrypted {
  readonly found: readonly Found[]
  /** Datagrams that opened. */
  readonly opened: readonly Recorded[]
}

/** What everybody knows: the keys that the directory lists. */
export interface Public {
  /** C of the days there are. */
  readonly serverKeys: readonly Uint8Array[]
}

const POINT_BYTES = 32
const SEAL_BYTES = 48
const NOTHING = new Uint8Array(0)

export function decrypt(crypto: Crypto, vault: Vault, recorded: readonly Recorded[], known: Public): Decrypted {
  const links = openLinks(crypto, vault, recorded)
  const analyser = new Analyser(crypto, vault, known, recorded.at(-1)?.at ?? 0)
  const found = links.messages.flatMap(({ link, message }) => analyser.message(link, message))
  return { found, opened: links.opened }
}

interface LinkMessage {
  readonly link: string
  readonly message: Uint8Array
}

/** Tries every packet key on every packet, and puts fragments together. */
function openLinks(crypto: Crypto, vault: Vault, recorded: readonly Recorded[]) {
  const opened: Recorded[] = []
  const messages: LinkMessage[] = []
  const parts = new Map<string, Map<number, Uint8Array>>()
  const complete = new Set<string>()
  for (const datagram of recorded) {
    const parsed = parseDatagram(datagram.bytes)
    if (!parsed.ok || parsed.value.kind !== 'packet') continue
    const { receiverIndex, maskedNumber, sealedFrames } = parsed.value.value
    for (const [name, keys] of vault.packetKeys) {
      const packet = crypto.openPacket(keys, receiverIndex, maskedNumber, sealedFrames)
      if (packet === undefined) continue
      opened.push(datagram)
      const link = `${datagram.from} to ${datagram.to}`
      const frames = parseFrames(packet.frames)
      for (const frame of frames.ok ? frames.value : []) {
        if (frame.kind !== 'whole' && frame.kind !== 'fragment') continue
        const { message: number, data } = frame.value
        const id = `${name} ${number}`
        if (complete.has(id)) continue
        const message = frame.kind === 'whole' ? data.slice() : assemble(parts, id, frame.value)
        if (message === undefined) continue
        complete.add(id)
        messages.push({ link, message })
      }
      break
    }
  }
  return { opened, messages }
}

interface Part {
  readonly totalBytes: number
  readonly offset: number
  readonly data: Uint8Array
}

/** The message, once its parts cover it. */
function assemble(parts: Map<string, Map<number, Uint8Array>>, id: string, part: Part): Uint8Array | undefined {
  const held = parts.get(id) ?? new Map<number, Uint8Array>()
  parts.set(id, held)
  held.set(part.offset, part.data.slice())
  const whole = new Uint8Array(part.totalBytes)
  let reached = 0
  for (const [offset, data] of [...held].sort(([a], [b]) => a - b)) {
    if (offset > reached) return undefined
    whole.set(data, offset)
    reached = Math.max(reached, offset + data.length)
  }
  return reached === part.totalBytes ? whole : undefined
}

type Opening = { readonly chain: Chain; readonly label: Uint8Array; readonly associated: readonly Uint8Array[] }

class Analyser {
  private readonly crypto: Crypto
  private readonly vault: Vault
  private readonly openings: readonly Opening[]
  private readonly windows: readonly number[]
  /** Sealed byte strings that were tried already: most come by more than one link. */
  private readonly tried = new Set<string>()

  constructor(crypto: Crypto, vault: Vault, { serverKeys }: Public, at: number) {
    this.crypto = crypto
    this.vault = vault
    const window = slotWindow(at)
    this.windows = [window, window - 1, window + 1]
    const contexts = serverKeys.flatMap((key) => this.windows.map((each) => concat(key, bigEndian(each, 4))))
    this.openings = [
      { chain: 'request', label: labels.request, associated: contexts },
      { chain: 'copy', label: labels.copy, associated: [NOTHING] },
      { chain: 'payload', label: labels.scramble, associated: [NOTHING] },
      { chain: 'content', label: labels.content, associated: [NOTHING] },
    ]
  }

  /** A message of a link and everything inside it that opens. */
  message(link: string, message: Uint8Array): Found[] {
    const fields: Record<string, Uint8Array> = {}
    const parsed = parseMessage(message, (_, field, value) => {
      fields[field] = value.slice()
    })
    const format = parsed.ok ? parsed.value.kind : 'unknown'
    const found: Found = { chain: 'link', format, plaintext: message, fields, link }
    const inside = format === 'request' ? [message.subarray(1)] : Object.values(fields)
    // What is forwarded is a message of its own.
    const forwarded = fields['message']
    if (format === 'forward' && forwarded !== undefined) inside.push(forwarded.subarray(1), forwarded.subarray(7))
    return [found, ...inside.flatMap((each) => this.inside(link, each))]
  }

  private inside(link: string, sealed: Uint8Array): Found[] {
    if (sealed.length < SEAL_BYTES) return []
    const name = toHex(sealed)
    if (this.tried.has(name)) return []
    this.tried.add(name)
    const found = this.bySecrets(link, sealed)
    return [...(found.length > 0 ? found : this.byMessageKeys(link, sealed)), ...this.slots(link, sealed)]
  }

  /** As E || AEAD under each scalar, with each symmetric secret mixed in and without. */
  private bySecrets(link: string, sealed: Uint8Array): Found[] {
    const { crypto, vault } = this
    const ephemeral = sealed.subarray(0, POINT_BYTES)
    const rest = sealed.subarray(POINT_BYTES)
    for (const secret of vault.scalars.values()) {
      const shared = crypto.multiply(secret, ephemeral)
      if (shared === undefined) continue
      const plain = crypto.hash(ephemeral, shared)
      const mixed = [...vault.symmetric.values()].map((each) => crypto.hash(plain, each))
      const found = [plain, ...mixed].flatMap((key) => this.openings.flatMap((how) => this.open(link, key, how, rest)))
      if (found.length > 0) return found
    }
    return []
  }

  /** As an AEAD, with a point before it and without, under each key of single messages, and under none worth the name. */
  private byMessageKeys(link: string, sealed: Uint8Array): Found[] {
    const bodies = [sealed, sealed.subarray(POINT_BYTES)]
    for (const key of [NO_KEY, ...this.vault.messageKeys.values()]) {
      const found = bodies.flatMap((body) => this.openings.flatMap((how) => this.open(link, key, how, body)))
      if (found.length > 0) return found
    }
    return []
  }

  private open(link: string, key: Uint8Array, { chain, label, associated }: Opening, sealed: Uint8Array): Found[] {
    for (const each of associated) {
      const plaintext = this.crypto.aeadOpen(key, label, each, sealed)
      if (plaintext !== undefined) return this.opened(link, chain, plaintext)
    }
    return []
  }

  private opened(link: string, chain: Chain, plaintext: Uint8Array): Found[] {
    const fields: Record<string, Uint8Array> = {}
    const observe = (_: string, field: string, value: Uint8Array) => {
      fields[field] = value.slice()
    }
    const formats = {
      request: requestBody,
      copy: openedCopy,
      payload: scrambledPayload,
      content,
      link: content,
      slot: content,
    }
    formats[chain].parse(plaintext, observe)
    const found: Found = { chain, format: chain, plaintext, fields, link }
    return [found, ...Object.values(fields).flatMap((each) => this.inside(link, each))]
  }

  /** As a sealed copy whose slot opens to somebody, whoever that is: under each scalar and in each window. */
  private slots(link: string, sealed: Uint8Array): Found[] {
    for (const secret of this.vault.scalars.values()) {
      const found = this.slotUnder(link, secret, sealed)
      if (found !== undefined) return [found]
    }
    return []
  }

  private slotUnder(link: string, secret: Scalar, sealed: Uint8Array): Found | undefined {
    const [opened] = this.crypto.openCopies(secret, this.windows, [sealed])
    if (opened === undefined) return undefined
    const candidates = Object.fromEntries(
      opened.recipients.map((recipient, i) => [`recipient in window ${i}`, recipient]),
    )
    return { chain: 'slot', format: 'slot', plaintext: concat(...opened.recipients), fields: candidates, link }
  }
}

/** How many copies a request body says there are. */
export function countOf(body: Found): number {
  return fromBigEndian(body.fields['count'] ?? NOTHING)
}
