/**
 * The directory as it is signed and checked, the entries in it, and the sealing keys of days (PROTOCOL.md section 9).
 * SEED repeats a run.
 */
import t from 'tap'
import { compare, concat, nodeId, type Point, point, toHex, utf8 } from '../../src/base/bytes.js'
import { labels } from '../../src/base/labels.js'
import { limits } from '../../src/base/limits.js'
import { startOfDay, utcDay } from '../../src/base/time.js'
import { loadCrypto } from '../../src/driver/crypto.js'
import { nodeIdOf } from '../../src/group/identity.js'
import { numericAddress, peerAddress } from '../../src/role/addresses.js'
import { DirectoryViews } from '../../src/role/device/directory-views.js'
import {
  type DirectoryDraft,
  type ProxyEntry,
  signDirectory,
  signProxyEntry,
  verifyDirectory,
  verifyProxyEntry,
} from '../../src/role/directory.js'
import { type DirectoryDelta, mergeDelta } from '../../src/role/directory-delta.js'
import { createSealingKeys } from '../../src/role/sealing-keys.js'
import { History } from '../../src/role/server/history.js'
import type { VerifiedDirectory } from '../../src/role/server-link.js'
import { directory as directoryFormat, proxyEntry as entryFormat } from '../../src/wire/directory.js'
import { seed, seeded } from '../base/seeded.js'

t.comment(`SEED=${seed}`)

const crypto = await loadCrypto()
const random = seeded(seed)
const now = Date.UTC(2026, 2, 10, 12)
const server = crypto.identity(random(32))
const HOST = { host: '192.0.2.7', port: 7001 }

function publishedKeys() {
  const keys = createSealingKeys(crypto, random)
  keys.advance(now)
  return keys.published(now)
}

function proxy(identity = crypto.identity(random(32))) {
  const addresses = [HOST, { host: '2001:db8::1', port: 443 }]
  return signProxyEntry(crypto, identity, { issuedAt: now, sealingKeys: publishedKeys(), addresses })
}

const proxies = [proxy(), proxy(), proxy()]
const serverKeys = publishedKeys()

function sign(changes: Partial<DirectoryDraft> = {}, identity = server): Uint8Array {
  const validUntil = now + limits.directoryLifeMs
  return signDirectory(crypto, identity, {
    version: 5,
    issuedAt: now,
    validUntil,
    sealingKeys: serverKeys,
    proxies,
    ...changes,
  })
}

/** What checking says, as one word. */
function verdict(encoded: Uint8Array, at = now, heldVersion = 0): string {
  const result = verifyDirectory(crypto, server.identityKey, encoded, at, heldVersion)
  return result.ok ? 'ok' : result.code
}

/** A directory with these entries as they are, in this order, under a fitting signature of CS. */
function signedAsIs(entries: readonly ProxyEntry[], sealingKeys = serverKeys): Uint8Array {
  const parsed = directoryFormat.parse(sign())
  if (!parsed.ok) throw new Error(parsed.code)
  const unsigned = directoryFormat.encode({ ...parsed.value, sealingKeys, proxies: entries }).slice(0, -64)
  return concat(unsigned, crypto.sign(server, labels.directory, unsigned))
}

/** Signed anew by `identity`, whatever stands in it. */
function signedEntry(entry: ProxyEntry, identity: Parameters<typeof crypto.sign>[0]): ProxyEntry {
  const signed = entryFormat.encode(entry).slice(0, -64)
  return { ...entry, signature: crypto.sign(identity, labels.proxyEntry, signed) }
}

