/**
 * Lists of devices to invite: one address a line, after white space a petname, after a # at a line's beginning or after white space a remark.
 * The whole list is checked before anybody is invited.
 */
import { ProtocolError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import { parseDeviceAddress } from '../wire/text.js'

export interface Invitee {
  readonly address: string
  readonly petname: string | undefined
}

/** Throws ADDRESS_MALFORMED or USAGE, naming the line. `source` is what the list is called. */
export function parseAddressList(text: string, source: string): Invitee[] {
  const lineOf = new Map<string, number>()
  const lineOfPetname = new Map<string, number>()
  const invitees: Invitee[] = []
  for (const [index, line] of text.split('\n').entries()) {
    const content = line.replace(/(^|\s)#.*/, '').trim()
    if (content === '') continue
    const [, address = '', petname = ''] = /^(\S+)\s*(.*)$/.exec(content) ?? []
    const where = `${source} line ${index + 1}`
    checkAddress(address, where)
    const before = lineOf.get(address.toLowerCase())
    if (before !== undefined) throw new ProtocolError('USAGE', `${where} repeats the address of line ${before}`)
    lineOf.set(address.toLowerCase(), index + 1)
    const namesake = petname === '' ? undefined : lineOfPetname.get(petname)
    if (namesake !== undefined) throw new ProtocolError('USAGE', `${where} repeats the petname of line ${namesake}`)
    lineOfPetname.set(petname, index + 1)
    invitees.push({ address, petname: petname === '' ? undefined : petname })
    if (invitees.length > limits.pendingInvitations) {
      throw new ProtocolError('USAGE', `${source} names more than ${limits.pendingInvitations} devices; split it`)
    }
  }
  if (invitees.length === 0) throw new ProtocolError('USAGE', `${source} names no device; write one address a line`)
  return invitees
}

function checkAddress(address: string, where: string): void {
  try {
    parseDeviceAddress(address)
  } catch (error) {
    if (!(error instanceof ProtocolError)) throw error
    throw new ProtocolError(error.code, `${where}: ${error.message}`)
  }
}
