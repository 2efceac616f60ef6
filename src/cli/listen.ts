/**
 * `splitcast listen`: takes messages from the node's inbox. A message is acknowledged, and then gone from the inbox, only
 * after it has been written to standard output or saved; until then it comes again, here or at another listener.
 */
import type { Command } from 'commander'
import { fromUtf8 } from '../base/bytes.js'
import { ProtocolError } from '../base/errors.js'
import { limits } from '../base/limits.js'
import type { ControlClient } from './control/client.js'
import type { Received } from './control/protocol.js'
import { dataOption, nonEmpty, secondsToMs, wholeNumber } from './options.js'
import { print, printable, printJson } from './output.js'
import { withNode } from './run-client.js'
import { prepareDirectory, saveBody } from './save.js'
import { patienceOf } from './shutdown.js'

interface Options {
  readonly data?: string
  readonly json?: boolean
  readonly count?: number
  readonly save?: string
  readonly timeout?: number
}

const MAX_COUNT = 1_000_000_000

export function addListen(program: Command): void {
  dataOption(program.command('listen'))
    .description('show messages as they arrive, and take them from the inbox')
    .argument('[name]', 'only messages of this group')
    .option('--json', 'print {group, sender, senderName, messageId, sentAt, direct, bodyBase64} a line')
    .option('--count <n>', 'end after this many', wholeNumber('--count', 1, MAX_COUNT))
    .option('--save <dir>', 'write each body to DIR/MESSAGE-ID; adds "file" to the JSON line', nonEmpty)
    .option('--timeout <seconds>', 'give up after this long, with exit code 5', secondsToMs('--timeout'))
    .addHelpText(
      'after',
      `
A message leaves the inbox once it has been written to standard output, or
saved. Of several listeners, each gets every message that none of them has
written yet: usually all of them get all, and a message is gone once a first one
has written it.

Examples:
  splitcast listen friends
  splitcast listen --json --count 1 --timeout 60`,
    )
    .action(listen)
}

async function listen(group: string | undefined, options: Options): Promise<void> {
  if (options.save !== undefined) await prepareDirectory(options.save)
  await withNode(options, (node) => receive(node, group, options), patienceOf(options.timeout))
}

async function receive(node: ControlClient, group: string | undefined, options: Options): Promise<void> {
  let confirmations: Confirmations | undefined
  let left = options.count ?? Number.POSITIVE_INFINITY
  for await (const item of node.stream('messages', group === undefined ? {} : { group })) {
    if ('stream' in item) {
      confirmations = new Confirmations(node, item.stream)
      continue
    }
    await put(item.message, options).catch(async (error) => {
      // Leaving the loop ends the stream, and with it what can be confirmed: those before this one were written.
      await confirmations?.flushed()
      throw error
    })
    await confirmations?.add(item.sequence)
    if (--left === 0) return await confirmations?.flushed()
  }
  throw new ProtocolError('CLOSED', 'the node has stopped')
}

/** Writes a message where the user wants it; resolves when it is there. */
async function put(message: Received, options: Options): Promise<void> {
  const body = new Uint8Array(Buffer.from(message.bodyBase64, 'base64'))
  const file = options.save === undefined ? undefined : await saveBody(options.save, message, body)
  if (options.json) await printJson(file === undefined ? message : { ...message, file })
  else await print(messageText(message, body, file))
}

/** One line who and when, then the body indented, so that no body can pass for another message. */
function messageText(
  { group, sender, senderName, sentAt, direct }: Received,
  body: Uint8Array,
  file: string | undefined,
): string {
  const head = `${printable(group)}  ${printable(senderName ?? sender)}  ${sentAt}${direct ? '  to you alone' : ''}`
  if (file !== undefined) return `${head}  ${body.length} bytes in ${file}`
  const text = fromUtf8(body)
  // What is no text would be lost on the screen: in base64 it can still be recovered.
  if (text === undefined) return `${head}  ${body.length} bytes, base64\n  ${Buffer.from(body).toString('base64')}`
  return `${head}\n${printable(text).replace(/^/gm, '  ')}`
}

/** Confirms messages in the order written, several in one request where they come fast. */
class Confirmations {
  private readonly node: ControlClient
  private readonly stream: string
  private waiting: number[] = []
  private underWay: Promise<void> | undefined
  private failure: unknown

  constructor(node: ControlClient, stream: string) {
    this.node = node
    this.stream = stream
  }

  /** Resolves at once unless many wait. Throws what an earlier confirmation failed with. */
  async add(sequence: number): Promise<void> {
    this.waiting.push(sequence)
    this.underWay ??= this.send()
    if (this.waiting.length >= limits.controlUnconfirmed) await this.flushed()
    if (this.failure !== undefined) throw this.failure
  }

  /** Resolves when all are confirmed. */
  async flushed(): Promise<void> {
    await this.underWay
    if (this.failure !== undefined) throw this.failure
  }

  /** Never rejects: nobody may be waiting for it. */
  private async send(): Promise<void> {
    try {
      while (this.waiting.length > 0) {
        const sequences = this.waiting
        this.waiting = []
        await this.node.call('acknowledge', { stream: this.stream, sequences })
      }
    } catch (error) {
      this.failure = error
    } finally {
      this.underWay = undefined
    }
  }
}
