/**
 * What the store leaves on the disk of what was deleted (PROTOCOL.md section 9.4).
 */
import { cp, readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import t from 'tap'
import { toHex } from '../../src/base/bytes.js'
import { openStore } from '../../src/driver/store.js'
import type { Write } from '../../src/role/role.js'
import { seed, seeded } from '../base/seeded.js'

t.comment(`seed ${seed}`)
const random = seeded()

/** Files of the directory in which the bytes stand. */
async function filesWith(directory: string, bytes: Uint8Array): Promise<string[]> {
  const names = await readdir(directory)
  // Files come and go while the store is open.
  const contents = await Promise.all(names.map((name) => readFile(join(directory, name)).catch(() => undefined)))
  return names.filter((_, i) => contents[i]?.includes(Buffer.from(bytes)))
}

/** Resolves once the bytes stand nowhere; a test that waits in vain runs out of time. */
async function gone(directory: string, bytes: Uint8Array): Promise<void> {
  while ((await filesWith(directory, bytes)).length > 0) await setTimeout(5)
}

t.test('a secret that was erased is in no file, wherever it stood', async (t) => {
  const directory = t.testdir()
  const [fresh, old, kept] = [random(32), random(32), random(32)]
  const before = await openStore(directory)
  await before.write([{ key: 'sealing/1', value: old }])
  await before.close()
  const store = await openStore(directory)
  await store.write([
    { key: 'sealing/2', value: fresh },
    { key: 'sealing/3', value: kept },
  ])
  for (const secret of [old, fresh, kept]) t.ok((await filesWith(directory, secret)).length > 0, 'on disk at first')
  await store.write([
    { key: 'sealing/1', value: undefined, erase: true },
    { key: 'sealing/2', value: undefined, erase: true },
  ])
  for (const secret of [old, fresh]) await gone(directory, secret)
  t.equal(toHex((await store.get('sealing/3')) ?? new Uint8Array(0)), toHex(kept), 'what stood beside them stays')
  await store.close()
})

t.test('also what was written and erased by one run of a new store', async (t) => {
  const directory = t.testdir()
  const store = await openStore(directory)
  const [secret, next] = [random(32), random(32)]
  await store.write([{ key: 'group/1', value: secret }])
  await store.write([{ key: 'group/1', value: next, erase: true }])
  await gone(directory, secret)
  t.equal(toHex((await store.get('group/1')) ?? new Uint8Array(0)), toHex(next))
  await store.close()
})

t.test('whatever the order of writes and erasures, of many or few, nothing of them is left', async (t) => {
  const directory = t.testdir()
  let store = await openStore(directory)
  const held = new Map<string, Uint8Array[]>()
  const number = (below: number) => (random(2)[0] as number) % below
  for (let round = 0; round < 25; round++) {
    const writes = new Map<string, Write>()
    const erased: Uint8Array[] = []
    for (let i = number(round % 5 === 0 ? 150 : 5); i >= 0; i--) {
      const key = `${'adhz'[number(4)]}/${number(30)}`
      const erase = number(3) === 0 && { erase: true as const }
      const value = number(3) === 0 ? undefined : random(40 + number(200))
      if (writes.has(key)) continue
      writes.set(key, { key, value, ...erase })
      if (erase) erased.push(...(held.get(key) ?? []))
      held.set(key, [...(erase ? [] : (held.get(key) ?? [])), ...(value ? [value] : [])])
    }
    await store.write([...writes.values()])
    if (number(3) === 0) {
      await store.close()
      store = await openStore(directory)
    }
    for (const value of erased) await gone(directory, value)
  }
  await store.close()
  t.pass('all are gone')
})

t.test('what was not erased before a crash, or while a backup read it, is erased later', async (t) => {
  const directory = t.testdir()
  const [running, crashed] = [join(directory, 'running'), join(directory, 'crashed')]
  const store = await openStore(running)
  const secret = random(32)
  await store.write([
    { key: 'a', value: random(9) },
    { key: 'secret', value: secret },
  ])
  const backup = store.entries()[Symbol.asyncIterator]()
  await backup.next()
  await store.write([{ key: 'secret', value: undefined, erase: true }])
  t.same((await backup.next()).value?.[1], Buffer.from(secret), 'the backup is as of its beginning')
  await cp(running, crashed, { recursive: true })
  await backup.next()
  await gone(running, secret)
  await store.close()
  t.ok((await filesWith(crashed, secret)).length > 0)
  await (await openStore(crashed)).close()
  t.strictSame(await filesWith(crashed, secret), [])
})
