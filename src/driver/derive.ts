/**
 * Argon2id off the event loop: one worker thread a process, started when first needed, one derivation at a time, so that
 * a thousand waiting ones take the memory of one.
 */
import { Worker } from 'node:worker_threads'
import { ProtocolError } from '../base/errors.js'
import type { PassphraseCost } from '../crypto/crypto.js'

const WORKER_URL = new URL('./derive-worker.js', import.meta.url)

export interface DeriveRequest {
  readonly number: number
  readonly passphrase: Uint8Array
  readonly salt: Uint8Array
  /** By default what the protocol fixes. */
  readonly cost?: PassphraseCost
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

/** The same at another cost, on a thread that ends with it and gives its memory back. */
export function deriveOnce(passphrase: Uint8Array, salt: Uint8Array, cost: PassphraseCost): Promise<Uint8Array> {
  const once = new Worker(WORKER_URL)
  return new Promise<Uint8Array>((resolve, reject) => {
    once.on('message', ({ derived }: DeriveReply) => resolve(derived))
    once.on('error', (error) => reject(failureOf(error)))
    once.postMessage({ number: 0, passphrase, salt, cost } satisfies DeriveRequest)
  }).finally(() => once.terminate())
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
    const failure = failureOf(error)
    for (const { reject } of waiting.values()) reject(failure)
    waiting.clear()
  })
  return started
}

function failureOf(error: Error): ProtocolError {
  return new ProtocolError('CLOSED', `the passphrase worker failed: ${error.message}`, { cause: error })
}
