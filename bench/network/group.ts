/**
 * Devices that are members of one group when they start: what joining by invitation would have written is written at once,
 * since a passphrase costs each of them a derivation, which is not what is measured.
 */
import { join } from 'node:path'
import type { Crypto } from '../../src/crypto/crypto.js'
import { openDataDirectory } from '../../src/driver/data-directory.js'
import { systemRandom } from '../../src/driver/random.js'
import { openStore } from '../../src/driver/store.js'
import { mergeRecords } from '../../src/group/history.js'
import { nodeIdOf } from '../../src/group/identity.js'
import { createRecord } from '../../src/group/member-list.js'
import { createGroup } from '../../src/group/membership.js'
import { encodeGroup } from '../../src/group/storage.js'
import { keys } from '../../src/role/device/records.js'

export const GROUP = 'bench'

/** Makes a data directory for each; the first is the creator's. */
export async function foundGroup(crypto: Crypto, directories: readonly string[]): Promise<void> {
  const opened = await Promise.all(directories.map((path) => openDataDirectory(path, 'node')))
  const members = opened.map(({ identity: { seed, accessCode } }) => {
    const identity = crypto.identity(seed)
    return { identity, accessCode, self: nodeIdOf(crypto, identity.identityKey) }
  })
  const [creator, ...others] = members
  if (creator === undefined) return
  const now = Date.now()
  const founded = createGroup(crypto, systemRandom(), { ...creator, name: GROUP, now })
  const records = others.map(({ identity, accessCode }) =>
    createRecord(crypto, {
      ...{ identity: creator.identity, inviter: creator.self, groupId: founded.id, accessCode },
      ...{ identityKey: identity.identityKey, role: 'member', since: now + 1 },
    }),
  )
  const { list } = mergeRecords(crypto, founded.id, founded.list, records)
  const stored = encodeGroup({ ...founded, list })
  for (const directory of directories) {
    const store = await openStore(join(directory, 'store'))
    await store.write([{ key: keys.group(founded.id), value: stored }])
    await store.close()
  }
}
