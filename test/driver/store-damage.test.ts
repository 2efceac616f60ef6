/**
 * A store that was torn, cut or changed on the disk: it opens with a prefix of what was written, every durable write in
 * it, or it is refused as damaged; and what can be saved of it can be.
 */
import { cp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { createAtRest } from '../../src/crypto/at-rest.js'
import { type EntryFormat, sealedEntries } from '../../src/driver/entries.js'
import { openStore, repairStore, type Store } from '../../src/driver/store.js'
import { seed, seeded } from '../base/seeded.js'

t.comment(`seed ${seed}`)
const random = seeded()
const atRest = await createAtRest(random)
const dataKey = random(32)
const sealed = sealedEntries(atRest, dataKey, 'store')
const BATCHES = 12

const keyOf = (batch: number) => `entry/${String(batch).padStart(3, '0')}`

/** Writes one batch after the other, each of which must be durable before the next; entries of all sizes. */
async function fill(store: Store, from = 0, to = BATCHES): Promise<void> {
  for (let batch = from; batch < to; batch++) {
    const value = new Uint8Array(1 + ((batch * 37) % 300)).fill(batch)
    await store.write([
      { key: keyOf(batch), value },
      { key: 'last', value: Uint8Array.of(batch) },
    ])
  }
}

/** How many batches are there, where they are a prefix and the last of them is whole; -1 where they are none. */
async function prefixLength(store: Store): Promise<number> {
  const found = new Map<string, Uint8Array>()
  for await (const [key, value] of store.entries()) found.set(key, value)
  const count = found.size === 0 ? 0 : found.size - 1
  for (let batch = 0; batch < count; batch++) if (!found.get(keyOf(batch))?.every((byte) => byte === batch)) return -1
  return count === 0 || found.get('last')?.[0] === count - 1 ? count : -1
}

/** A directory with a store of so many batches, as it is after a crash: nothing was closed. */
async function crashed(t: Tap, format?: EntryFormat): Promise<string> {
  const directory = t.testdir()
  const running = join(directory, 'running')
  const store = await openStore(running, format && { format })
  await fill(store)
  await cp(running, join(directory, 'crashed'), { recursive: true })
  await store.close()
  return join(directory, 'crashed')
}
type Tap = { testdir(): string }

async function newestLog(directory: string): Promise<string> {
  const logs = (await readdir(directory)).filter((name) => name.endsWith('.log')).sort()
  return logs.at(-1) as string
}

/** What a copy of the store comes to, after `harm`: the number of batches, or the code that it is refused with. */
async function outcome(
  directory: string,
  harm: (copy: string) => Promise<void>,
  format?: EntryFormat,
): Promise<number | string> {
  const copy = `${directory}-copy`
  await rm(copy, { recursive: true, force: true })
  await cp(directory, copy, { recursive: true })
  await harm(copy)
  try {
    const store = await openStore(copy, format && { format })
    try {
      return await prefixLength(store)
    } finally {
      await store.close()
    }
  } catch (error) {
    return (error as { code: string }).code
  }
}

t.test('a crash leaves all that was written', async (t) => {
  const directory = await crashed(t)
  t.equal(await outcome(directory, async () => undefined), BATCHES)
})

t.test('a log cut at any byte, of which nobody was told that it is longer, leaves a prefix', async (t) => {
  const directory = await crashed(t)
  const log = await newestLog(directory)
  const { size } = await stat(join(directory, log))
  let before = 0
  for (let length = 0; length < size; length += 43) {
    const found = await outcome(directory, async (copy) => {
      await truncate(join(copy, log), length)
      await rm(join(copy, 'written'))
    })
    t.ok(typeof found === 'number' && found >= before && found < BATCHES, `${length} bytes leave ${found} batches`)
    before = typeof found === 'number' ? found : before
  }
  t.equal(before, BATCHES - 1, 'the last step lacks the last batch only')
})

t.test('a log cut before what others were told is durable is refused', async (t) => {
  const directory = await crashed(t)
  const log = await newestLog(directory)
  const { size } = await stat(join(directory, log))
  for (let length = 0; length < size; length += 61) {
    const found = await outcome(directory, (copy) => truncate(join(copy, log), length))
    t.equal(found, 'DATA_DAMAGED', `${length} of ${size} bytes`)
  }
})

for (const [name, format] of [
  ['checked', undefined],
  ['sealed', sealed],
] as const) {
  t.test(`any bit of the log that is another one is noticed: ${name}`, async (t) => {
    const directory = await crashed(t, format)
    const log = await newestLog(directory)
    const whole = await readFile(join(directory, log))
    for (let at = 0; at < whole.length; at += 53) {
      const found = await outcome(
        directory,
        async (copy) => {
          const changed = Buffer.from(whole)
          changed[at] = (changed[at] as number) ^ (1 << (at % 8))
          await writeFile(join(copy, log), changed)
        },
        format,
      )
      t.equal(found, 'DATA_DAMAGED', `byte ${at} of ${whole.length}`)
    }
  })
}

t.test('a batch that is missing in the middle is noticed, where LevelDB goes on behind it', async (t) => {
  const directory = t.testdir()
  const store = await openStore(directory)
  // Blocks of the log have 32 KiB, and reading goes on at the next.
  const value = random(20_000)
  for (let batch = 0; batch < 8; batch++) await store.write([{ key: keyOf(batch), value }])
  await cp(directory, `${directory}-crashed`, { recursive: true })
  await store.close()
  const log = join(`${directory}-crashed`, await newestLog(`${directory}-crashed`))
  const bytes = await readFile(log)
  bytes[50_000] = (bytes[50_000] as number) ^ 1
  await writeFile(log, bytes)
  await rm(join(`${directory}-crashed`, 'written'))
  await t.rejects(openStore(`${directory}-crashed`), { code: 'DATA_DAMAGED', message: /in the middle are missing/ })
  const { kept, lost } = await repairStore(`${directory}-crashed`, {})
  t.match(lost, /in the middle/)
  t.ok(kept > 0 && kept < 8, `${kept} of 8 are left`)
  const repaired = await openStore(`${directory}-crashed`)
  await repaired.write([{ key: keyOf(9), value }])
  let count = 0
  for await (const [key, found] of repaired.entries()) {
    count++
    t.same(Buffer.from(found), Buffer.from(value), key)
  }
  t.equal(count, kept + 1)
  await repaired.close()
  await rm(`${directory}-crashed`, { recursive: true })
})
