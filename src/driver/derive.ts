/**
 * Argon2id off the event loop: one worker thread a process, started when first needed, one derivation at a time, so that
 * a thousand waiting ones take the memory of one.
 */
import { Worker } from 'node:worker_threads'
import { ProtocolError } from '../base/errors.js'

const WORKER_URL = new URL('./derive-worker.js', import.meta.url)

export interface DeriveRequest {
  readonly number: number
  readonly passphrase: Uint8Array
  readonly salt: Uint8Array
}

export interface DeriveReply {
  readonly number: number
  readonly derived: Uint8Array
}

type Waiting = { readonly resolve: (derived: Uint8Array) => void; readonly reject: (error: unknown) => void }

let worker: Worker | undefined
let next = 0
const waiting = new Map<number, Waiting>()

/** 64 bytes of Argon2id at the protocol's cost (PROTOCOL.md section 8.2). */
export function derive(passphrase: Uint8Array, salt: Uint8Array): Promise<Uint8Array> {
  worker ??= startWorker()
  worker.ref()
  const number = next++
  worker.postMessage({ number, passphrase, salt } satisfies DeriveRequest)
  return new Promise((resolve, reject) => waiting.set(number, { resolve, reject }))
}

function startWorker(): Worker {
  const started = new Worker(WORKER_URL)
  started.on('message', ({ number, derived }: DeriveReply) => {
    waiting.get(number)?.resolve(derived)
    waiting.delete(number)
    // An idle worker must not keep the process alive.
    if (waiting.size === 0) started.unref()
  })
  started.on('error', (error) => {
    worker = undefined
    const failure = new ProtocolError('CLOSED', `the passphrase worker failed: ${error.message}`, { cause: error })
    for (const { reject } of waiting.values()) reject(failure)
    waiting.clear()
  })
  return started
}
