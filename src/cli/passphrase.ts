/**
 * Passphrases: made from a word list by the operating system's randomness, read from a file, or asked for on a terminal
 * without being shown. They never stand on a command line, where every user of the machine could read them.
 */
import { stat } from 'node:fs/promises'
import { wordlist } from '@scure/bip39/wordlists/english.js'
import { ProtocolError } from '../base/errors.js'
import { type RandomBytes, randomBelow } from '../base/random.js'
import { systemRandom } from '../driver/random.js'
import { checkStrength } from '../driver/strength.js'
import { readTextInput } from './input.js'
import { errorLine, tell } from './output.js'
import { watchShutdown } from './shutdown.js'

/** Six words of 2,048 are 66 bits, which Argon2id makes expensive to search. */
const WORDS = 6
/** Only the first line counts: what is larger was named by mistake, and may have no end. */
const MAX_FILE_BYTES = 65_536
const USUAL_COLUMNS = 80
const USUAL_ROWS = 24

/** Words drawn uniformly and independently, joined by hyphens. */
export function generatePassphrase(random: RandomBytes = systemRandom(), words: number = WORDS): string {
  return Array.from({ length: words }, () => wordlist[randomBelow(random, wordlist.length)]).join('-')
}

/** The first line of the file, without its line end. Others being able to read it is worth a warning. */
export async function passphraseFromFile(file: string): Promise<string> {
  const info = await stat(file).catch(() => undefined)
  if (info?.isFile() && (info.mode & 0o077) !== 0) {
    tell(`splitcast: warning: others can read ${file}; make it private with chmod 600`)
  }
  const [line = ''] = (await readTextInput(file, MAX_FILE_BYTES)).split(/\r?\n/, 1)
  if (line !== '') return line
  throw new ProtocolError('USAGE', `${file} begins with an empty line; write the passphrase there`)
}

/**
 * The passphrase of an invitation that waits, or is waited for: a file is read now, so that a mistyped name is heard of
 * before any waiting; on a terminal the question comes when the answer is called for.
 */
export async function passphraseToJoin(file: string | undefined): Promise<(signal: AbortSignal) => Promise<string>> {
  if (file !== undefined) {
    const passphrase = await passphraseFromFile(file)
    return async () => passphrase
  }
  requireTerminal()
  return (signal) => ask('Passphrase of the invitation', signal)
}

/** The passphrase for an invitation to be made: offers a generated one, and shows that one once. */
export async function passphraseToInvite(file: string | undefined, signal: AbortSignal): Promise<string> {
  if (file !== undefined) {
    const passphrase = await passphraseFromFile(file)
    await checkStrength(passphrase)
    return passphrase
  }
  requireTerminal()
  sizeTerminal(process.stderr)
  const prompts = await import('@clack/prompts')
  const choice = answered(
    await prompts.select({
      message: 'Passphrase for this invitation',
      options: [
        { value: 'generated', label: 'a new one of six random words (recommended)' },
        { value: 'own', label: 'one of your own' },
      ],
      output: process.stderr,
      signal,
    }),
  )
  if (choice === 'own') return await askStrong('Your passphrase', signal)
  const passphrase = generatePassphrase()
  tell(`\n    ${passphrase}\n\nGive it to the owner of the address by another way; it is not shown again.\n`)
  return passphrase
}

/** A passphrase for data of one's own: from a file, or asked for twice on a terminal until both are the same. */
export async function newPassphrase(file: string | undefined, question: string): Promise<string> {
  if (file !== undefined) return await passphraseFromFile(file)
  requireTerminal()
  const { signal } = watchShutdown()
  for (;;) {
    const passphrase = await askStrong(question, signal)
    if ((await ask('The same once more', signal)) === passphrase) return passphrase
    tell('splitcast: the two differ; once more')
  }
}

/** A passphrase that is known already: from a file, or asked for on a terminal. */
export async function knownPassphrase(file: string | undefined, question: string): Promise<string> {
  if (file !== undefined) return await passphraseFromFile(file)
  requireTerminal()
  return await ask(question, watchShutdown().signal)
}

/** Whether there is somebody to be asked. */
export function hasTerminal(): boolean {
  return process.stdin.isTTY && process.stderr.isTTY
}

/** Asks until the answer is strong enough; says each time why it was not. */
async function askStrong(message: string, signal: AbortSignal): Promise<string> {
  for (;;) {
    const passphrase = await ask(message, signal)
    try {
      await checkStrength(passphrase)
      return passphrase
    } catch (error) {
      if (!(error instanceof ProtocolError) || error.code !== 'PASSPHRASE_WEAK') throw error
      tell(errorLine(error))
    }
  }
}

async function ask(message: string, signal: AbortSignal): Promise<string> {
  sizeTerminal(process.stderr)
  const prompts = await import('@clack/prompts')
  return answered(
    await prompts.password({
      message,
      output: process.stderr,
      signal,
      validate: (text) => (text ? undefined : 'Type it, or press Ctrl-C to give up'),
    }),
  )
}

/** Some terminals say that they have no columns and rows; a prompt would be folded to one character a line. */
export function sizeTerminal(terminal: { columns?: number; rows?: number }): void {
  if (!terminal.columns) terminal.columns = USUAL_COLUMNS
  if (!terminal.rows) terminal.rows = USUAL_ROWS
}

function answered<T extends string>(answer: T | symbol): T {
  if (typeof answer === 'symbol') throw new ProtocolError('ABORTED', 'given up')
  return answer
}

function requireTerminal(): void {
  if (hasTerminal()) return
  throw new ProtocolError(
    'USAGE',
    'there is no terminal to ask for the passphrase; write it to a file and add --passphrase-file FILE',
  )
}
