/** A data directory under a passphrase: how it gets one, what opens it, and what is left to read of it without. */
import { chmod, chown, cp, mkdir, readdir, readFile, rm, stat, symlink, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import t from 'tap'
import { createAtRest } from '../../src/crypto/at-rest.js'
import { openDataDirectory, openerOf } from '../../src/driver/data-directory.js'
import { changeDataPassphrase, removeDataPassphrase, setDataPassphrase } from '../../src/driver/data-passphrase.js'
import { bareEntries, checkedEntries } from '../../src/driver/entries.js'
import { sealedText } from '../../src/driver/identity-file.js'
import { systemRandom } from '../../src/driver/random.js'
import { openStore, repairStore } from '../../src/driver/store.js'
import { newDataKey, wrapKey } from '../../src/driver/wrapped-key.js'
import { printed, splitcast, temporaryDirectory } from './processes.js'

const root = await temporaryDirectory()
const at = (name: string) => join(root, name)
const FIRST = 'velvet-anchor-drift-mosaic-tundra'
const SECOND = 'copper-lantern-orbit-thimble-quartz'
/** What a passphrase costs is not what is tested here, but for the command line. */
const CHEAP = { passes: 1, memoryBytes: 8 * 2 ** 20 }
const say = (text: string) => async () => text
const SECRET = 'what nobody else is to read'
const bytes = (text: string) => new TextEncoder().encode(text)

/** The stores of a directory, opened with its passphrase, and what stands in one of them. */
async function stored(path: string, passphrase?: string): Promise<[string, string][]> {
  const directory = await openDataDirectory(path, 'node', passphrase === undefined ? undefined : say(passphrase))
  const store = await openStore(join(path, 'store'), directory.storeOptions('store'))
  const found: [string, string][] = []
  for await (const [key, value] of store.entries()) found.push([key, new TextDecoder().decode(value)])
  await store.close()
  return found
}

/** Whether any file of the directory holds the text. */
async function holds(path: string, text: string): Promise<boolean> {
  const names = await readdir(path, { recursive: true, withFileTypes: true })
  const files = names.filter((entry) => entry.isFile()).map((entry) => readFile(join(entry.parentPath, entry.name)))
  return (await Promise.all(files)).some((content) => content.includes(text))
}

const ENTRIES: [string, string][] = [
  ['group/00', SECRET],
  ['inbox/0000000000000009', `${SECRET} ${'x'.repeat(5000)}`],
  ['inbox/0000000000000010', ''],
]

async function made(name: string): Promise<string> {
  const directory = await openDataDirectory(at(name), 'node')
  const store = await openStore(join(at(name), 'store'), directory.storeOptions('store'))
  for (const [key, value] of ENTRIES) await store.write([{ key, value: bytes(value) }])
  await store.close()
  return at(name)
}

t.test('a node and its proxy derive the key once', async (t) => {
  const data = await made('once')
  await setDataPassphrase(data, say(FIRST), CHEAP)
  const open = openerOf('node', { data, passphrase: FIRST })
  t.equal((await open()).dataKey, (await open()).dataKey, 'what one derivation gave')
})

t.test('all that stands in it is sealed, opened by the passphrase alone, and in the order of its keys', async (t) => {
  const data = await made('sealed')
  const { identity } = await openDataDirectory(data, 'node')
  t.ok(await holds(data, SECRET))
  await setDataPassphrase(data, say(FIRST), CHEAP)
  for (const text of [SECRET, 'group/', 'inbox/', Buffer.from(identity.seed).toString('hex')]) {
    t.notOk(await holds(data, text), `${text} is in no file`)
  }
  t.strictSame(await stored(data, FIRST), ENTRIES)
  await t.rejects(openDataDirectory(data, 'node'), { code: 'PASSPHRASE_NEEDED' })
  await t.rejects(openDataDirectory(data, 'node', say(SECOND)), { code: 'PASSPHRASE_WRONG' })
  await t.rejects(setDataPassphrase(data, say(SECOND), CHEAP), { code: 'USAGE', message: /has a passphrase already/ })
  await t.rejects(
    changeDataPassphrase(data, say(FIRST), say('password1234'), CHEAP),
    { code: 'PASSPHRASE_WEAK' },
    'an easy one is refused',
  )

  await changeDataPassphrase(data, say(FIRST), say(SECOND), CHEAP)
  await t.rejects(openDataDirectory(data, 'node', say(FIRST)), { code: 'PASSPHRASE_WRONG' })
  t.strictSame(await stored(data, SECOND), ENTRIES)

  await removeDataPassphrase(data, say(SECOND))
  t.strictSame(await stored(data), ENTRIES)
  t.same((await openDataDirectory(data, 'node')).identity, identity)
  await t.rejects(removeDataPassphrase(data, say(SECOND)), { code: 'USAGE', message: /has no passphrase/ })
})

t.test('a crash while a passphrase is set or removed is gone on from', async (t) => {
  const data = await made('halved')
  await cp(join(data, 'store'), at('store-open'), { recursive: true })
  await setDataPassphrase(data, say(FIRST), CHEAP)
  await cp(data, at('kept'), { recursive: true })
  // The file is written first: the store may still be as it was, or in part.
  await cp(at('store-open'), join(data, 'store'), { recursive: true, force: true })
  t.strictSame(await stored(at('kept'), FIRST), ENTRIES)
  await t.test('an open store with an identity that is being sealed is sealed', async (t) => {
    const half = at('half')
    await mkdir(half)
    await cp(at('store-open'), join(half, 'store'), { recursive: true })
    const { identity } = await openDataDirectory(at('kept'), 'node', say(FIRST))
    const atRest = await createAtRest(systemRandom())
    const dataKey = newDataKey()
    const text = sealedText(atRest, identity, dataKey, await wrapKey(atRest, dataKey, FIRST, CHEAP), true)
    await writeFile(join(half, 'identity.json'), text, { mode: 0o600 })
    t.strictSame(await stored(half, FIRST), ENTRIES)
    t.notOk(await holds(half, SECRET))
    await changeDataPassphrase(half, say(FIRST), say(SECOND), CHEAP)
    t.notMatch(await readFile(join(half, 'identity.json'), 'utf8'), /moving/)
    t.strictSame(await stored(half, SECOND), ENTRIES)
  })
  await t.test('a sealed store with an open identity is refused', async (t) => {
    const mixed = await made('mixed')
    const store = join(mixed, 'store')
    await rm(store, { recursive: true })
    await cp(join(at('kept'), 'store'), store, { recursive: true })
    await t.rejects(stored(mixed), { code: 'DATA_DAMAGED', message: /under a passphrase/ })
  })
})

t.test('open entries that were put into a sealed store are refused, not sealed', async (t) => {
  const data = await made('planted')
  await setDataPassphrase(data, say(FIRST), CHEAP)
  const { key, value } = { key: 'group/00', value: bytes('what somebody else would have there') }
  for (const form of [checkedEntries, bareEntries]) {
    const level = new ClassicLevel<string, Uint8Array>(join(data, 'store'), { valueEncoding: 'view' })
    await level.put(form.nameOf(key), form.encode({ key, value }))
    await level.close()
    await t.rejects(stored(data, FIRST), { code: 'DATA_DAMAGED', message: /not under its passphrase/ })
    const { storeOptions } = await openDataDirectory(data, 'node', say(FIRST))
    t.match(await repairStore(join(data, 'store'), storeOptions('store')), { kept: ENTRIES.length, dropped: 1 })
    t.strictSame(await stored(data, FIRST), ENTRIES)
  }
  const file = join(data, 'identity.json')
  const text = await readFile(file, 'utf8')
  await writeFile(file, text.replace('"check"', '"moving":true,"check"'))
  await t.rejects(stored(data, FIRST), { code: 'DATA_DAMAGED' }, 'and nobody else says that it is being sealed')
})

t.test('entries that were exchanged for one another are refused', async (t) => {
  const data = await made('exchanged')
  await setDataPassphrase(data, say(FIRST), CHEAP)
  const level = new ClassicLevel<string, Uint8Array>(join(data, 'store'), { valueEncoding: 'view' })
  const [first, second] = await level.iterator({ gte: '\u0002', lt: '\u0003' }).all()
  if (first === undefined || second === undefined) throw new Error('two entries')
  await level.batch([
    { type: 'put', key: first[0], value: second[1] },
    { type: 'put', key: second[0], value: first[1] },
  ])
  await level.close()
  await t.rejects(stored(data, FIRST), { code: 'DATA_DAMAGED', message: /was changed/ })
})

t.test(
  'what belongs to others, or leads elsewhere, is refused',
  { skip: process.getuid?.() !== 0 && 'needs root' },
  async (t) => {
    const data = await made('foreign')
    await chown(data, 12345, 12345)
    await t.rejects(openDataDirectory(data, 'node'), { code: 'DATA_NOT_PRIVATE', message: /sudo -u '#12345'/ })
    await chown(data, 0, 0)
    await chown(join(data, 'store', 'CURRENT'), 12345, 12345)
    await t.rejects(openDataDirectory(data, 'node'), { code: 'DATA_NOT_PRIVATE', message: /CURRENT belongs to/ })
  },
)

t.test('files that others could read are closed, and links inside refused', async (t) => {
  const data = await made('open')
  await chmod(join(data, 'identity.json'), 0o644)
  await chmod(join(data, 'store'), 0o755)
  await openDataDirectory(data, 'node')
  t.equal((await stat(join(data, 'identity.json'))).mode & 0o777, 0o600)
  t.equal((await stat(join(data, 'store'))).mode & 0o777, 0o700)
  for (const name of await readdir(join(data, 'store')))
    t.equal((await stat(join(data, 'store', name))).mode & 0o077, 0, name)
  await symlink(data, at('link'))
  await openDataDirectory(at('link'), 'node')
  await symlink('/etc/hostname', join(data, 'network'))
  await t.rejects(openDataDirectory(data, 'node'), { code: 'DATA_NOT_PRIVATE', message: /symbolic link/ })
})

t.test('on the command line', async (t) => {
  const data = at('command')
  await writeFile(at('first'), `${FIRST}\n`, { mode: 0o600 })
  await writeFile(at('second'), `${SECOND}\n`, { mode: 0o600 })
  const address = await printed('id', '--data', data)
  await printed('passphrase', 'set', '--data', data, '--passphrase-file', at('first'))
  t.match(await splitcast(['id', '--data', data]), {
    code: 4,
    stderr: /--data-passphrase-file FILE \[PASSPHRASE_NEEDED\]/,
  })
  t.equal(await printed('id', '--data', data, '--data-passphrase-file', at('first')), address)
  const env = { SPLITCAST_PASSPHRASE_FILE: at('second') }
  t.match(await splitcast(['id', '--data', data], { env }), { code: 4, stderr: /PASSPHRASE_WRONG/ })
  await printed(
    'passphrase',
    'change',
    '--data',
    data,
    '--data-passphrase-file',
    at('first'),
    '--passphrase-file',
    at('second'),
  )
  await mkdir(at('credentials'))
  await cp(at('second'), join(at('credentials'), 'splitcast-passphrase'))
  t.match(await splitcast(['id', '--data', data], { env: { CREDENTIALS_DIRECTORY: at('credentials') } }), {
    code: 0,
    stdout: `${address}\n`,
  })
  await printed('passphrase', 'remove', '--data', data, '--data-passphrase-file', at('second'))
  t.equal(await printed('id', '--data', data), address)
  t.match(await printed('repair', '--data', data), /store: 0 entries, all whole/)
  t.match(await printed('passphrase'), /^\w+(-\w+){5}$/)
})
