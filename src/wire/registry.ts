/**
 * All formats of the protocol by chapter, in the order in which WIRE.md and the tests go through them. A format that is
 * not listed here is neither documented nor tested, so a test looks for formats that are missing.
 */
import type { Format } from './codec.js'
import * as content from './content.js'
import { datagramKinds, datagrams } from './datagram.js'
import * as directory from './directory.js'
import { ackRange, frameKinds, frames } from './frame.js'
import { copyAnswer, deliveryNumber, messageKinds, messages, removedProxy } from './message.js'

// A format is generic in what it parses to; who goes through all of them knows values by their tables alone.
// biome-ignore lint/suspicious/noExplicitAny: a list of formats of different values has no other type.
export type AnyFormat = Format<any>

export interface Entry {
  readonly format: AnyFormat
  /** Kind byte that stands before the format; absent where there is none, and for datagrams, whose tables hold theirs. */
  readonly kind?: number
}

export interface Chapter {
  readonly title: string
  readonly intro: string
  readonly entries: readonly Entry[]
}

export const registry: readonly Chapter[] = [
  {
    title: 'Datagrams',
    intro:
      'The UDP payload. The first byte holds the version in its high four bits, 1, and the kind in its low four. A datagram of another version or kind is dropped.',
    entries: byKind(datagrams, datagramKinds).map(({ format }) => ({ format })),
  },
  {
    title: 'Frames',
    intro:
      'What a packet protects: any number of frames, each behind its kind byte. 0x00 is padding and skipped. An unknown kind from 0x20 to 0x7f is followed by a length of two bytes and as many bytes, and skipped; any other unknown kind refuses the packet, and so does a frame that does not parse.',
    entries: [...byKind(frames, frameKinds), { format: ackRange }],
  },
  {
    title: 'Messages',
    intro:
      'What frames carry, whole or in fragments: one kind byte and its format. An unknown kind is dropped, and counted as a critical one where its highest bit is set.',
    entries: [
      ...byKind(messages, messageKinds),
      ...[removedProxy, copyAnswer, deliveryNumber].map((format) => ({ format })),
    ],
  },
  {
    title: 'Directory',
    intro: 'What the central server signs, and what it is made of.',
    entries: [directory.directory, directory.proxyEntry, directory.sealingKey, directory.networkAddress].map(
      (format: AnyFormat) => ({ format }),
    ),
  },
  {
    title: 'Content',
    intro: 'What stands inside of what is sealed, and what members of a group say to each other.',
    entries: [
      content.sealed,
      content.requestBody,
      content.openedCopy,
      content.recipient,
      content.scrambledPayload,
      content.content,
      content.invitation,
      content.confirmation,
      content.members,
      content.rekey,
      content.question,
      content.answer,
      content.earlier,
      content.personalBody,
      content.memberRecord,
      content.departure,
      content.epochStatement,
    ].map((format: AnyFormat) => ({ format })),
  },
  {
    title: 'Texts',
    intro: 'What people paste. A later version has another version byte, and is refused as such.',
    entries: [directory.networkCard, directory.deviceAddress].map((format: AnyFormat) => ({ format })),
  },
]

function byKind<Name extends string>(
  formats: Readonly<Record<Name, AnyFormat>>,
  kinds: Readonly<Record<Name, number>>,
): { readonly format: AnyFormat; readonly kind: number }[] {
  const names = Object.keys(kinds) as Name[]
  return names.map((name) => ({ format: formats[name], kind: kinds[name] }))
}
