/**
 * What a backup looks like: a line of JSON that says how its key is had, the header of a stream, and the stream's chunks, each
 * behind its length. Inside stand records: facts first, then entries. The stream is sealed, so nothing of it can be changed, cut
 * off or moved without being noticed; without a passphrase its key stands in the first line, and the stream is a checksum.
 */
import { z } from 'zod'
import { bigEndian, concat, fromBigEndian, fromHex, fromUtf8, toHex, utf8, wipe } from '../base/bytes.js'
import { ProtocolError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { AtRest } from '../crypto/at-rest.js'
import type { Entry } from './entries.js'
import { newDataKey, unwrapKey, wrapKey, wrappedKeySchema } from './wrapped-key.js'

export const BACKUP_VERSION = 1
const CHUNK_BYTES = 64 * 1024
const CHUNK_OVERHEAD_BYTES = 17
const STREAM_HEADER_BYTES = 24
const HEADER_LINE_BYTES = 4096
const NEWLINE = 0x0a
const NAME = 'splitcast backup'

const hex32 = z.string().regex(/^[0-9a-f]{64}$/)
const headerSchema = z.object({
  file: z.literal(NAME),
  version: z.literal(BACKUP_VERSION),
  key: z.union([wrappedKeySchema, z.object({ open: hex32 })]),
})

/** What a backup is of. */
export const factsSchema = z.object({
  kind: z.enum(['node', 'server']),
  /** Whether a passphrase guarded the directory. */
  sealed: z.boolean(),
  madeAt: z.iso.datetime(),
  seed: hex32,
  proxySeed: hex32,
  accessCode: z.string().regex(/^[0-9a-f]{4}$/),
  /** The network card, where there was one. */
  network: z.string().max(HEADER_LINE_BYTES).nullable(),
})
export type BackupFacts = z.output<typeof factsSchema>

/** The bytes of a backup, as they come. `passphrase` is `undefined` for one that is not encrypted. */
export async function* sealBackup(
  atRest: AtRest,
  passphrase: string | undefined,
  facts: BackupFacts,
  entries: AsyncIterable<readonly [key: string, value: Uint8Array]>,
): AsyncGenerator<Uint8Array, void, undefined> {
  const key = newDataKey()
  const inClear = passphrase === undefined ? { open: toHex(key) } : await wrapKey(atRest, key, passphrase)
  const header = utf8(`${JSON.stringify({ file: NAME, version: BACKUP_VERSION, key: inClear })}\n`)
  const stream = atRest.sealStream(key)
  wipe(key)
  yield concat(header, stream.header)
  const seal = (chunk: Uint8Array, last: boolean) => {
    const sealed = stream.push(chunk, header, last)
    return concat(bigEndian(sealed.length, LENGTH_BYTES), sealed)
  }
  let gathered: Uint8Array[] = []
  let gatheredBytes = 0
  for await (const bytes of records(facts, entries)) {
    gathered.push(bytes)
    gatheredBytes += bytes.length
    if (gatheredBytes < CHUNK_BYTES) continue
    const joined = concat(...gathered)
    let from = 0
    for (; joined.length - from >= CHUNK_BYTES; from += CHUNK_BYTES)
      yield seal(joined.subarray(from, from + CHUNK_BYTES), false)
    gathered = [joined.subarray(from)]
    gatheredBytes = joined.length - from
  }
  yield seal(concat(...gathered), true)
}

/** An opened backup: its facts, and its entries, which end without an error only where all of it was there. */
export interface OpenedBackup {
  readonly facts: BackupFacts
  readonly entries: AsyncGenerator<Entry, void, undefined>
}

/**
 * Opens the bytes of a backup. `passphrase` is asked where it is encrypted. Rejects with DATA_DAMAGED, DATA_VERSION or
 * PASSPHRASE_WRONG; so may `entries`, with DATA_DAMAGED.
 */
export async function openBackup(
  atRest: AtRest,
  bytes: AsyncIterable<Uint8Array>,
  passphrase: () => Promise<string>,
): Promise<OpenedBackup & { readonly passphrase: string | undefined }> {
  const source = new Source(bytes)
  const line = await source.line()
  const { key } = parseHeader(line)
  const given = 'open' in key ? undefined : await passphrase()
  const opened = 'open' in key ? fromHex(key.open) : await unwrapKey(atRest, key, given as string)
  if (opened === undefined) {
    throw new ProtocolError('PASSPHRASE_WRONG', 'this is not the passphrase of the backup; try again')
  }
  const streamHeader = await source.exactly(STREAM_HEADER_BYTES)
  const stream = atRest.openStream(opened, streamHeader)
  wipe(opened)
  if (stream === undefined) throw damaged()
  const plain = new Source(chunks(source, (chunk) => stream.pull(chunk, line)))
  const first = await record(plain)
  const facts = first?.type === FACTS ? readFacts(first.body) : undefined
  if (facts === undefined) throw damaged()
  return { facts, entries: entriesOf(plain), passphrase: given }
}

const LENGTH_BYTES = 4
const FACTS = 1
const ENTRY = 2

async function* records(
  facts: BackupFacts,
  entries: AsyncIterable<readonly [key: string, value: Uint8Array]>,
): AsyncGenerator<Uint8Array> {
  yield recordBytes(FACTS, utf8(JSON.stringify(facts)))
  for await (const [key, value] of entries) {
    const keyBytes = utf8(key)
    yield recordBytes(ENTRY, concat(bigEndian(keyBytes.length, 2), keyBytes, value))
  }
}

function recordBytes(type: number, body: Uint8Array): Uint8Array {
  return concat(Uint8Array.of(type), bigEndian(body.length, LENGTH_BYTES), body)
}

async function* chunks(
  source: Source,
  pull: (chunk: Uint8Array) => { readonly chunk: Uint8Array; readonly last: boolean } | undefined,
): AsyncGenerator<Uint8Array> {
  for (;;) {
    const length = fromBigEndian(await source.exactly(LENGTH_BYTES))
    if (length > CHUNK_BYTES + CHUNK_OVERHEAD_BYTES) throw damaged()
    const pulled = pull(await source.exactly(length))
    if (pulled === undefined) throw damaged()
    yield pulled.chunk
    if (!pulled.last) continue
    if (!(await source.atEnd())) throw damaged()
    return
  }
}

async function* entriesOf(plain: Source): AsyncGenerator<Entry, void, undefined> {
  for (let next = await record(plain); next !== undefined; next = await record(plain)) {
    const { type, body } = next
    const keyBytes = body.length < 2 ? 0 : fromBigEndian(body.subarray(0, 2))
    const key = fromUtf8(body.subarray(2, 2 + keyBytes))
    if (type !== ENTRY || key === undefined || body.length < 2 + keyBytes) throw damaged()
    yield { key, value: body.subarray(2 + keyBytes) }
  }
}

async function record(plain: Source): Promise<{ readonly type: number; readonly body: Uint8Array } | undefined> {
  if (await plain.atEnd()) return undefined
  const head = await plain.exactly(1 + LENGTH_BYTES)
  const length = fromBigEndian(head.subarray(1))
  if (length > limits.backupRecordBytes) throw damaged()
  return { type: head[0] as number, body: await plain.exactly(length) }
}

function parseHeader(line: Uint8Array): z.output<typeof headerSchema> {
  const json = jsonOf(line)
  const parsed = headerSchema.safeParse(json)
  if (parsed.success) return parsed.data
  const version = z.object({ file: z.literal(NAME), version: z.number().int() }).safeParse(json)
  if (version.success && version.data.version > BACKUP_VERSION) {
    throw new ProtocolError(
      'DATA_VERSION',
      `the backup was made by a newer splitcast (format ${version.data.version}); upgrade this one`,
    )
  }
  throw new ProtocolError('DATA_DAMAGED', 'this is no backup made by splitcast, or its first line is damaged')
}

function readFacts(body: Uint8Array): BackupFacts | undefined {
  const parsed = factsSchema.safeParse(jsonOf(body))
  return parsed.success ? parsed.data : undefined
}

/** `undefined` where it is none: no JSON is what its reader refuses as well. */
function jsonOf(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(fromUtf8(bytes) ?? '')
  } catch {
    return undefined
  }
}

