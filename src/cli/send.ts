/** `splitcast send`: one message to every member of a group, what it cost, and who is proven to have it. */
import type { Command } from 'commander'
import { utf8 } from '../base/bytes.js'
import { ProtocolError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { DecoyMode } from '../group/decoys.js'
import type { PaddingMode } from '../group/group.js'
import type { SendReply } from './control/protocol.js'
import { readInput, STDIN } from './input.js'
import { dataOption, decoyModes, nonEmpty, oneOf, paddingModes, secondsToMs } from './options.js'
import { counted, print, printable, printJson } from './output.js'
import { withNode } from './run-client.js'
import { patienceOf } from './shutdown.js'

interface Options {
  readonly data?: string
  readonly file?: string
  readonly padding?: PaddingMode
  readonly decoys?: DecoyMode
  readonly direct?: boolean
  readonly to?: string
  readonly timeout?: number
  readonly wait: boolean
  readonly json?: boolean
}

export function addSend(program: Command): void {
  dataOption(program.command('send'))
    .description('send one message to every member of a group')
    .argument('<name>', 'the group')
    .argument('[text]', 'the message, or - to read it from standard input')
    .option('--file <file>', 'send the content of a file', nonEmpty)
    .option(
      '--padding <mode>',
      `how sizes are hidden: ${paddingModes.join(', ')} (default: as the node was started)`,
      oneOf('--padding', paddingModes),
    )
    .option(
      '--decoys <mode>',
      `how the number of slots is rounded up: ${decoyModes.join(', ')} (default: as the node was started)`,
      oneOf('--decoys', decoyModes),
    )
    .option(
      '--direct',
      'to one member, by one proxy: faster, but that proxy and the server together learn who sends to whom',
    )
    .option('--to <member>', 'with --direct: the local name, id or address of the member', nonEmpty)
    .option('--no-wait', 'end once a first proxy holds the message; the node sees to the rest')
    .option(
      '--timeout <seconds>',
      'stop waiting after this long; what was sent is not unsent',
      secondsToMs('--timeout'),
    )
    .option('--json', 'print what it cost and what became of it as one JSON object')
    .addHelpText(
      'after',
      `
It ends once the server has proven that it stored the message for every member,
and with 1 if that could not be proven for some of them in several tries: those
are named, and the reason. The sender is one of the recipients, or its absence
would name it.

Examples:
  splitcast send friends 'hello, all'
  splitcast send friends --file photo.jpg --json
  splitcast send friends 'no hurry' --no-wait
  splitcast send friends 'only you' --direct --to bob`,
    )
    .action(send)
}

async function send(group: string, text: string | undefined, options: Options): Promise<void> {
  checkDirect(options)
  const body = await bodyFrom(text, options.file)
  const request = {
    group,
    bodyBase64: Buffer.from(body).toString('base64'),
    ...(options.padding !== undefined && { padding: options.padding }),
    ...(options.decoys !== undefined && { decoys: options.decoys }),
    ...(options.to !== undefined && { direct: { to: options.to } }),
    wait: options.wait,
  }
  const report = await withNode(options, (node) => node.call('send', request), patienceOf(options.timeout))
  if (options.json) await printJson(report)
  else await print(reportText(report))
  if (report.outcome !== null && report.outcome.unproven.length > 0) throw unprovenError(report.outcome)
}

function checkDirect({ direct, to, decoys }: Options): void {
  if (direct && to === undefined)
    throw new ProtocolError('USAGE', '--direct is to one member: name it with --to MEMBER')
  if (!direct && to !== undefined) {
    throw new ProtocolError('USAGE', '--to names the one member of a direct message: add --direct, or leave it out')
  }
  if (direct && decoys === 'power') throw new ProtocolError('USAGE', 'a direct message has no slots for --decoys')
}

/** Names those that are not proven to have a message. */
export function unprovenError({
  recipients,
  stored,
  unproven: open,
}: NonNullable<SendReply['outcome']>): ProtocolError {
  const names = open.map(({ id, name, reason }) => `${printable(name ?? id)} (${reasons[reason]})`)
  return new ProtocolError(
    'SEND_UNPROVEN',
    `proven stored for ${stored} of ${recipients}, not for ${names.join(', ')}; send it again later, or ask them`,
  )
}

const reasons = { refused: 'refused by the server', noProof: 'no proof', departed: 'no member any more' } as const

async function bodyFrom(text: string | undefined, file: string | undefined): Promise<Uint8Array> {
  if (text !== undefined && file !== undefined) {
    throw new ProtocolError('USAGE', 'give either a text or --file, not both')
  }
  if (text === undefined && file === undefined) {
    throw new ProtocolError('USAGE', 'what to send? write the text, name a file with --file, or - for standard input')
  }
  if (file !== undefined) return await readInput(file, limits.bodyBytes, tooLarge)
  if (text === STDIN) return await readInput(STDIN, limits.bodyBytes, tooLarge)
  const body = utf8(text as string)
  if (body.length > limits.bodyBytes) throw tooLarge()
  return body
}

function tooLarge(): ProtocolError {
  return new ProtocolError('BODY_TOO_LARGE', `a message has at most ${limits.bodyBytes} bytes; send it in parts`)
}

function sentText({ messageId, recipients, decoys }: SendReply): string {
  if (recipients === 1) return `sent ${messageId} directly to 1 recipient`
  const besides = decoys === 0 ? '' : `, and ${counted(decoys, 'decoy')}`
  return `sent ${messageId} to ${recipients} recipients, this device among them${besides}`
}

function reportText(report: SendReply): string {
  const overheadBytes = report.uploadBytes - report.bodyBytes
  return [
    sentText(report),
    `uploaded ${report.uploadBytes} bytes in ${counted(report.datagrams, 'datagram')}: body ${report.bodyBytes}, overhead ${overheadBytes}`,
    `overhead: fixed ${report.fixedBytes}, slots ${10 * report.slots}, padding ${report.paddingBytes}, further datagrams ${report.furtherDatagramBytes}`,
    ...(report.outcome === null
      ? []
      : [`proven stored for ${report.outcome.stored} of ${counted(report.outcome.recipients, 'other')}`]),
  ].join('\n')
}
