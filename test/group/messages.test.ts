/**
 * Contents of a group: who can open one, and what is refused (PROTOCOL.md sections 1.3, 3 and 6).
 */
import t from 'tap'
import { concat, equal, groupId, key, messageId } from '../../src/base/bytes.js'
import { labels } from '../../src/base/labels.js'
import { limits } from '../../src/base/limits.js'
import { checkAge, descramble, messageTime, newMessageId, openGroupContent } from '../../src/group/content.js'
import { nodeIdOf, readIdentityKey } from '../../src/group/identity.js'
import { groupKeys, passphraseBytes, passphraseSalt } from '../../src/group/keys.js'
import { createGroup } from '../../src/group/membership.js'
import { type ContentKind, contentKinds, scrambledPayload } from '../../src/wire/content.js'
import { seed, seeded } from '../base/seeded.js'
import { codeOf, crypto, flipped, foundGroup, makeDevice, now, present, sealFor, server, taken } from './support.js'

t.comment(`seed ${seed}`)
const random = seeded()
const alice = makeDevice(random)
const bob = makeDevice(random)
const stranger = makeDevice(random)
const group = foundGroup([alice, bob], random)
const nothing = new Uint8Array()

t.test('an identity has the id that its key hashes to, and only a key of prime order is one', (t) => {
  const { identityKey } = alice.identity
  t.strictSame(nodeIdOf(crypto, identityKey), crypto.hash(labels.nodeId, identityKey).subarray(0, 8))
  t.strictSame(readIdentityKey(crypto, identityKey), identityKey)
  t.equal(readIdentityKey(crypto, identityKey.subarray(1)), undefined, 'too short')
  t.equal(readIdentityKey(crypto, concat(Uint8Array.of(1), new Uint8Array(31))), undefined, 'the identity element')
  t.equal(readIdentityKey(crypto, concat(Uint8Array.of(0), new Uint8Array(31))), undefined, 'a point of order four')
  t.end()
})

t.test('what a secret is used for has a key of its own', (t) => {
  const keys = groupKeys(crypto, key(random(32)))
  t.strictSame(keys.publicPoint, crypto.publicPoint(keys.privateKey))
  const distinct = new Set(
    [keys.secret, keys.symmetric, keys.privateKey].map((bytes) => Buffer.from(bytes).toString('hex')),
  )
  t.equal(distinct.size, 3)
  t.strictSame(groupKeys(crypto, keys.secret), keys, 'one secret, one set of keys')

  t.strictSame(passphraseBytes('cafe\u0301'), passphraseBytes('caf\u00e9'), 'however a keyboard writes an accent')
  t.strictSame(passphraseBytes('caf\u00e9'), new Uint8Array([0x63, 0x61, 0x66, 0xc3, 0xa9]))
  const salt = passphraseSalt(crypto, alice.identity.identityKey, server)
  t.equal(salt.length, 16)
  t.notSame(salt, passphraseSalt(crypto, bob.identity.identityKey, server), 'another device')
  t.notSame(salt, passphraseSalt(crypto, alice.identity.identityKey, bob.identity.identityKey), 'another network')
  t.end()
})

t.test('a content of any kind and size comes out as it went in, with its sender', (t) => {
  for (const kind of Object.keys(contentKinds) as ContentKind[]) {
    for (const bodyBytes of [0, 1, 200, 5000]) {
      const body = random(bodyBytes)
      const id = newMessageId(random, now)
      const changes = { kind, body, messageId: id, paddingBytes: bodyBytes % 7 }
      const opened = taken(openGroupContent(crypto, group, sealFor(group, bob, random, changes)))
      t.match(opened, { messageId: id, kind, body })
      t.strictSame(opened.sender.id, bob.id)
    }
  }
  t.end()
})

t.test('two sealings of one message share no bytes, and both are the same message', (t) => {
  const same = { messageId: newMessageId(random, now), body: random(300) }
  const first = sealFor(group, alice, random, same)
  const second = sealFor(group, alice, random, { ...same, paddingBytes: 100 })
  const eights = new Set(Array.from(first.subarray(8), (_, i) => Buffer.from(first.subarray(i, i + 8)).toString('hex')))
  const shared = Array.from(second.subarray(8), (_, i) => Buffer.from(second.subarray(i, i + 8)).toString('hex'))
  t.notOk(
    shared.some((run) => eights.has(run)),
    'no eight bytes in common',
  )
  t.strictSame(openGroupContent(crypto, group, first), openGroupContent(crypto, group, second))
  t.end()
})

