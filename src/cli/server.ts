/** `splitcast server`: runs the central server and shows its network card. */
import { readFile } from 'node:fs/promises'
import type { Command } from 'commander'
import { fromHex, toHex } from '../base/bytes.js'
import { ProtocolError } from '../base/errors.js'
import type { LogLevel } from '../driver/log.js'
import { controlPath } from './control/path.js'
import { announce, forgetReadyFile, runDaemon } from './daemon.js'
import { type DataPassphraseOption, dataPassphrase, dataPassphraseOption } from './data-passphrase.js'
import { unreadable } from './input.js'
import {
  dataOf,
  dataOption,
  listenAddress,
  logLevels,
  nonEmpty,
  oneOf,
  reachableAddress,
  repeated,
  workersOption,
} from './options.js'

interface Options extends DataPassphraseOption {
  readonly listen: string
  readonly advertise?: string[]
  readonly data?: string
  readonly proxies: string
  readonly workers?: number
  readonly readyFile?: string
  readonly logLevel: LogLevel
}

const NODE_ID_BYTES = 8

export function addServer(program: Command): void {
  dataPassphraseOption(workersOption(dataOption(program.command('server'))))
    .description('run a central server, and print the network card that nodes need to join it')
    .requiredOption('--listen <host:port>', 'UDP address to listen on; port 0 takes a free one', listenAddress)
    .option(
      '--advertise <host:port>',
      'where nodes reach the server, names allowed; may be repeated (default: where it listens)',
      repeated(reachableAddress),
    )
    .option(
      '--proxies <open|file>',
      'admit every proxy, or those whose ids stand in a file, one a line',
      nonEmpty,
      'open',
    )
    .option('--ready-file <file>', 'write the card there once the server takes packets', nonEmpty)
    .option('--log-level <level>', `one of ${logLevels.join(', ')}`, oneOf('--log-level', logLevels), 'warn')
    .addHelpText(
      'after',
      `
The card is also kept in DIR/network. Ids of proxies are printed by splitcast id
--json.

Example:
  splitcast server --listen 0.0.0.0:7000 --advertise cast.example.org:7000 \\
    --data /var/lib/splitcast`,
    )
    .action(runServer)
}

async function runServer(options: Options): Promise<void> {
  const data = dataOf(options)
  controlPath(data)
  const admitted = options.proxies === 'open' ? 'open' : await admittedFrom(options.proxies)
  const passphrase = await dataPassphrase(options, data)
  await forgetReadyFile(options.readyFile)
  const { openServer } = await import('../driver/server.js')
  const { createLog } = await import('../driver/log.js')
  const { serveServerControl } = await import('./control.js')

  await runDaemon(async ({ shutdown, defer, control, untilStopped }) => {
    const server = await openServer({
      data,
      ...(passphrase !== undefined && { passphrase }),
      listen: options.listen,
      admitted,
      log: createLog(options.logLevel),
      ...(options.advertise && { advertise: options.advertise }),
      ...(options.workers !== undefined && { workers: options.workers }),
    })
    defer(() => server.close())
    control(await serveServerControl(data, server, shutdown.request))
    await announce(server.card, options.readyFile, Promise.resolve(), () => 'nothing')
    await untilStopped([server.ended])
  })
}

/** One id a line in hex; what follows a # is a remark. */
export async function admittedFrom(file: string): Promise<ReadonlySet<string>> {
  let text: string
  try {
    text = await readFile(file, 'utf8')
  } catch (error) {
    const { code, message } = unreadable(`the list of proxies ${file}`, error)
    throw new ProtocolError(code, `${message}, or write open to admit all`)
  }
  const ids = new Set<string>()
  for (const [index, line] of text.split('\n').entries()) {
    const id = line.replace(/#.*/, '').trim()
    if (id !== '') ids.add(proxyId(id, `${file} line ${index + 1}`))
  }
  return ids
}

function proxyId(text: string, where: string): string {
  if (/^[0-9a-f]+$/i.test(text) && text.length === 2 * NODE_ID_BYTES) return toHex(fromHex(text))
  throw new ProtocolError('USAGE', `${where}: ${JSON.stringify(text)} is no proxy id, which has 16 hexadecimal digits`)
}
