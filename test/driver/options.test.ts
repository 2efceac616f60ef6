/** What a developer without a compiler hands in wrongly: refused with the option's name, before anything is made. */
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import t from 'tap'
import { openDevice, openProxy, openServer } from '../../src/index.js'
import { temporaryDirectory } from '../cli/processes.js'

const data = join(await temporaryDirectory(), 'data')
const device = { network: 'splitcast1', data }

for (const [name, open, message] of [
  ['nothing', () => openDevice(undefined as never), /network/],
  ['no network', () => openDevice({ data } as never), /network/],
  ['no data', () => openDevice({ network: 'splitcast1' } as never), /data/],
  ['a misspelt mode', () => openDevice({ ...device, padding: 'huge' as never }), /padding.*none, classes, cell/],
  ['another', () => openDevice({ ...device, decoys: true as never }), /decoys.*none, power/],
  ['too many first proxies', () => openDevice({ ...device, firstProxies: 17 }), /firstProxies.*0 to 16/],
  ['a rate that is none', () => openDevice({ ...device, coverMeanMs: Number.NaN }), /coverMeanMs/],
  ['no network of a proxy', () => openProxy({ data } as never), /network/],
  ['a wait below zero', () => openProxy({ ...device, meanWaitMs: -1 }), /meanWaitMs/],
  ['a server without an address', () => openServer({ data } as never), /listen/],
  ['part of a thread', () => openServer({ data, listen: '127.0.0.1:0', workers: 1.5 }), /\bworkers.*0 to 64/],
] as const) {
  t.test(name, async (t) => {
    await t.rejects(async () => void (await open()), { code: 'USAGE', message })
    t.notOk(existsSync(data))
  })
}

t.test('a body that is no bytes', async (t) => {
  const server = await openServer({ data, listen: '127.0.0.1:0', workers: 0 })
  t.teardown(() => server.close())
  const alice = await openDevice({ network: server.card, data: `${data}-alice` })
  t.teardown(() => alice.close())
  const group = await alice.groups.create('friends')
  await t.rejects(group.send('hello' as never), { code: 'USAGE', message: /TextEncoder/ })
  await t.rejects(group.send(new Uint8Array(1), { padding: 'huge' as never }), { code: 'USAGE' })
})
