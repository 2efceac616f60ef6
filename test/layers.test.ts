/**
 * Imports go one way (docs/ARCHITECTURE.md). The first test holds the project to the rules; the others plant one
 * violation at a time in a small tree and see it found, and see found nothing in what the rules allow.
 */
import { fileURLToPath } from 'node:url'
import t, { type Test } from 'tap'
import { findViolations, sourcesUnder } from './layers/checker.js'

const projectRoot = fileURLToPath(new URL('../../', import.meta.url))

t.test('the project keeps its layers', (t) => {
  t.ok(sourcesUnder(projectRoot, 'src').length > 0, 'found the sources')
  t.strictSame(findViolations(projectRoot), [])
  t.end()
})

type Case = readonly [name: string, file: string, code: string, reason: RegExp]

const planted: readonly Case[] = [
  ['an import against the order', 'src/wire/a.ts', `import { x } from '../link/link.js'`, /^wire imports link/],
  ['a type import against the order', 'src/link/a.ts', `import type { X } from '../role/a.js'`, /^link imports role/],
  ['a re-export against the order', 'src/base/a.ts', `export * from '../wire/a.js'`, /^base imports wire/],
  ['a named re-export against the order', 'src/base/a.ts', `export { x } from '../wire/a.js'`, /^base imports wire/],
  [
    'a dynamic import against the order',
    'src/link/a.ts',
    `const x = await import('../driver/a.js')`,
    /^link imports driver/,
  ],
  ['an import type against the order', 'src/base/a.ts', `let x: import('../wire/a.js').X`, /^base imports wire/],
  ['a required import against the order', 'src/base/a.ts', `import x = require('../wire/a.js')`, /^base imports wire/],
  ['an import for its effect against the order', 'src/base/a.ts', `import '../wire/a.js'`, /^base imports wire/],
  ['an import of a computed name', 'src/link/a.ts', 'const x = await import(name)', /^link imports the package name/],
  ['values from the crypto interface', 'src/link/a.ts', `import { x } from '../crypto/crypto.js'`, /types only/],
  ['inline types from the interface', 'src/group/a.ts', `import { type X } from '../crypto/crypto.js'`, /types only/],
  [
    'types from elsewhere in crypto',
    'src/role/a.ts',
    `import type { X } from '../crypto/wasm.js'`,
    /^role imports crypto/,
  ],
  ['group that imports link', 'src/group/a.ts', `import type { X } from '../link/link.js'`, /^group imports link/],
  ['crypto that imports wire', 'src/crypto/a.ts', `import { x } from '../wire/a.js'`, /^crypto imports wire/],
  ['the driver that imports a command', 'src/driver/a.ts', `import { x } from '../cli/a.js'`, /^driver imports cli/],
  ['exports of a command', 'src/index.ts', `export { x } from './cli/a.js'`, /^index imports cli/],
  ['an import from the tests', 'src/cli/a.ts', `import { x } from '../../test/a.js'`, /in no layer/],
  ['a file in a folder of no layer', 'src/util/a.ts', 'export const x = 1', /in no known layer/],
  ['a node module outside the driver', 'src/crypto/a.ts', `import { readFileSync } from 'node:fs'`, /only driver/],
  ['a node module without its prefix', 'src/link/a.ts', `import fs from 'fs/promises'`, /only driver/],
  ['a socket outside the driver', 'src/role/a.ts', `import dgram from 'node:dgram'`, /only driver/],
  ['libsodium outside crypto', 'src/driver/a.ts', `import sodium from 'libsodium-wrappers-sumo'`, /the package libso/],
  ['as-sha256 outside crypto', 'src/group/a.ts', `import { x } from '@chainsafe/as-sha256'`, /the package @chainsafe/],
  ['a package of the command line elsewhere', 'src/driver/a.ts', `import { x } from 'commander'`, /the package comm/],
  ['Date.now', 'src/link/a.ts', 'const now = Date.now()', /reads the clock/],
  ['Date.now by another spelling', 'src/link/a.ts', `const now = Date['now']`, /reads the clock/],
  ['Date taken apart', 'src/link/a.ts', 'const { now } = Date', /reads the clock/],
  ['a date of this moment', 'src/role/a.ts', 'const now = new Date()', /reads the clock/],
  ['Math.random', 'src/group/a.ts', 'const x = Math.random()', /ambient randomness/],
  ['the ambient crypto', 'src/crypto/a.ts', 'crypto.getRandomValues(new Uint8Array(8))', /ambient crypto/],
  ['setTimeout', 'src/link/a.ts', 'setTimeout(() => {}, 1)', /global setTimeout/],
  ['setTimeout handed on', 'src/role/a.ts', 'schedule({ setTimeout })', /global setTimeout/],
  ['setInterval', 'src/role/a.ts', 'setInterval(() => {}, 1)', /global setInterval/],
  ['performance.now', 'src/base/a.ts', 'const x = performance.now()', /global performance/],
  ['a global by way of globalThis', 'src/base/a.ts', 'globalThis.setTimeout(f)', /global globalThis/],
  ['the process', 'src/role/a.ts', 'const x = process.env.HOME', /global process/],
  ['WebAssembly outside crypto/wasm.ts', 'src/driver/a.ts', 'WebAssembly.compile(bytes)', /WebAssembly outside/],
  ['the .wasm read outside the driver', 'src/crypto/wasm.ts', `const name = '../splitcast.wasm'`, /only driver reads/],
  ['assembly that imports source', 'assembly/a.ts', `import { x } from '../src/base/bytes'`, /outside assembly/],
  ['assembly that imports a package', 'assembly/curve/a.ts', `import { x } from 'assemblyscript'`, /outside assembly/],
]

