/** `splitcast backup`: one file with all that a node or server keeps, whether or not it runs. */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { ProtocolError } from '../base/errors.js'
import type { BackupPiece } from '../driver/backup.js'
import type { ControlClient } from './control/client.js'
import { askDataPassphrase, type DataPassphraseOption, dataPassphraseOption } from './data-passphrase.js'
import { dataOf, dataOption, nonEmpty } from './options.js'
import { counted, print, printable, tell } from './output.js'
import { newPassphrase } from './passphrase.js'
import { byteBar } from './progress.js'
import { withNode } from './run-client.js'
import { watchShutdown } from './shutdown.js'

interface Options extends DataPassphraseOption {
  readonly data?: string
  readonly passphraseFile?: string
  readonly unencrypted?: boolean
}

export function addBackup(program: Command): void {
  dataPassphraseOption(dataOption(program.command('backup')))
    .argument('<file>', 'where to write it; a file that is there is replaced once the new one is whole', nonEmpty)
    .description('write keys, groups and messages of a node, or mailboxes of a server, to one encrypted file')
    .option('--passphrase-file <file>', 'passphrase for the backup: the first line of a file', nonEmpty)
    .option('--unencrypted', 'write it without a passphrase: whoever gets the file is this node')
    .addHelpText(
      'after',
      `
A node may run meanwhile: the backup is as of the moment it begins.

Example:
  splitcast backup cast.backup --data ~/cast`,
    )
    .action(backup)
}

async function backup(file: string, options: Options): Promise<void> {
  const { replaceFile } = await import('../driver/files.js')
  if (options.unencrypted && options.passphraseFile !== undefined) {
    throw new ProtocolError('USAGE', '--unencrypted and --passphrase-file exclude each other; leave one out')
  }
  const running = await withNode(options, isRunning)
  const passphrase = options.unencrypted
    ? undefined
    : await newPassphrase(options.passphraseFile, 'Passphrase for this backup')
  const pieces = running ? piecesOfNode(options, passphrase) : piecesOfDirectory(options, passphrase)
  const { signal } = watchShutdown()
  const bar = byteBar('backup')
  let writtenBytes = 0
  try {
    await replaceFile(
      resolve(file),
      reported(pieces, signal, (piece) => {
        writtenBytes += piece.bytes.length
        bar.update(piece.doneBytes, piece.totalBytes)
      }),
    )
  } finally {
    bar.end()
  }
  await print(
    `${printable(file)} holds ${printable(dataOf(options))}, ${counted(writtenBytes, 'byte')}; splitcast restore FILE --data NEW-DIR makes a new directory of it`,
  )
  if (passphrase === undefined) tell(`splitcast: ${file} is not encrypted; keep it as you would the keys themselves`)
}

async function* reported(
  pieces: AsyncIterable<BackupPiece>,
  signal: AbortSignal,
  report: (piece: BackupPiece) => void,
): AsyncGenerator<Uint8Array> {
  for await (const piece of pieces) {
    signal.throwIfAborted()
    yield piece.bytes
    report(piece)
  }
}

/** Otherwise the directory itself is read. */
async function isRunning(node: ControlClient): Promise<boolean> {
  try {
    await node.call('status', {})
    return true
  } catch (error) {
    if (error instanceof ProtocolError && error.code === 'CONTROL_UNREACHABLE') return false
    throw error
  }
}

async function* piecesOfNode(options: Options, passphrase: string | undefined): AsyncGenerator<BackupPiece> {
  const { controlClient } = await import('./control/client.js')
  const items = controlClient(dataOf(options)).stream('backup', { passphrase: passphrase ?? null })
  for await (const { dataBase64, ...progress } of items) yield { bytes: Buffer.from(dataBase64, 'base64'), ...progress }
}

async function* piecesOfDirectory(options: Options, passphrase: string | undefined): AsyncGenerator<BackupPiece> {
  const data = dataOf(options)
  const { backupDirectory } = await import('../driver/backup.js')
  yield* backupDirectory(data, () => askDataPassphrase(options, data), { passphrase })
}
