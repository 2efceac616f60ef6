/** What a data directory is made in, and what it refuses to be made in or read from; keys are never lost or replaced. */
import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { toHex } from '../../src/base/bytes.js'
import { type DataDirectory, openDataDirectory, readDataDirectory } from '../../src/driver/data-directory.js'
import { makeDirectory } from '../../src/driver/files.js'
import { temporaryDirectory } from './processes.js'

const root = await temporaryDirectory()
const at = (name: string) => join(root, name)
const secrets = ({ identity: { seed, proxySeed, accessCode } }: DataDirectory) =>
  [seed, proxySeed, accessCode].map(toHex).join()

t.test('a missing directory is made, private, and keeps its keys', async (t) => {
  const made = await openDataDirectory(at('deep/new'), 'node')
  t.equal((await stat(at('deep/new'))).mode & 0o777, 0o700)
  t.equal((await stat(at('deep/new/identity.json'))).mode & 0o777, 0o600)
  t.equal(secrets(await openDataDirectory(at('deep/new'), 'node')), secrets(made))
  t.strictSame(await readDataDirectory(at('deep/new')), { kind: 'node', sealed: false })
})

t.test('an open directory of its own is made private again', async (t) => {
  await openDataDirectory(at('open'), 'node')
  await chmod(at('open'), 0o755)
  await openDataDirectory(at('open'), 'node')
  t.equal((await stat(at('open'))).mode & 0o777, 0o700)
})

t.test('a directory with other things in it is left alone', async (t) => {
  await mkdir(at('home'), { mode: 0o755 })
  await writeFile(at('home/letter.txt'), 'dear')
  await t.rejects(openDataDirectory(at('home'), 'node'), {
    code: 'DATA_UNWRITABLE',
    message: /name an empty directory/,
  })
  t.equal((await stat(at('home'))).mode & 0o777, 0o755)
})

t.test('a store without its keys is no reason to make others', async (t) => {
  await mkdir(at('keyless/store'), { recursive: true })
  await t.rejects(openDataDirectory(at('keyless'), 'node'), { code: 'DATA_DAMAGED', message: /lost its keys/ })
  await t.rejects(readDataDirectory(at('keyless')), { code: 'DATA_MISSING' })
})

t.test('where nothing can be made, that is said, and no parent is tried for ever', async (t) => {
  const where = process.platform === 'linux' ? '/proc/none/deep' : at('file/deep')
  await writeFile(at('file'), '')
  await t.rejects(openDataDirectory(where, 'node'), { code: 'DATA_UNWRITABLE' })
})

t.test('directories made by several at once are there for each', async () => {
  await Promise.all([1, 2, 3, 4].map(() => makeDirectory(at('at/the/same/time'))))
})

t.test('a file in the place of the directory is refused', async (t) => {
  await writeFile(at('file'), '')
  await t.rejects(openDataDirectory(at('file'), 'node'), { code: 'DATA_UNWRITABLE' })
})

t.test('keys that cannot be read are refused as they are, truncated at any byte', async (t) => {
  await openDataDirectory(at('cut'), 'node')
  const file = at('cut/identity.json')
  const whole = await readFile(file, 'utf8')
  for (let length = 0; length < whole.trimEnd().length; length++) {
    await writeFile(file, whole.slice(0, length))
    await t.rejects(openDataDirectory(at('cut'), 'node'), { code: 'DATA_DAMAGED' })
    t.equal(await readFile(file, 'utf8'), whole.slice(0, length))
  }
})

t.test('keys of which any digit was changed are refused as they are', async (t) => {
  await openDataDirectory(at('changed'), 'node')
  const file = at('changed/identity.json')
  const whole = await readFile(file, 'utf8')
  const digits = [...whole.matchAll(/(?<=":"[0-9a-f]*)[0-9a-f](?=[0-9a-f]*")/g)].map(({ index }) => index)
  t.equal(digits.length, 2 * (32 + 32 + 2 + 8))
  for (const index of digits) {
    const changed = whole.slice(0, index) + (whole[index] === '7' ? '8' : '7') + whole.slice(index + 1)
    await writeFile(file, changed)
    await t.rejects(openDataDirectory(at('changed'), 'node'), { code: 'DATA_DAMAGED' })
    t.equal(await readFile(file, 'utf8'), changed)
  }
})

t.test("a newer release's keys and another kind's are refused", async (t) => {
  await openDataDirectory(at('kind'), 'server')
  await t.rejects(openDataDirectory(at('kind'), 'node'), { code: 'DATA_KIND', message: /belongs to a server/ })
  const file = at('kind/identity.json')
  await writeFile(file, (await readFile(file, 'utf8')).replace('"version":1', '"version":3'))
  await t.rejects(openDataDirectory(at('kind'), 'server'), { code: 'DATA_VERSION', message: /upgrade/ })
})