t.test('finds a planted violation:', (t) => {
  for (const [name, file, code, reason] of planted) {
    const found = findViolations(plant(t, file, `// a line before\n${code}\n`))
    t.match(found, [{ file, line: 2, reason }], name)
    t.equal(found.length, 1, `${name}: once`)
  }
  t.end()
})

const allowed: readonly (readonly [name: string, file: string, code: string])[] = [
  ['an import along the order', 'src/link/a.ts', `import { x } from '../wire/a.js'`],
  ['an import within a layer', 'src/wire/deep/a.ts', `import { x } from '../codec.js'`],
  ['types of the crypto interface', 'src/link/a.ts', `import type { Crypto } from '../crypto/crypto.js'`],
  ['a re-export of such types', 'src/role/a.ts', `export type { Crypto } from '../crypto/crypto.js'`],
  ['a group inside a role', 'src/role/a.ts', `import { x } from '../group/a.js'`],
  ['effects in the driver', 'src/driver/a.ts', `import dgram from 'node:dgram'\nsetTimeout(f, Date.now())`],
  ['the driver that reads the .wasm', 'src/driver/a.ts', `readFile(new URL('../../splitcast.wasm', import.meta.url))`],
  ['WebAssembly in its place', 'src/crypto/wasm.ts', 'new WebAssembly.Instance(module)'],
  ['libsodium in crypto', 'src/crypto/a.ts', `import sodium from 'libsodium-wrappers-sumo'`],
  ['a member with the name of a global', 'src/link/a.ts', 'const x = { process: 1 }; x.process; y.setTimeout()'],
  ['the interface under the name crypto', 'src/link/a.ts', 'const x = crypto.hash(bytes)'],
  ['a date made of a given time', 'src/link/a.ts', 'const x: Date = new Date(nowMs); Date.UTC(2000, 1)'],
  ['names in comments and strings', 'src/link/a.ts', `// Date.now()\nconst x = 'setTimeout'`],
  ['assembly that imports assembly', 'assembly/curve/a.ts', `import { x } from '../layout'`],
]

t.test('finds nothing in', (t) => {
  for (const [name, file, code] of allowed) {
    t.strictSame(findViolations(plant(t, file, code)), [], name)
  }
  t.end()
})

/** A tree that holds one file, in a fresh temporary directory that goes with the test. */
function plant(t: Test, path: string, code: string): string {
  type Folder = { [name: string]: Folder | string }
  const tree = path.split('/').reduceRight<Folder | string>((inner, name) => ({ [name]: inner }), code)
  return t.testdir(tree as Folder)
}
