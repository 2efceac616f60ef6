/**
 * What the store leaves on the disk of what was deleted (PROTOCOL.md section 9.4).
 */
import { readdir, readFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { toHex } from '../../src/base/bytes.js'
import { openStore } from '../../src/driver/store.js'
import { seed, seeded } from '../base/seeded.js'

t.comment(`seed ${seed}`)
const random = seeded()

/** Files of the directory in which the bytes stand. */
async function filesWith(directory: string, bytes: Uint8Array): Promise<string[]> {
  const names = await readdir(directory)
  const contents = await Promise.all(names.map((name) => readFile(join(directory, name))))
  return names.filter((_, i) => contents[i]?.includes(Buffer.from(bytes)))
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
  for (const secret of [old, fresh]) t.strictSame(await filesWith(directory, secret), [])
  t.equal(toHex((await store.get('sealing/3')) ?? new Uint8Array(0)), toHex(kept), 'what stood beside them stays')
  await store.close()
})