t.test('a directory', (t) => {
  t.test('says what was signed, proxies by id', (t) => {
    const encoded = sign()
    const result = verifyDirectory(crypto, server.identityKey, encoded, now, 5)
    if (!result.ok) throw new Error(result.code)
    const { directory } = result
    t.equal(directory.version, 5)
    t.same(
      [...directory.serverSealingKeys],
      serverKeys.map(({ day, key }) => [day, key]),
    )
    const ids = proxies.map(({ identityKey }) => nodeIdOf(crypto, identityKey)).sort(compare)
    t.same([...directory.proxies.keys()], ids.map(toHex))
    for (const { identityKey, sealingKeys } of proxies) {
      const listed = directory.proxies.get(toHex(nodeIdOf(crypto, identityKey)))
      t.same(listed?.linkKey, crypto.linkPublicKey(identityKey))
      t.same(listed?.addresses, [HOST, { host: '2001:db8::1', port: 443 }])
      t.same(
        [...(listed?.sealingKeys ?? [])],
        sealingKeys.map(({ day, key }) => [day, key]),
      )
    }
    t.same(directory.digest, crypto.hash(utf8('splitcast/dd'), encoded))
    encoded.fill(0)
    t.equal(verdict(directory.encoded), 'ok', 'what is kept is a copy')
    t.end()
  })

  t.test('is refused where a single bit of it is not as signed', (t) => {
    const encoded = sign({ proxies: proxies.slice(0, 1) })
    for (let i = 0; i < encoded.length; i += 7) {
      const flipped = encoded.map((byte, index) => (index === i ? byte ^ (1 << (i % 8)) : byte))
      t.not(verdict(flipped), 'ok', `byte ${i}`)
    }
    for (let i = 0; i < encoded.length; i += 11) t.not(verdict(encoded.subarray(0, i)), 'ok', `${i} bytes`)
    t.equal(verdict(sign({}, crypto.identity(random(32)))), 'DIRECTORY_SIGNATURE')
    t.equal(verdict(concat(encoded, new Uint8Array(1))), 'WIRE_TRAILING')
    t.end()
  })

  t.test('is refused out of date, dated ahead past the skew, or made to live too long', (t) => {
    const encoded = sign()
    t.equal(verdict(encoded, now + limits.directoryLifeMs), 'ok')
    t.equal(verdict(encoded, now + limits.directoryLifeMs + 1), 'DIRECTORY_EXPIRED')
    t.equal(verdict(encoded, now - limits.clockSkewMs), 'ok')
    t.equal(verdict(encoded, now - limits.clockSkewMs - 1), 'DIRECTORY_EXPIRED')
    t.equal(verdict(sign({ validUntil: now + limits.directoryLifeMs + 1 })), 'WIRE_LIMIT')
    t.equal(verdict(sign({ validUntil: now - 1 })), 'DIRECTORY_EXPIRED')
    t.end()
  })

  t.test('never goes back', (t) => {
    t.equal(verdict(sign({ version: 5 }), now, 5), 'ok')
    t.equal(verdict(sign({ version: 4 }), now, 5), 'DIRECTORY_ROLLBACK')
    t.end()
  })

  t.test('is checked against the one held, from which nothing but equal entries is taken over', (t) => {
    const identity = crypto.identity(random(32))
    const [good, other] = [proxy(identity), proxy(crypto.identity(random(32)))]
    const check = (entries: readonly ProxyEntry[], held?: VerifiedDirectory) => {
      const inOrder = [...entries].sort((a, b) =>
        compare(nodeIdOf(crypto, a.identityKey), nodeIdOf(crypto, b.identityKey)),
      )
      return verifyDirectory(crypto, server.identityKey, signedAsIs(inOrder), now, 0, held)
    }
    const first = check([good])
    if (!first.ok) throw new Error(first.code)
    const id = toHex(nodeIdOf(crypto, identity.identityKey))
    const second = check([good, other], first.directory)
    if (!second.ok) throw new Error(second.code)
    t.equal(second.directory.proxies.get(id), first.directory.proxies.get(id), 'as it was')
    t.equal(second.directory.proxies.size, 2)
    const forged = { ...good, issuedAt: good.issuedAt + 1 }
    t.match(check([forged], first.directory), { ok: false, code: 'PROXY_ENTRY' })
    const newer = check([signedEntry(forged, identity)], first.directory)
    t.ok(newer.ok && newer.directory.proxies.get(id) !== first.directory.proxies.get(id))
    t.end()
  })

  t.test('falls with one bad entry, and with entries out of order or twice', (t) => {
    const identity = crypto.identity(random(32))
    const good = proxy(identity)
    const [today] = good.sealingKeys
    if (today === undefined) throw new Error('a key of today')
    const noPoint = new Uint8Array(32).fill(255) as Point
    const dns = { kind: 'dns', host: utf8('proxy.example'), port: 7001 } as const
    const bad: Record<string, ProxyEntry> = {
      altered: { ...good, issuedAt: now + 1 },
      "with another's signature": signedEntry(good, crypto.identity(random(32))),
      'with a name for an address': signedEntry({ ...good, addresses: [dns] }, identity),
      'with a point that does not decode': signedEntry(
        { ...good, sealingKeys: [{ ...today, key: noPoint }] },
        identity,
      ),
      'with the identity point': signedEntry(
        { ...good, sealingKeys: [{ ...today, key: point(new Uint8Array(32)) }] },
        identity,
      ),
      'with two keys of one day': signedEntry({ ...good, sealingKeys: [today, today] }, identity),
      'that is the server': proxy(server),
    }
    t.equal(verifyProxyEntry(crypto, good), true)
    t.equal(verdict(sign({ proxies: [...proxies, good] })), 'ok')
    for (const [name, entry] of Object.entries(bad)) {
      t.equal(verdict(sign({ proxies: [...proxies, entry] })), 'PROXY_ENTRY', name)
      if (name !== 'that is the server') t.equal(verifyProxyEntry(crypto, entry), false, name)
    }
    const sorted = [...proxies].sort((a, b) =>
      compare(nodeIdOf(crypto, a.identityKey), nodeIdOf(crypto, b.identityKey)),
    )
    t.equal(verdict(signedAsIs(sorted)), 'ok')
    t.equal(verdict(signedAsIs([...sorted].reverse())), 'PROXY_ENTRY')
    t.equal(verdict(signedAsIs([...sorted, ...sorted.slice(-1)])), 'PROXY_ENTRY')
    t.end()
  })

  t.test('falls with a key of the server that cannot be used', (t) => {
    const [today] = serverKeys
    if (today === undefined) throw new Error('a key of today')
    t.equal(verdict(signedAsIs([], [today, today])), 'WIRE_VALUE')
    t.equal(verdict(signedAsIs([], [{ ...today, key: point(new Uint8Array(32)) }])), 'WIRE_VALUE')
    t.end()
  })

  t.end()
})

