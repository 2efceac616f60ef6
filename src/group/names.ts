/**
 * Local names of groups and members. They end up on terminals, so what could rewrite a terminal's line is refused; and commands
 * find members by them, so no two known devices of a group have one name, nor one the id of another.
 */
import { equal, fromUtf8, type NodeId, toHex, utf8 } from '../base/bytes.js'
import { ProtocolError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { Group } from './group.js'

type Known = Pick<Group, 'name' | 'list' | 'pending' | 'petnames'>

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

/**
 * The group with another local name for a member, or for who is invited. Throws `MEMBER_SELF`, `MEMBER_UNKNOWN`, and `NAME_INVALID`, where
 * another device has the name too.
 */
export function renameMember(group: Group, self: NodeId, member: NodeId, name: string): Group {
  if (equal(member, self)) {
    throw new ProtocolError('MEMBER_SELF', 'this device has no name here: others call it what they like')
  }
  if (!isKnown(group, toHex(member))) {
    throw new ProtocolError(
      'MEMBER_UNKNOWN',
      `${toHex(member)} is no member of ${group.name}; "group members" shows who is`,
    )
  }
  checkUnused(group, member, name)
  return { ...group, petnames: withPetname(group, member, name) }
}

/** Two devices of one name could not be told apart. A name of somebody who never came may be given again. Throws `NAME_INVALID`. */
export function checkUnused(group: Known, device: NodeId, petname: string): void {
  const own = toHex(device)
  const isOthers = (id: string) => id !== own && isKnown(group, id)
  if (isOthers(petname)) {
    throw new ProtocolError('NAME_INVALID', `"${petname}" is the id of another device of ${group.name}; choose a name`)
  }
  if (![...group.petnames].some(([id, name]) => name === petname && isOthers(id))) return
  const message = `another device of ${group.name} is called "${petname}" here already; choose another name`
  throw new ProtocolError('NAME_INVALID', message)
}

/**
 * The group's names with one more, where there is one. Names of the departed stay, unless one of them is this or they are too many.
 * Throws `NAME_INVALID`.
 */
export function withPetname(group: Known, id: NodeId, petname: string | undefined): ReadonlyMap<string, string> {
  if (petname === undefined) return group.petnames
  const own = toHex(id)
  const others = [...group.petnames].filter(([each, name]) => each !== own && name !== petname)
  const kept = others.length < limits.petnames ? others : others.filter(([each]) => isKnown(group, each))
  return new Map(kept).set(own, checkName(petname))
}

function isKnown({ list, pending }: Known, id: string): boolean {
  return list.members.has(id) || pending.has(id)
}

function isName(text: string): boolean {
  const lengthBytes = utf8(text).length
  return lengthBytes >= 1 && lengthBytes <= limits.nameBytes && !UNPRINTABLE.test(text)
}
