/** A device that is closed while something of it is under way: a passphrase that is being derived, a command that waits. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import t, { type Test } from 'tap'
import { utf8 } from '../../src/base/bytes.js'
import { loadCrypto } from '../../src/driver/crypto.js'
import { derive } from '../../src/driver/derive.js'
import { openDeviceNode } from '../../src/driver/device.js'
import { systemRandom } from '../../src/driver/random.js'
import { formatNetworkCard, parseEndpoint } from '../../src/wire/text.js'

const random = systemRandom()

/** A device of a network of which nobody is there. */
async function open(t: Test, signal?: AbortSignal) {
  const data = await mkdtemp(join(tmpdir(), 'splitcast-closing-'))
  t.teardown(() => rm(data, { recursive: true }))
  const { identityKey } = (await loadCrypto()).identity(random(32))
  const network = formatNetworkCard({ identityKey, addresses: [parseEndpoint('127.0.0.1:9')] })
  return openDeviceNode({ network, data: join(data, 'device'), ...(signal && { signal }) })
}

t.test('what is derived for a device that is gone is for nobody, and no passphrase stays behind', async (t) => {
  const device = await open(t)
  const passphrase = utf8('correct horse battery staple')
  device.output({ type: 'derive', reference: 1, passphrase, salt: random(16) })
  await device.close()
  // One derivation comes after the other: when this one is there, the other was. A promise that it broke ends the process.
  t.equal((await derive(utf8('another'), random(16))).length, 64)
  t.ok(passphrase.every((byte) => byte === 0))
})

t.test('one signal may close a device and give up what it does, in any order', async (t) => {
  const closing = new AbortController()
  const device = await open(t, closing.signal)
  const group = await device.groups.create('friends')
  // It waits for a directory, which there is none of.
  const leaving = group.leave({ signal: closing.signal })
  closing.abort()
  await t.rejects(leaving, { code: 'CLOSED' })
  await device.ended
})