t.test('a difference', (t) => {
  const identities = [1, 2, 3, 4].map(() => crypto.identity(random(32)))
  const entries = identities.map((identity) => proxy(identity))
  const idOf = (entry: ProxyEntry) => nodeIdOf(crypto, entry.identityKey)
  const named = (some: readonly ProxyEntry[]) => new Map(some.map((entry) => [toHex(idOf(entry)), entry]))
  const hold = (version: number, some: readonly ProxyEntry[]) => {
    const result = verifyDirectory(crypto, server.identityKey, sign({ version, proxies: some }), now, 0)
    if (!result.ok) throw new Error(result.code)
    return result.directory
  }
  const [one, two, three, four] = entries as [ProxyEntry, ProxyEntry, ProxyEntry, ProxyEntry]
  const renewed = proxy(identities[1])
  /** As the server makes it. */
  function delta(fromVersion: number, version: number, some: readonly ProxyEntry[], history: History): DirectoryDelta {
    const encoded = sign({ version, proxies: some })
    const parsed = directoryFormat.parse(encoded)
    const change = history.since(fromVersion)
    if (!parsed.ok || change === undefined) throw new Error('a known version')
    return { fromVersion, ...parsed.value, ...change }
  }

  t.test('leads from the directory held to the one that was signed', (t) => {
    const history = new History(10)
    history.note(0, 5, named([one, two, three]))
    history.note(5, 6, named([one, renewed, four]))
    const made = delta(5, 6, [one, renewed, four], history)
    t.same(
      made.removed.map(({ id }) => id),
      [idOf(three)],
    )
    t.same(new Set(made.added), new Set([renewed, four]))
    const held = hold(5, [one, two, three])
    const merged = mergeDelta(crypto, held, made)
    t.same(merged, sign({ version: 6, proxies: [one, renewed, four] }))
    t.equal(mergeDelta(crypto, hold(4, [one, two, three]), made), undefined, 'made for another one')
    for (const wrong of [
      { ...made, added: [renewed] },
      { ...made, removed: [] },
      { ...made, version: 7 },
      { ...made, added: [four, two] },
      { ...made, validUntil: made.validUntil + 1 },
    ]) {
      t.equal(verdict(mergeDelta(crypto, held, wrong) ?? new Uint8Array(0)), 'DIRECTORY_SIGNATURE')
    }
    t.same(mergeDelta(crypto, held, { ...made, removed: [...made.removed, ...made.removed] }), merged)
    t.end()
  })

  t.test('counts signatures of no more than what it brings', (t) => {
    const history = new History(10)
    history.note(0, 5, named([one, two, three]))
    history.note(5, 6, named([one, renewed, three]))
    const held = hold(5, [one, two, three])
    const merged = mergeDelta(crypto, held, delta(5, 6, [one, renewed, three], history))
    let verified = 0
    const counting = {
      ...crypto,
      verify: (...some: Parameters<typeof crypto.verify>) => {
        verified++
        return crypto.verify(...some)
      },
    }
    t.ok(verifyDirectory(counting, server.identityKey, merged ?? new Uint8Array(0), now, 5, held).ok)
    t.equal(verified, 2, 'the directory and one entry')
    t.end()
  })

  t.test('over several versions names each entry once, as it is at last', (t) => {
    const history = new History(10)
    history.note(4, 5, named([one, two]))
    history.note(5, 6, named([one]))
    history.note(6, 7, named([one, renewed, three]))
    history.note(7, 8, named([one, renewed]))
    t.same(history.since(5)?.added, [renewed])
    t.same(history.since(6)?.added, [renewed])
    t.same(history.since(7)?.added, [])
    t.same(history.since(7)?.removed, [{ id: idOf(three) }])
    t.same(history.since(8), { removed: [], added: [] })
    t.equal(history.since(3), undefined)
    t.end()
  })

  t.test('goes back as far as those that are gone are remembered', (t) => {
    const history = new History(2)
    history.note(0, 5, named([one, two, three, four]))
    history.note(5, 6, named([one, two, three]))
    history.note(6, 7, named([one, two]))
    t.equal(history.since(5)?.removed.length, 2)
    history.note(7, 8, named([one]))
    t.equal(history.since(5), undefined)
    t.same(
      history.since(6)?.removed.map(({ id }) => id),
      [idOf(three), idOf(two)],
    )
    t.end()
  })

  t.test('leads to no more proxies than a directory may list', (t) => {
    const held = hold(5, [one, two, three])
    const base = { fromVersion: 5, version: 6, issuedAt: now, validUntil: now, sealingKeys: serverKeys, removed: [] }
    const many = Array.from({ length: limits.proxies - 2 }, (_, i) => {
      const identityKey = one.identityKey.slice()
      new DataView(identityKey.buffer).setUint32(0, i)
      return { ...one, identityKey: identityKey as typeof one.identityKey }
    })
    const signature = one.signature
    t.ok(mergeDelta(crypto, held, { ...base, added: many.slice(1), signature }))
    t.equal(mergeDelta(crypto, held, { ...base, added: many, signature }), undefined)
    t.end()
  })

  t.end()
})

