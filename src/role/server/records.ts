/**
 * What the server keeps on disk: the keys of its store and the records under them. Copies are kept as they are
 * handed out, still scrambled for their group; nothing here says which copies came together (PROTOCOL.md section 9.5).
 */
import { identityKey } from '../../base/bytes.js'
import { limits } from '../../base/limits.js'
import { format } from '../../wire/codec.js'
import { bytes, rest, unsigned } from '../../wire/fields.js'

export const deviceRecord = format('device record', 'What the server knows of a device.', [
  ['identityKey', bytes(32, identityKey), 'the first key that proved the id'],
  ['accessCode', bytes(2), 'as last proved'],
])

export const mailRecord = format('mail record', 'One copy waiting for its recipient.', [
  ['arrivedAt', unsigned(6), 'Unix milliseconds'],
  ['payload', rest(limits.messageBytes), 'payload_i'],
])

export const counterRecord = format('counter record', 'A number that never goes back.', [['value', unsigned(6), '']])

export const storeKeys = {
  slotSecret: 'slot-secret',
  directoryVersion: 'directory/version',
  mailRun: 'mail-run',
  device: (id: string) => `device/${id}`,
  proxy: (id: string) => `proxy/${id}`,
  slot: (window: number, name: string) => `slot/${window}/${name}`,
  mail: (id: string, number: number) => `mail/${id}/${String(number).padStart(NUMBER_DIGITS, '0')}`,
} as const

/** 2^48 has 15 digits, and keys are ordered as text. */
const NUMBER_DIGITS = 15

const ID = '[0-9a-f]{16}'
const patterns = {
  device: new RegExp(`^device/(${ID})$`),
  proxy: new RegExp(`^proxy/(${ID})$`),
  slot: /^slot\/(\d{1,10})\/([0-9a-f]{32})$/,
  mail: new RegExp(`^mail/(${ID})/(\\d{${NUMBER_DIGITS}})$`),
} as const

/** Whether what stands under the key lives for a day or so and is wiped then, so that no copy of it may be kept for longer. */
export function isForTheDay(key: string): boolean {
  return key === storeKeys.slotSecret || /^(slot|sealing)\//.test(key)
}

/** The parts of a store key of this kind, or `undefined` where it is of another. */
export function keyParts(kind: keyof typeof patterns, key: string): [first: string, second: string] | undefined {
  const match = patterns[kind].exec(key)
  return match ? [match[1] as string, match[2] ?? ''] : undefined
}
