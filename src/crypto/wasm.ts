/**
 * The one place that instantiates the WASM core and knows its ABI (assembly/index.ts): calls, addresses, and reading and
 * writing its memory. Whoever writes a secret there calls next, and the call wipes it; so does a write that is refused.
 * Secret results are wiped as they are taken. Lengths are checked here, before a call; texts are written last.
 */
import { assert } from '../base/assert.js'
import { ProtocolError } from '../base/errors.js'
import { type Label, labels } from '../base/labels.js'

/** What a call answers (assembly/status.ts). */
export const status = { ok: 0, capacity: -1, pointRefused: -2, notOpened: -3 } as const

interface Calls {
  holds(): number
  aeadSeal(textBytes: number, associatedBytes: number): number
  aeadOpen(sealedBytes: number, associatedBytes: number): number
  chachaBlock(counter: number): void
  seal(textBytes: number, associatedBytes: number, mixed: boolean): number
  openAny(count: number, sealedBytes: number, associatedBytes: number, mixed: boolean): number
  requestKey(): number
  reduceWide(): void
  addScalars(): void
  publicPoints(count: number): number
  multiplyPoint(): number
  addPoints(): number
  identityPoint(): number
  makeSlots(count: number, window: number, copyBytes: number): number
  prepareServer(): number
  prepareRequest(copies: number): number
  forgetRequest(): void
  split(from: number, count: number, partBytes: number, contentBytes: number): number
  tokens(from: number, count: number, partBytes: number, contentBytes: number, verdict: number): number
  payloadPoints(from: number, count: number): number
  openCopies(count: number, windows: number): number
  sealPacket(index: number, number: number, framesBytes: number): number
  openPacket(index: number, maskedNumber: number, sealedBytes: number): number
}

/** Addresses, capacities in bytes or entries, and sizes that the core states (assembly/layout.ts). */
const numberNames = [
  'ASSOCIATED',
  'ASSOCIATED_CAPACITY',
  'CONTENT',
  'CONTENT_CAPACITY',
  'ENTROPY',
  'KEY',
  'LABELS',
  'LENGTHS',
  'LENGTHS_CAPACITY',
  'NONCE',
  'OUTPUT',
  'OUTPUT_CAPACITY',
  'PACKET_HEAD_BYTES',
  'PARTS',
  'POINT',
  'RECEIPT_KEYS',
  'RECORD_BYTES',
  'RESULT',
  'SECOND_POINT',
  'SECOND_SECRET',
  'SECRET',
  'SECRETS',
  'SECRETS_CAPACITY',
  'SLOTS',
  'SYMMETRIC',
  'TEXT',
  'TEXT_CAPACITY',
  'THIRD_POINT',
  'WINDOWS',
  'WINDOWS_CAPACITY',
] as const

type Numbers = Readonly<Record<(typeof numberNames)[number], number>>

/** Labels in the order of assembly/layout.ts, 16 bytes apart. */
const coreLabels = [
  'slotOffset',
  'scrambleScalar',
  'copyScalar',
  'slotKeys',
  'scramble',
  'copy',
  'receipt',
] as const satisfies readonly Label[]
const LABEL_STRIDE_BYTES = 16

/** One instance of the core: its calls, its numbers, and its memory. */
export interface Core {
  readonly calls: Calls
  readonly at: Numbers
  readonly memory: Uint8Array
  /** Writes bytes that must be `lengthBytes` long; throws `BYTES_LENGTH` where they are not. */
  writeExactly(address: number, bytes: Uint8Array, lengthBytes: number): void
  /** Writes bytes that must fit a capacity; throws `BYTES_LENGTH` where they do not. */
  writeWithin(address: number, bytes: Uint8Array, capacityBytes: number): void
  /** Copies a result out. */
  take(address: number, lengthBytes: number): Uint8Array
  /** Copies a secret result out and wipes it behind. */
  takeSecret(address: number, lengthBytes: number): Uint8Array
  /** Overwrites what is no longer needed. */
  wipe(address: number, lengthBytes: number): void
}

// The part of the WebAssembly JavaScript interface that is used: this layer knows neither a browser nor Node.
/** Compiled code; it can be sent to other threads. */
export interface WasmModule {
  readonly compiled: never
}
interface WasmInstance {
  readonly exports: Readonly<Record<string, unknown>>
}
declare const WebAssembly: {
  compile(bytes: Uint8Array): Promise<WasmModule>
  instantiate(module: WasmModule, imports: object): Promise<WasmInstance>
  validate(bytes: Uint8Array): boolean
}

/** Modules by the bytes they were compiled from: instances are cheap, compiling is not. */
const modules = new WeakMap<Uint8Array, Promise<WasmModule>>()

/** Whether this engine takes a module. */
export function compiles(wasm: Uint8Array): boolean {
  return WebAssembly.validate(wasm)
}

/** Compiles the core, once for one and the same Uint8Array. */
export function compile(wasm: Uint8Array): Promise<WasmModule> {
  const module = modules.get(wasm) ?? WebAssembly.compile(wasm)
  modules.set(wasm, module)
  return module
}

export async function instantiate(wasm: Uint8Array | WasmModule): Promise<Core> {
  const module = wasm instanceof Uint8Array ? await compile(wasm) : wasm
  const { exports } = await WebAssembly.instantiate(module, {})
  const memory = new Uint8Array((exports['memory'] as { buffer: ArrayBuffer }).buffer)
  const at = readNumbers(exports)
  coreLabels.forEach((name, i) => {
    memory.set(labels[name], at.LABELS + LABEL_STRIDE_BYTES * i)
  })
  // No call follows that would wipe what was written before.
  const refusal = (expected: string, bytes: Uint8Array) => {
    memory.fill(0, at.KEY, at.WINDOWS)
    memory.fill(0, at.SECRETS, at.SECRETS + 32 * at.SECRETS_CAPACITY)
    return lengthError(expected, bytes)
  }
  return {
    calls: exports as unknown as Calls,
    at,
    memory,
    writeExactly(address, bytes, lengthBytes) {
      if (bytes.length !== lengthBytes) throw refusal(`exactly ${lengthBytes}`, bytes)
      memory.set(bytes, address)
    },
    writeWithin(address, bytes, capacityBytes) {
      if (bytes.length > capacityBytes) throw refusal(`at most ${capacityBytes}`, bytes)
      memory.set(bytes, address)
    },
    take: (address, lengthBytes) => memory.slice(address, address + lengthBytes),
    takeSecret(address, lengthBytes) {
      const secret = memory.slice(address, address + lengthBytes)
      memory.fill(0, address, address + lengthBytes)
      return secret
    },
    wipe(address, lengthBytes) {
      memory.fill(0, address, address + lengthBytes)
    },
  }
}

function readNumbers(exports: WasmInstance['exports']): Numbers {
  return Object.fromEntries(
    numberNames.map((name) => {
      const value = (exports[name] as { value: unknown } | undefined)?.value
      assert(typeof value === 'number', `the core exports the number ${name}`)
      return [name, value]
    }),
  ) as Numbers
}

function lengthError(expected: string, bytes: Uint8Array): ProtocolError {
  return new ProtocolError('BYTES_LENGTH', `the call takes ${expected} bytes here, got ${bytes.length}`)
}