t.test('addresses are numeric, in their one text', (t) => {
  for (const [host, text] of [
    ['127.0.0.1', '127.0.0.1'],
    ['2001:DB8:0:0:0:0:0:1', '2001:db8::1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
  ] as const) {
    t.same(peerAddress(numericAddress({ host, port: 9 })), { host: text, port: 9 })
  }
  t.throws(() => numericAddress({ host: 'server.example', port: 9 }), { code: 'ENDPOINT_MALFORMED' })
  t.equal(peerAddress({ kind: 'dns', host: utf8('server.example'), port: 9 }), undefined)
  t.end()
})

t.test('sealing keys', (t) => {
  const today = utcDay(now)

  t.test('are made a day ahead, kept a day after, then wiped', (t) => {
    const keys = createSealingKeys(crypto, random)
    t.same(keys.published(now), [])
    const first = keys.advance(now)
    t.same(
      first.map(({ key }) => key),
      [`sealing/${today}`, `sealing/${today + 1}`],
    )
    t.same(keys.advance(now), [], 'nothing changes within the day')
    t.equal(keys.nextChange(now), startOfDay(today + 1) + limits.clockSkewMs)
    const [oldest] = keys.secrets(now)
    t.same(oldest?.key, oldest && crypto.publicPoint(oldest.secret))

    const [nextDay, dayAfter] = [today + 1, today + 2].map((day) => startOfDay(day) + limits.clockSkewMs) as [
      number,
      number,
    ]
    t.same(keys.advance(nextDay - 1), [], 'a slow clock may still want yesterday’s')
    t.same(
      keys.published(nextDay - 1).map(({ day }) => day),
      [today, today + 1],
    )
    t.same(
      keys.advance(nextDay).map(({ key, value }) => [key, value === undefined]),
      [[`sealing/${today + 2}`, false]],
    )
    t.same(
      keys.secrets(nextDay).map(({ day }) => day),
      [today + 1, today, today + 2],
      'in the order in which to try them',
    )
    t.same(
      keys.published(nextDay).map(({ day }) => day),
      [today + 1, today + 2],
    )
    const kept = oldest?.secret
    t.same(
      keys.advance(dayAfter).map(({ key, value }) => [key, value === undefined]),
      [
        [`sealing/${today + 3}`, false],
        [`sealing/${today}`, true],
      ],
    )
    t.same(kept, new Uint8Array(32), 'and the memory too')
    t.end()
  })

  t.test('come back from disk, and nothing else does', (t) => {
    const keys = createSealingKeys(crypto, random)
    const writes = keys.advance(now)
    const again = createSealingKeys(crypto, random)
    for (const { key, value } of writes) again.restore(key, value ?? new Uint8Array(0))
    again.restore(`sealing/${today - 1}`, random(31))
    again.restore('sealing/today', random(32))
    again.restore(`sealing/0${today - 1}`, random(32))
    again.restore('directory/version', random(32))
    t.same(again.advance(now), [])
    t.same(again.secrets(now), keys.secrets(now))
    t.end()
  })

  t.test('outlive a clock set back over midnight', (t) => {
    const keys = createSealingKeys(crypto, random)
    const midnight = startOfDay(today + 1) + limits.clockSkewMs
    keys.advance(midnight)
    const published = keys.published(midnight)
    keys.advance(midnight - 1)
    keys.advance(midnight)
    t.same(keys.published(midnight), published)
    t.end()
  })

  t.test('of a clock that was far ahead are forgotten', (t) => {
    const keys = createSealingKeys(crypto, random)
    keys.advance(startOfDay(today + 300) + limits.clockSkewMs)
    const changes = keys.advance(now).map(({ key, value }) => [key, value === undefined])
    t.same(changes.slice(2), [
      [`sealing/${today + 300}`, true],
      [`sealing/${today + 301}`, true],
    ])
    t.end()
  })

  t.end()
})

t.test('of the directories that members announce, those that were not given here stand out', (t) => {
  const saved: Uint8Array[] = []
  let linkedSince: number | undefined = now
  const views = new DirectoryViews({ linkedSince: () => linkedSince, save: (record) => saved.push(record) })
  const member = (n: number) => nodeId(Uint8Array.of(0, 0, 0, 0, 0, 0, n >> 8, n))
  const digests = Array.from({ length: limits.directoriesRemembered + 1 }, () => random(32))
  const [first, ...rest] = digests as [Uint8Array, ...Uint8Array[]]
  const own = random(32)
  const later = now + limits.directorySettleMs
  const others = (at: number) => views.compare(at).other.map(({ member: id }) => toHex(id))
  for (const each of [first, first, ...rest]) views.hold(each)
  t.equal(saved.length, digests.length, 'one that is held already is not written again')

  views.announced(now, member(1), rest[0] as Uint8Array, now)
  views.announced(now, member(1), (rest.at(-1) as Uint8Array).subarray(0, 16), now)
  t.strictSame(views.compare(now), { same: 2, other: [] })
  views.announced(now, member(1), new Uint8Array(16), later)
  views.announced(now, member(1), own, later - 1)
  linkedSince = undefined
  views.announced(now, member(1), own, later)
  linkedSince = now
  t.strictSame(
    views.compare(later),
    { same: 2, other: [] },
    'nothing is said of none, nor of when this device was away',
  )

  views.announced(now, member(2), first, later)
  views.announced(now, member(3), own, later)
  t.strictSame(others(later - 1), [], 'one may be on its way')
  t.strictSame(others(later), [toHex(member(2)), toHex(member(3))], 'so many are remembered and no more')
  t.equal(views.unreported(later).length, 2)
  t.equal(views.unreported(later).length, 0, 'each is reported once')
  views.hold(own)
  t.strictSame(views.compare(later).same, 3, 'and one that came is known')
  t.strictSame(others(later), [toHex(member(2))])

  for (let n = 0; n < limits.directoryAnnouncers; n++) views.announced(now, member(1000 + (n >> 1)), random(32), later)
  t.equal(others(later).length, 1 + limits.directoryAnnouncers / 2, 'one place a member')
  for (let n = 0; n < limits.directoryAnnouncers; n++) views.announced(now, member(2000 + n), random(32), later)
  t.equal(others(later).length, limits.directoryAnnouncers)
  t.notOk(others(later).includes(toHex(member(2))), 'and so many members')

  const again = new DirectoryViews({ linkedSince: () => now, save: () => undefined })
  t.ok(again.restore(saved.at(-1) as Uint8Array))
  t.notOk(again.restore((saved.at(-1) as Uint8Array).subarray(1)))
  again.announced(now, member(1), own, later)
  again.announced(now, member(1), rest[0] as Uint8Array, later)
  t.equal(again.compare(later).same, 1, 'over a restart; the eldest made way')
  t.end()
})
