/** `splitcast send`: one message to every member of a group, and what it cost. */
import type { Command } from 'commander'
import { utf8 } from '../base/bytes.js'
import { ProtocolError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { PaddingMode } from '../group/group.js'
import type { UploadReply } from './control/protocol.js'
import { readInput, STDIN } from './input.js'
import { dataOption, nonEmpty, oneOf, paddingModes, secondsToMs } from './options.js'
import { counted, print, printJson } from './output.js'
import { withNode } from './run-client.js'
import { patienceOf } from './shutdown.js'

interface Options {
  readonly data?: string
  readonly file?: string
  readonly padding?: PaddingMode
  readonly timeout?: number
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
      oneOf(paddingModes),
    )
    .option('--timeout <seconds>', 'stop waiting after this long; what was sent is not unsent', secondsToMs)
    .option('--json', 'print what it cost as one JSON object')
    .addHelpText(
      'after',
      `
It ends once a first proxy holds the message. The sender is one of the recipients, or its absence would name it.

Examples:
  splitcast send friends 'hello, all'
  splitcast send friends --file photo.jpg --json`,
    )
    .action(send)
}

async function send(group: string, text: string | undefined, options: Options): Promise<void> {
  const body = await bodyFrom(text, options.file)
  const request = {
    group,
    bodyBase64: Buffer.from(body).toString('base64'),
    ...(options.padding !== undefined && { padding: options.padding }),
  }
  const report = await withNode(options, (node) => node.call('send', request), patienceOf(options.timeout))
  if (options.json) await printJson(report)
  else await print(reportText(report))
}

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

function reportText(report: UploadReply): string {
  const overheadBytes = report.uploadBytes - report.bodyBytes
  return [
    `sent ${report.messageId} to ${report.recipients} recipients, this device among them`,
    `uploaded ${report.uploadBytes} bytes in ${counted(report.datagrams, 'datagram')}: body ${report.bodyBytes}, overhead ${overheadBytes}`,
    `overhead: fixed ${report.fixedBytes}, slots ${10 * report.slots}, padding ${report.paddingBytes}, further datagrams ${report.furtherDatagramBytes}`,
  ].join('\n')
}