t.test('refuses a content', (t) => {
  const refuses = (name: string, content: Uint8Array, code: string) =>
    t.equal(codeOf(openGroupContent(crypto, group, content)), code, name)
  const other = createGroup(crypto, random, { ...alice, name: 'others', now })
  const signedFor = { type: 'group', id: group.id, keys: group.keys } as const

  refuses('from a holder of the keys who is no member', sealFor(group, stranger, random), 'MESSAGE_SENDER')
  refuses("under another member's id", sealFor(group, bob, random, { sender: alice.id }), 'MESSAGE_SIGNATURE')
  refuses(
    "by a stranger under a member's id",
    sealFor(group, stranger, random, { sender: bob.id }),
    'MESSAGE_SIGNATURE',
  )
  refuses("under another group's keys", sealFor(other, alice, random), 'MESSAGE_CONTENT')
  refuses(
    'signed for another group with the same keys',
    sealFor(group, alice, random, { signedFor: { ...signedFor, id: groupId(random(8)) } }),
    'MESSAGE_SIGNATURE',
  )
  refuses(
    'sealed for the point without the symmetric secret',
    sealFor(group, alice, random, { signedFor: { ...signedFor, keys: { ...group.keys, symmetric: key(random(32)) } } }),
    'MESSAGE_CONTENT',
  )
  refuses(
    'signed as an invitation',
    sealFor(group, alice, random, { signedFor: { type: 'invitation', keys: group.keys } }),
    'MESSAGE_SIGNATURE',
  )
  refuses('of no bytes', nothing, 'MESSAGE_CONTENT')
  t.end()
})

t.test('refuses a content with any byte changed or missing', (t) => {
  const content = sealFor(group, alice, random, { paddingBytes: 20 })
  const opens = (changed: Uint8Array) => openGroupContent(crypto, group, changed).ok
  t.ok(opens(content))
  const spoilt = Array.from(content, (_, i) => i)
  t.strictSame(
    spoilt.filter((i) => opens(flipped(content, i, i % 8))),
    [],
    'one bit flipped',
  )
  t.strictSame(
    spoilt.filter((i) => opens(content.subarray(0, i))),
    [],
    'cut off',
  )
  t.notOk(opens(concat(content, Uint8Array.of(0))), 'one byte longer')
  t.end()
})

t.test('a message id carries the time to the millisecond', (t) => {
  t.equal(messageTime(newMessageId(random, now + 0.75)), now)
  const ids = new Set(Array.from({ length: 50 }, () => Buffer.from(newMessageId(random, now)).toString('hex')))
  t.ok(ids.size > 45, 'ids of one millisecond differ')
  t.end()
})

t.test('refuses a message past its age, and one dated ahead past the skew', (t) => {
  const datedAt = (at: number) => checkAge(newMessageId(random, at), now)
  t.equal(datedAt(now), undefined)
  t.equal(datedAt(now - limits.messageLifeMs), undefined, 'as old as may be')
  t.equal(datedAt(now - limits.messageLifeMs - 1), 'MESSAGE_AGE', 'a millisecond older')
  t.equal(datedAt(now + limits.clockSkewMs), undefined, 'as far ahead as may be')
  t.equal(datedAt(now + limits.clockSkewMs + 1), 'MESSAGE_AGE', 'a millisecond further')
  t.equal(checkAge(messageId(new Uint8Array(8).fill(255)), now), 'MESSAGE_AGE', 'the last moment there is')
  t.end()
})

t.test('descrambles with the one key that fits, and says which', (t) => {
  const groups = Array.from({ length: 5 }, () => groupKeys(crypto, key(random(32))))
  const privateKeys = groups.map(({ privateKey }) => privateKey)
  const scramble = (plaintext: Uint8Array, index: number) =>
    present(
      crypto.seal(
        present(groups[index]).publicPoint,
        { label: labels.scramble, associated: nothing },
        plaintext,
        random(64),
      ),
    )
  const fields = { personalPartBytes: 3, personalPart: random(3), content: random(40) }
  for (const index of groups.keys()) {
    const payload = scramble(scrambledPayload.encode(fields), index)
    const { content, personalPart } = fields
    t.strictSame(descramble(crypto, privateKeys, payload), { index, content, personalPart })
    t.equal(descramble(crypto, privateKeys.toSpliced(index, 1), payload), undefined, 'without that key')
    const spoilt = Array.from(payload, (_, i) => i).filter((i) => descramble(crypto, privateKeys, flipped(payload, i)))
    t.strictSame(spoilt, [], 'any bit flipped')
  }
  t.equal(descramble(crypto, privateKeys, scramble(nothing, 0)), undefined, 'empty')
  t.equal(descramble(crypto, privateKeys, scramble(Uint8Array.of(4, 1, 2), 0)), undefined, 'does not parse')
  t.equal(descramble(crypto, [], scramble(scrambledPayload.encode(fields), 0)), undefined, 'no group')
  t.ok(
    equal(
      fields.content,
      present(descramble(crypto, privateKeys, scramble(scrambledPayload.encode(fields), 4))).content,
    ),
  )
  t.end()
})
