/**
 * The import rules of docs/ARCHITECTURE.md as data: which folder of src/ may use which other folder, package and
 * global. checker.ts applies them to a source tree; layers.test.ts plants a violation of each.
 */

/** A folder directly under src/, or `index` for src/index.ts. */
export type Layer = 'base' | 'wire' | 'crypto' | 'link' | 'group' | 'role' | 'driver' | 'cli' | 'index'

type LayerRule = {
  /** Layers it may import from, besides itself. */
  readonly imports: readonly Layer[]
  /** Whether it may name the types of `cryptoInterface`; every other import of crypto is then still refused. */
  readonly cryptoTypes: boolean
  /** Whether it may touch the outside: node's modules, clocks, timers, ambient randomness, the process. */
  readonly effects: boolean
  readonly packages: readonly string[]
}

/** The one file of crypto that link, group and role may see, and that as types only: the core is handed to them. */
export const cryptoInterface = 'src/crypto/crypto.ts'

// Text encodings and word lists: pure functions, so any layer may use them.
const purePackages = ['@scure/base', '@scure/bip39']
const estimator = ['@zxcvbn-ts/core', '@zxcvbn-ts/language-common', '@zxcvbn-ts/language-en']
const driverPackages = [...purePackages, ...estimator, 'pino', 'zod', 'classic-level', 'piscina']

export const layerRules: Readonly<Record<Layer, LayerRule>> = {
  base: pure([], false),
  wire: pure(['base'], false),
  crypto: { ...pure(['base'], false), packages: [...purePackages, 'libsodium-wrappers-sumo', '@chainsafe/as-sha256'] },
  link: pure(['base', 'wire'], true),
  group: pure(['base', 'wire'], true),
  role: pure(['base', 'wire', 'link', 'group'], true),
  driver: effectful(['base', 'wire', 'crypto', 'link', 'group', 'role'], driverPackages),
  cli: effectful(
    ['base', 'wire', 'crypto', 'link', 'group', 'role', 'driver', 'index'],
    [...driverPackages, 'commander', '@clack/prompts', 'cli-progress', 'tinyqueue'],
  ),
  index: { ...pure(['base', 'wire', 'crypto', 'link', 'group', 'role', 'driver'], false), packages: [] },
}

/** Globals that read a clock, draw randomness, schedule, or exist on Node only. `Date` and `Math` have rules of their own. */
export const effectfulGlobals: ReadonlySet<string> = new Set([
  ...['setTimeout', 'setInterval', 'setImmediate', 'performance', 'queueMicrotask'],
  ...['process', 'Buffer', 'globalThis', 'require', 'fetch', 'WebSocket', 'Worker'],
])

/** Files that may instantiate WebAssembly; elsewhere the core is only a `Crypto`. */
export function mayInstantiateWasm(path: string): boolean {
  return /^src\/crypto\/wasm\b/.test(path)
}

function pure(imports: readonly Layer[], cryptoTypes: boolean): LayerRule {
  return { imports, cryptoTypes, effects: false, packages: purePackages }
}

function effectful(imports: readonly Layer[], packages: readonly string[]): LayerRule {
  return { imports, cryptoTypes: true, effects: true, packages }
}
