/** `splitcast group invite`: invites one device, or all of a list, several at once since each waits for the network. */
import type { Command } from 'commander'
import { ProtocolError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import { parseDeviceAddress } from '../wire/text.js'
import { type Invitee, parseAddressList } from './address-list.js'
import type { ControlClient } from './control/client.js'
import { readTextInput, STDIN } from './input.js'
import { dataOption, nonEmpty } from './options.js'
import { errorLine, print, printable, printJson, tell } from './output.js'
import { passphraseToInvite } from './passphrase.js'
import { withNode } from './run-client.js'

interface Options {
  readonly data?: string
  readonly as?: string
  readonly file?: string
  readonly passphraseFile?: string
  readonly json?: boolean
}

/** Bytes of a list: as many addresses as there may be members, with long petnames and remarks. */
const MAX_LIST_BYTES = 4 * 1024 * 1024
const PROGRESS_MS = 5000
/** The server keeps nothing for a device that it has never heard of. */
const REACHES = 'if its node has never connected to the server, start it and invite again'
const REACHES_MANY = 'where a node has never connected to the server, start it and invite it again'

export function addInvite(group: Command): void {
  dataOption(group.command('invite'))
    .description('invite a device, or all devices of a list, to a group')
    .argument('<name>', 'the group')
    .argument('[address]', 'the address that splitcast id shows on the device')
    .option('--as <petname>', 'what this device calls the newcomer', nonEmpty)
    .option(
      '--file <addresses>',
      'invite all of a list instead: ADDRESS [PETNAME] a line, # for remarks, - for stdin',
      nonEmpty,
    )
    .option('--passphrase-file <file>', 'take the passphrase from the first line of a file', nonEmpty)
    .option('--json', 'print {address, as, id, error} a line; the id is null where it failed')
    .addHelpText(
      'after',
      `
An invitation reaches only a device whose node has connected to the server once:
start the newcomer's node once before inviting; if it never connected, invite
again. Whoever is invited needs the passphrase: give it to them by another way,
never over this network. On a terminal a generated one is offered; the same one
serves a whole list. A list in which some could not be invited ends with an
error; the rest is invited.

Examples:
  splitcast group invite friends cast1... --as bob
  splitcast group invite friends --file addresses.txt \\
    --passphrase-file secret.txt`,
    )
    .action(invite)
}

async function invite(group: string, address: string | undefined, options: Options): Promise<void> {
  const invitees = await inviteesFrom(address, options)
  await withNode(options, async (node, signal) => {
    // Whatever would refuse them all is better heard before a passphrase is asked for.
    await node.call('members', { group })
    const passphrase = await passphraseToInvite(options.passphraseFile, signal)
    const failures = await inviteAll(node, group, invitees, passphrase, options.json === true)
    const [first] = failures
    if (first === undefined) return
    if (invitees.length === 1) throw first
    const sameCode = failures.every(({ code }) => code === first.code)
    throw new ProtocolError(
      sameCode ? first.code : 'SEND_FAILED',
      `${failures.length} of ${invitees.length} devices could not be invited, for the reasons above; put those that can be helped into a list and invite them again`,
    )
  })
}

async function inviteesFrom(address: string | undefined, { file, as }: Options): Promise<Invitee[]> {
  if ((address === undefined) === (file === undefined)) {
    throw new ProtocolError('USAGE', 'name one device by its address, or many with --file')
  }
  if (file === undefined) {
    parseDeviceAddress(address as string)
    return [{ address: address as string, petname: as }]
  }
  if (as !== undefined)
    throw new ProtocolError('USAGE', '--as names one device; in a list, write petnames after addresses')
  return parseAddressList(await readTextInput(file, MAX_LIST_BYTES), file === STDIN ? 'the list' : file)
}

async function inviteAll(
  node: ControlClient,
  group: string,
  invitees: readonly Invitee[],
  passphrase: string,
  json: boolean,
): Promise<ProtocolError[]> {
  const failures: ProtocolError[] = []
  const waiting = invitees.values()
  let done = 0
  const progress = new Progress(invitees.length)
  const worker = async () => {
    for (const invitee of waiting) {
      const outcome = await inviteOne(node, group, invitee, passphrase)
      if (typeof outcome !== 'string') failures.push(outcome)
      progress.show(++done)
      await report(invitee, outcome, json, invitees.length > 1)
    }
  }
  try {
    await Promise.all(Array.from({ length: Math.min(limits.invitationsAtOnce, invitees.length) }, worker))
  } finally {
    progress.end()
  }
  if (!json && invitees.length > 1 && failures.length < invitees.length) await print(REACHES_MANY)
  return failures
}

/** The newcomer's id, or why it could not be invited. */
type Outcome = string | ProtocolError

async function inviteOne(
  node: ControlClient,
  group: string,
  { address, petname }: Invitee,
  passphrase: string,
): Promise<Outcome> {
  try {
    const request = { group, address, passphrase, ...(petname !== undefined && { as: petname }) }
    return (await node.call('invite', request)).id
  } catch (error) {
    // Without a node, or at the user's wish, the others need not be tried.
    const fatal = !(error instanceof ProtocolError) || ['ABORTED', 'CLOSED', 'CONTROL_UNREACHABLE'].includes(error.code)
    if (fatal) throw error
    return error
  }
}

async function report({ address, petname }: Invitee, outcome: Outcome, json: boolean, many: boolean): Promise<void> {
  const failed = typeof outcome !== 'string'
  if (json) {
    const error = failed ? { code: outcome.code, message: outcome.message } : null
    await printJson({ address, as: petname ?? null, id: failed ? null : outcome, error })
  } else if (!failed) {
    await print(`invited ${printable(petname ?? outcome)}${many ? '' : ` (${REACHES})`}`)
  }
  if (failed && many) tell(`${errorLine(outcome)}: ${address}`)
}

/** How far a long list has come: in place on a terminal, a line now and then elsewhere. */
class Progress {
  private readonly total: number
  private lastMs = performance.now()

  constructor(total: number) {
    this.total = total
  }

  show(done: number): void {
    if (this.total === 1) return
    const terminal = process.stderr.isTTY
    if (!terminal && performance.now() - this.lastMs < PROGRESS_MS) return
    this.lastMs = performance.now()
    if (terminal) process.stderr.write(`\r${done} of ${this.total} invited`)
    else tell(`${done} of ${this.total} invited`)
  }

  end(): void {
    if (this.total > 1 && process.stderr.isTTY) process.stderr.write('\n')
  }
}