function damaged(): ProtocolError {
  return new ProtocolError('DATA_DAMAGED', 'the backup is damaged or was cut short; take another one')
}

/** Bytes that come in pieces, read in others. */
class Source {
  private readonly pieces: AsyncIterator<Uint8Array>
  private held: Uint8Array = new Uint8Array(0)

  constructor(bytes: AsyncIterable<Uint8Array>) {
    this.pieces = bytes[Symbol.asyncIterator]()
  }

  async atEnd(): Promise<boolean> {
    return !(await this.gather(1))
  }

  async exactly(length: number): Promise<Uint8Array> {
    if (!(await this.gather(length))) throw damaged()
    return this.take(length)
  }

  /** Up to and with the first line end; refused where none comes for too long. */
  async line(): Promise<Uint8Array> {
    for (let length = 1; length <= HEADER_LINE_BYTES; length++) {
      if (!(await this.gather(length))) break
      if (this.held[length - 1] === NEWLINE) return this.take(length)
    }
    throw new ProtocolError('DATA_DAMAGED', 'this is no backup made by splitcast, or its first line is damaged')
  }

  private take(length: number): Uint8Array {
    const taken = this.held.subarray(0, length)
    this.held = this.held.subarray(length)
    return taken
  }

  private async gather(length: number): Promise<boolean> {
    if (this.held.length >= length) return true
    const gathered = [this.held]
    let bytes = this.held.length
    while (bytes < length) {
      const next = await this.pieces.next()
      if (next.done) break
      gathered.push(next.value)
      bytes += next.value.length
    }
    this.held = concat(...gathered)
    return bytes >= length
  }
}
