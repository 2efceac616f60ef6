/**
 * Writes docs/WIRE.md out of the tables: what a second implementation needs, byte by byte, and what the formats cost.
 * Nothing about a format is said here; what is wrong in WIRE.md is wrong in its table.
 */
import type { Row } from './codec.js'
import * as content from './content.js'
import { packet } from './datagram.js'
import { TAG_BYTES } from './fields.js'
import { whole } from './frame.js'
import { copy, delivery, forward, request } from './message.js'
import { type AnyFormat, type Chapter, type Entry, registry } from './registry.js'
import { limitText, sizeText } from './shape.js'

/** The whole of docs/WIRE.md. */
export function describeWire(): string {
  return [introduction, ...registry.map(describeChapter), describeSizes()].join('\n')
}

const introduction = `# Wire formats

Generated from the tables in \`src/wire\` by \`npm run docs\`; a test fails where the two differ. What the fields are for is said in
[PROTOCOL.md](PROTOCOL.md).

## Notation

Fields stand on the wire in the order of their table, with nothing between them. Whatever does not parse is dropped: bytes that end
too early, bytes left over, values and lengths outside what the table allows. Numbers are unsigned and big endian.

| bytes | meaning |
|---|---|
| \`4\` | as many bytes: a number, or a byte string |
| \`varint\` | a number of 1, 2, 4 or 8 bytes as in RFC 9000 section 16; only its shortest form is accepted |
| \`1 + n\` | a length n of 1 byte, then n bytes |
| \`2 + n x item\` | a count n of 2 bytes, then the format *item* n times |
| \`10 x count\` | a byte string, as long as the product of numbers and earlier fields |
| \`n + 1\` | all up to the last byte 0x80, which ends it; only zero bytes follow it (ISO/IEC 7816-4) |
| \`rest\` | all that is left |
| a name | that format |

A name in *italics* is that of a format. Limits are part of the format: past them a value is refused.
`

function describeChapter({ title, intro, entries }: Chapter): string {
  return [`## ${title}\n`, `${intro}\n`, ...entries.map(describeFormat)].join('\n')
}

function describeFormat({ format, kind }: Entry): string {
  const kindRow = kind === undefined ? [] : [tableRow('kind', '1', `0x${kind.toString(16).padStart(2, '0')}`)]
  const rows = [...kindRow, ...format.rows.map(describeRow)]
  const table = rows.length === 0 ? [] : ['| field | bytes | meaning |', '|---|---|---|', ...rows, '']
  return [`### ${format.name}\n`, `${format.meaning}\n`, ...table, `${totalOf(format, kind)}\n`].join('\n')
}

function describeRow([name, { shape }, meaning]: Row): string {
  const limit = limitText(shape)
  return tableRow(name, sizeText(shape), limit === '' ? meaning : `${meaning} (${limit})`)
}

function tableRow(...cells: readonly string[]): string {
  return `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`
}

function totalOf(format: AnyFormat, kind: number | undefined): string {
  const totalBytes = format.leastBytes + (kind === undefined ? 0 : 1)
  if (format.fixedBytes === undefined) return `${totalBytes} bytes or more.`
  return totalBytes === 1 ? '1 byte.' : `${totalBytes} bytes.`
}

/** Bytes that stand around the body of a message on its way, out of the least bytes of the formats that hold it. */
export function overheads() {
  const kindBytes = 1
  const sealedContent = content.content.leastBytes + content.SEAL_BYTES
  const payload = content.SEAL_BYTES + content.scrambledPayload.leastBytes + sealedContent
  // What a seal adds is in the tables as the least length of the fields that are sealed, so it is not counted twice.
  const requestBytes = request.leastBytes + content.requestBody.leastBytes + sealedContent
  const openedCopy = content.openedCopy.leastBytes - content.SEAL_BYTES + payload
  return {
    sealedContent,
    request: requestBytes,
    recipient: content.SLOT_BYTES,
    submitted: kindBytes + forward.leastBytes + kindBytes + requestBytes,
    packet: packet.leastBytes,
    frame: kindBytes + whole.leastBytes,
    openedCopy,
    copy: kindBytes + copy.leastBytes + openedCopy,
    delivery: kindBytes + delivery.leastBytes - content.SEAL_BYTES + payload,
  }
}

function describeSizes(): string {
  const bytes = overheads()
  const rows = [
    ['content, sealed for the group', `${bytes.sealedContent}`],
    ['request', `${bytes.request} + ${bytes.recipient} a recipient`],
    ['request, in the message *forward* that S sends to P1', `${bytes.submitted} + ${bytes.recipient} a recipient`],
    ['copy, as CS opens it', `${bytes.openedCopy}`],
    ['message *copy*', `${bytes.copy}`],
    ['message *delivery*', `${bytes.delivery}`],
  ] as const
  return `## Sizes

Bytes beyond the body, with no padding and no personal parts:

| what | bytes |
|---|---|
${rows.map((row) => tableRow(...row)).join('\n')}

A message that fits one datagram takes ${bytes.packet} bytes of packet around its frames, ${TAG_BYTES} of them the AEAD tag, and ${bytes.frame} or more of frame *whole*
around itself. Its upload is then at least ${bytes.submitted + bytes.packet + bytes.frame} bytes beyond the body, and ${bytes.recipient} a recipient.
`
}
