/** Backups: of a node that runs and of one that does not, what is in them and what is not, and what restoring refuses. */
import { mkdir, readdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { limits } from '../../src/base/limits.js'
import { createAtRest } from '../../src/crypto/at-rest.js'
import { backupDirectory, restoreBackup } from '../../src/driver/backup.js'
import { type BackupFacts, openBackup, sealBackup } from '../../src/driver/backup-format.js'
import { openDataDirectory } from '../../src/driver/data-directory.js'
import { setDataPassphrase } from '../../src/driver/data-passphrase.js'
import { openStore } from '../../src/driver/store.js'
import { seed, seeded } from '../base/seeded.js'
import { printed, splitcast, start, temporaryDirectory } from './processes.js'

t.comment(`seed ${seed}`)
const random = seeded()
const root = await temporaryDirectory()
const at = (name: string) => join(root, name)
const PASSPHRASE = 'velvet-anchor-drift-mosaic-tundra'
const say = (text: string) => async () => text
const never = async (): Promise<string> => {
  throw new Error('asked')
}
const atRest = await createAtRest(random)
const FACTS: BackupFacts = {
  kind: 'node',
  sealed: false,
  madeAt: '2026-01-02T03:04:05.678Z',
  ...{ seed: '01'.repeat(32), proxySeed: '02'.repeat(32), accessCode: '0304' },
  network: null,
}

type Entries = readonly (readonly [string, Uint8Array])[]

async function* each<T>(items: Iterable<T>): AsyncGenerator<T> {
  yield* items
}

async function collect(pieces: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const all: Uint8Array[] = []
  for await (const piece of pieces) all.push(piece)
  return Buffer.concat(all)
}

/** A backup that is not encrypted, which costs no derivation. */
const openBackupOf = (entries: Entries) => collect(sealBackup(atRest, undefined, FACTS, each(entries)))

async function read(bytes: Uint8Array): Promise<[string, string][]> {
  const { entries } = await openBackup(atRest, each([bytes]), never)
  const found: [string, string][] = []
  for await (const { key, value } of entries) found.push([key, Buffer.from(value).toString('hex')])
  return found
}

async function storeOf(data: string, kind: 'node' | 'server', passphrase?: string): Promise<Map<string, string>> {
  const directory = await openDataDirectory(data, kind, passphrase === undefined ? undefined : say(passphrase))
  const store = await openStore(join(data, 'store'), directory.storeOptions('store'))
  const found = new Map<string, string>()
  for await (const [key, value] of store.entries()) found.set(key, Buffer.from(value).toString('hex'))
  await store.close()
  return found
}

async function made(name: string, kind: 'node' | 'server', entries: Entries): Promise<string> {
  const directory = await openDataDirectory(at(name), kind)
  const store = await openStore(join(at(name), 'store'), directory.storeOptions('store'))
  await store.write(entries.map(([key, value]) => ({ key, value })))
  await store.close()
  return at(name)
}

const toFile = async (name: string, data: string, passphrase?: string) => {
  const pieces = backupDirectory(data, never, { passphrase })
  const bytes = async function* () {
    for await (const piece of pieces) yield piece.bytes
  }
  await writeFile(at(name), await collect(bytes()))
  return at(name)
}

t.test('a backup read in any pieces is what was written, whatever the sizes', async (t) => {
  const entries = [0, 1, 200, 65_000, 65_530, 70_000, 200_000].map((size, i) => [`entry/${i}`, random(size)] as const)
  const bytes = await openBackupOf(entries)
  const expected = entries.map(([key, value]) => [key, Buffer.from(value).toString('hex')])
  t.strictSame(await read(bytes), expected)
  const pieces = function* () {
    for (let from = 0; from < bytes.length; from += 4_099) yield bytes.subarray(from, from + 4_099)
  }
  const { entries: read2 } = await openBackup(atRest, each(pieces()), never)
  let count = 0
  for await (const { value } of read2) t.equal(value.length, entries[count++]?.[1].length)
  t.equal(count, entries.length)
})

t.test('one that was cut short, changed or lengthened at any byte is refused', async (t) => {
  const bytes = await openBackupOf([['group/1', random(40)]])
  for (let length = 0; length < bytes.length; length++) {
    await t.rejects(read(bytes.subarray(0, length)), { code: 'DATA_DAMAGED' }, `cut to ${length}`)
  }
  await t.rejects(read(Buffer.concat([bytes, Buffer.of(0)])), { code: 'DATA_DAMAGED' })
  for (let index = 0; index < bytes.length; index++) {
    const changed = Buffer.from(bytes)
    changed[index] = (changed[index] as number) ^ (1 << (index % 8))
    // A newer version is one that a digit makes.
    await t.rejects(read(changed), { code: /DATA_DAMAGED|DATA_VERSION/ }, `byte ${index}`)
  }
})

t.test('an entry as large as there can be is taken, and one byte more refused', async (t) => {
  const fitting = new Uint8Array(limits.backupRecordBytes - 2 - 1)
  t.equal((await read(await openBackupOf([['k', fitting]]))).length, 1)
  const larger = new Uint8Array(fitting.length + 1)
  await t.rejects(read(await openBackupOf([['k', larger]])), { code: 'DATA_DAMAGED' })
})

t.test('a node is restored as it was, under the passphrase of the backup where it was under one', async (t) => {
  const entries = [0, 1, 2].map((i) => [`group/${i}`, random(100)] as const)
  const data = await made('node', 'node', entries)
  const before = await storeOf(data, 'node')
  const { identity } = await openDataDirectory(data, 'node')
  const open = await toFile('open.backup', data)
  t.match(await restoreBackup(open, at('deep/again'), never), { kind: 'node', sealed: false, entries: 3 })
  t.same(await storeOf(at('deep/again'), 'node'), before)
  t.same((await openDataDirectory(at('deep/again'), 'node')).identity, identity)
  t.equal((await stat(at('deep/again'))).mode & 0o777, 0o700)
  await t.rejects(restoreBackup(open, data, never), { code: 'DATA_EXISTS' })

  await setDataPassphrase(data, say(PASSPHRASE), { passes: 1, memoryBytes: 8 * 2 ** 20 })
  const pieces = backupDirectory(data, say(PASSPHRASE), { passphrase: PASSPHRASE })
  const bytes = async function* () {
    for await (const piece of pieces) yield piece.bytes
  }
  await writeFile(at('sealed.backup'), await collect(bytes()))
  await t.rejects(restoreBackup(at('sealed.backup'), at('sealed'), say('another one')), { code: 'PASSPHRASE_WRONG' })
  t.match(await restoreBackup(at('sealed.backup'), at('sealed'), say(PASSPHRASE)), { sealed: true })
  t.same(await storeOf(at('sealed'), 'node', PASSPHRASE), before)
})

t.test('a damaged backup leaves nothing behind', async (t) => {
  const file = await toFile('whole.backup', await made('another', 'node', [['group/1', random(100_000)]]))
  await writeFile(at('cut.backup'), (await readFile(file)).subarray(0, -1))
  const names = await readdir(root)
  await t.rejects(restoreBackup(at('cut.backup'), at('nowhere'), never), { code: 'DATA_DAMAGED' })
  t.strictSame(await readdir(root), names)
  await mkdir(at('empty'))
  t.match(await restoreBackup(file, at('empty'), never), { entries: 1 })
})

t.test("a server's keys of the day are in no backup", async (t) => {
  const kept = [
    ['device/0011223344556677', random(34)],
    ['directory/version', random(6)],
    ['mail/0011223344556677/000000000000001', random(80)],
  ] as const
  const left = [
    ['sealing/20000', random(32)],
    ['slot-secret', random(32)],
    [`slot/5/${'0'.repeat(32)}`, new Uint8Array(0)],
  ] as const
  const data = await made('server', 'server', [...kept, ...left])
  await restoreBackup(await toFile('server.backup', data), at('server-again'), never)
  t.strictSame(
    [...(await storeOf(at('server-again'), 'server')).keys()],
    kept.map(([key]) => key),
  )
})

t.test('on the command line: of a node that runs, restored, with its groups', async (t) => {
  await writeFile(at('secret'), `${PASSPHRASE}\n`, { mode: 0o600 })
  const server = start(['server', '--listen', '127.0.96.1:0', '--data', at('s')])
  const card = await server.line
  const alice = start(['node', '--network', card, '--data', at('a')])
  const address = await alice.line
  await printed('group', 'create', 'family', '--data', at('a'))
  const said = await printed('backup', at('a.backup'), '--data', at('a'), '--passphrase-file', at('secret'))
  t.match(said, `${at('a.backup')} holds ${at('a')}, ${(await stat(at('a.backup'))).size} bytes; splitcast restore`)
  t.equal((await stat(at('a.backup'))).mode & 0o777, 0o600)
  t.notOk((await readFile(at('a.backup'))).includes('family'))
  await printed('stop', '--data', at('a'))
  const refused = await splitcast(['restore', at('a.backup'), '--data', at('a'), '--passphrase-file', at('secret')])
  t.match(refused, { code: 4, stderr: /not empty.*\[DATA_EXISTS\]/ })
  t.match(
    await printed('restore', at('a.backup'), '--data', at('b'), '--passphrase-file', at('secret')),
    /is the node of/,
  )
  const again = start(['node', '--data', at('b')])
  t.equal(await again.line, address)
  t.match(await printed('group', 'list', '--data', at('b')), 'family')
  t.match(await splitcast(['backup', at('x'), '--data', at('none'), '--unencrypted']), {
    code: 3,
    stderr: /DATA_MISSING/,
  })
  await printed('backup', at('s.backup'), '--data', at('s'), '--unencrypted')
  t.match(await printed('restore', at('s.backup'), '--data', at('s2')), /is the server of/)
})
