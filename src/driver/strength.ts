/**
 * How many guesses a passphrase withstands, by an estimator that knows words, names, dates, keyboards and repetitions
 * (PROTOCOL.md section 8.2). Its lists take tens of megabytes and a while to read, so they live in a thread that ends when idle.
 */
import { Worker } from 'node:worker_threads'
import { ProtocolError } from '../base/errors.js'
import { limits } from '../base/limits.js'

const WORKER_URL = new URL('./strength-worker.js', import.meta.url)
/** How long an idle thread is kept for the next passphrase. */
const IDLE_MS = 10_000

export interface StrengthRequest {
  readonly number: number
  readonly text: string
  readonly related: readonly string[]
}

export interface StrengthReply {
  readonly number: number
  readonly guessesLog10: number
  /** What makes it easy to guess, a sentence. */
  readonly reason: string | undefined
}

type Waiting = { readonly resolve: (reply: StrengthReply) => void; readonly reject: (error: unknown) => void }

let worker: Worker | undefined
let idle: NodeJS.Timeout | undefined
let next = 0
const waiting = new Map<number, Waiting>()

/**
 * Rejects with PASSPHRASE_WEAK, and a reason, where somebody who knows people's habits and the words in `related` (names
 * that belong to it) would need fewer than 10 ** limits.passphraseGuessesLog10 guesses.
 */
export async function checkStrength(passphrase: string, related: readonly string[] = []): Promise<void> {
  const { passphraseMaxBytes, passphraseGuessesLog10 } = limits
  // What is far too long is refused by length elsewhere; the estimator need not see it.
  const text = passphrase.normalize('NFC').slice(0, passphraseMaxBytes)
  const { guessesLog10, reason } = await estimate(text, related)
  if (guessesLog10 >= passphraseGuessesLog10) return
  const found = `about 10^${Math.floor(guessesLog10)} guesses find it, and 10^${passphraseGuessesLog10} are asked for`
  throw new ProtocolError(
    'PASSPHRASE_WEAK',
    `the passphrase is weak: ${reason === undefined ? '' : `${reason.replace(/\.$/, '')}; `}${found}; take the one that splitcast passphrase prints, or more words`,
  )
}

function estimate(text: string, related: readonly string[]): Promise<StrengthReply> {
  clearTimeout(idle)
  worker ??= startWorker()
  worker.ref()
  const number = next++
  worker.postMessage({ number, text, related } satisfies StrengthRequest)
  return new Promise((resolve, reject) => waiting.set(number, { resolve, reject }))
}

function startWorker(): Worker {
  const started = new Worker(WORKER_URL)
  started.on('message', (reply: StrengthReply) => {
    waiting.get(reply.number)?.resolve(reply)
    waiting.delete(reply.number)
    if (waiting.size === 0) rest(started)
  })
  started.on('error', (error) => {
    if (worker === started) worker = undefined
    const failure = new ProtocolError('CLOSED', `the passphrase estimator failed: ${error.message}`, { cause: error })
    for (const { reject } of waiting.values()) reject(failure)
    waiting.clear()
  })
  return started
}

/** An idle thread must not keep the process alive, nor its lists in memory. */
function rest(resting: Worker): void {
  resting.unref()
  idle = setTimeout(() => {
    if (worker === resting) worker = undefined
    resting.terminate()
  }, IDLE_MS).unref()
}
