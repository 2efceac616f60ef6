/**
 * Local names of groups and members. They end up on terminals, so what could rewrite a terminal's line is refused.
 */
import { fromUtf8, utf8 } from '../base/bytes.js'
import { ProtocolError } from '../base/errors.js'
import { limits } from '../base/limits.js'

/** Control characters, lone surrogates, line separators, and the marks that reverse the direction of text. */
const UNPRINTABLE = /[\p{Cc}\p{Cs}\u061c\u2028\u2029\u200e\u200f\u202a-\u202e\u2066-\u2069]/u

/** The name itself; throws `NAME_INVALID` unless it has 1 to 64 bytes of UTF-8 and only printable characters. */
export function checkName(text: string): string {
  if (isName(text)) return text
  throw new ProtocolError(
    'NAME_INVALID',
    `a name has 1 to ${limits.nameBytes} bytes and no control characters; choose another`,
  )
}

/** The name that bytes from elsewhere hold, or `undefined` where `checkName` would refuse it. */
export function readName(bytes: Uint8Array): string | undefined {
  const text = fromUtf8(bytes)
  return text !== undefined && isName(text) ? text : undefined
}

function isName(text: string): boolean {
  const lengthBytes = utf8(text).length
  return lengthBytes >= 1 && lengthBytes <= limits.nameBytes && !UNPRINTABLE.test(text)
}
