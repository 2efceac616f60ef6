/** Attacks that need no network to be tried: a C of one's own, marks by size, guesses at passphrases. */
import { concat, equal, utf8 } from '../../src/base/bytes.js'
import { labels } from '../../src/base/labels.js'
import type { RandomBytes } from '../../src/base/random.js'
import type { Crypto } from '../../src/crypto/crypto.js'
import { sealContent } from '../../src/group/content.js'
import { invitationKeys, passphraseSalt } from '../../src/group/keys.js'
import { assembleRequest } from '../../src/group/request.js'
import { runJob } from '../../src/role/jobs.js'
import { type MessageOf, parseMessage } from '../../src/wire/message.js'
import { createTwinSplitting } from '../oracle/twin-splitting.js'
import type { Attack, Outcome } from './attack.js'
import { innerCopies, sealCopy } from './hands.js'
import {
  createScene,
  makeRequest,
  newGroup,
  openCopy,
  openRequest,
  type Scene,
  type SceneDevice,
  WINDOW,
} from './scene.js'

const MEMBERS = 6
const BODY_BYTES = 100
const GUESSES = 64
const CHEAP = { passes: 1, memoryBytes: 8192 }
const NOTHING = new Uint8Array(0)

export function attacksAlone(crypto: Crypto, random: () => RandomBytes): Attack[] {
  return [
    {
      claim:
        'CS shows a device a C of its own, to know its copies again: P2 does not open its request, which names another C',
      run: () => ownServerKey(crypto, random(), false),
      undefended: [{ name: 'a P2 that takes whatever C opens it', run: () => ownServerKey(crypto, random(), true) }],
    },
    {
      claim: 'P2 marks a recipient by a byte more in its copy: the slot then opens to nobody',
      run: () => oddSize(crypto, random()),
      undefended: [
        { name: 'slots that do not depend on the length', run: () => oddSize(withoutLengths(crypto), random()) },
      ],
    },
    {
      claim: `P2 and CS try ${GUESSES} passphrases, the right one among them, on an invitation: none stands out, in the one-time pair or by opening the content`,
      run: () => guessing(crypto, crypto, random()),
      undefended: [
        {
          name: 'an invitation for [p]B alone',
          run: () => guessing(crypto, { ...crypto, addPoints: (p) => p as ReturnType<Crypto['addPoints']> }, random()),
        },
      ],
    },
  ]
}

function members({ devices }: Scene): readonly [SceneDevice, ...SceneDevice[]] {
  return devices as readonly SceneDevice[] as [SceneDevice, ...SceneDevice[]]
}

/** CS then opens copies with the secret that only one device has seen the key of. */
function ownServerKey(crypto: Crypto, random: RandomBytes, takesAny: boolean): Outcome {
  const scene = createScene(crypto, random, MEMBERS)
  const markSecret = crypto.reduce(random(64))
  const mark = crypto.publicPoint(markSecret)
  const [sender] = members(scene)
  const group = newGroup(scene)
  const made = makeRequest(scene, { group, sender, recipients: scene.devices, bodyBytes: BODY_BYTES, serverKey: mark })
  const parsed = parseMessage(made.message)
  if (!parsed.ok) throw new Error('a request parses')
  const { ephemeral, sealed } = parsed.value.value as MessageOf<'request'>['value']
  const serverKeys = takesAny ? [scene.server.publicKey, mark] : [scene.server.publicKey]
  const opened = serverKeys.some((serverKey) => {
    const secrets = concat(scene.splitter.secret)
    const result = runJob(crypto, {
      type: 'openRequest',
      ephemeral,
      sealed,
      secrets,
      serverKeys: serverKey,
      windows: [WINDOW],
    })
    return result.type === 'openRequest' && result.unsealed !== undefined
  })
  const copies = opened ? innerCopies(crypto, random, made.receipts.request) : []
  const known = copies.filter((copy) => {
    const [found] = crypto.openCopies(markSecret, [WINDOW], [sealCopy(random, mark, copy)])
    return (
      found !== undefined &&
      scene.devices.some(({ id }) => equal(id, (found.recipients[0] as Uint8Array).subarray(0, 8)))
    )
  }).length
  return { succeeded: known > 0, measured: `CS knows ${known} of ${MEMBERS} copies as that device's` }
}

/** P2 appends a byte to each payload; its accomplice behind CS sees who gets it. */
function oddSize(crypto: Crypto, random: RandomBytes): Outcome {
  const scene = createScene(crypto, random, MEMBERS)
  const [sender] = members(scene)
  const made = makeRequest(scene, { group: newGroup(scene), sender, recipients: scene.devices, bodyBytes: BODY_BYTES })
  const inner = innerCopies(crypto, random, made.receipts.request)
  const arrive = (change: (copy: Uint8Array) => Uint8Array) =>
    inner.filter((copy) => {
      const sealed = sealCopy(random, scene.server.publicKey, change(copy))
      const recipient = openCopy(scene, sealed).recipients[0] as Uint8Array
      return scene.devices.some(({ id, accessCode }) => equal(recipient, concat(id, accessCode)))
    }).length
  const plain = arrive((copy) => copy)
  if (plain !== MEMBERS) throw new Error(`${plain} of ${MEMBERS} copies name a recipient before they are marked`)
  const marked = arrive((copy) => concat(copy, random(1)))
  return { succeeded: marked > 0, measured: `${marked} of ${MEMBERS} marked copies still name a recipient` }
}

/** The tweak of the slot's permutation without its last part, the length. */
function withoutLengths(crypto: Crypto): Crypto {
  const known = Object.values(labels)
  const chachaBlock: Crypto['chachaBlock'] = (key, counter, nonce) => {
    if (known.some((label) => equal(label, nonce))) return crypto.chachaBlock(key, counter, nonce)
    return crypto.chachaBlock(key, counter, concat(nonce.subarray(0, 9), new Uint8Array(3)))
  }
  return { ...crypto, ...createTwinSplitting({ ...crypto, chachaBlock }) }
}

/** With P2's and CS's keys: what does each guess leave of G', and does it open the content? */
function guessing(crypto: Crypto, inviterCrypto: Crypto, random: RandomBytes): Outcome {
  const scene = createScene(crypto, random, 2)
  const [inviter, newcomer] = scene.devices as [SceneDevice, SceneDevice]
  const target = newcomer.identity.identityKey
  const words = Array.from({ length: GUESSES }, (_, i) => utf8(`guess number ${i}`))
  const derive = (word: Uint8Array) =>
    crypto.argon2id(word, passphraseSalt(crypto, target, inviter.identity.identityKey), CHEAP)
  const right = words[GUESSES >> 1] as Uint8Array
  const keys = invitationKeys(inviterCrypto, derive(right), target)
  if (keys === undefined) throw new Error('a newcomer with a good key')
  const content = sealContent(crypto, random, {
    ...{ identity: inviter.identity, sender: inviter.id, signedFor: { type: 'invitation', keys }, kind: 'invitation' },
    ...{
      messageId: random(8) as Parameters<typeof sealContent>[2]['messageId'],
      body: random(BODY_BYTES),
      paddingBytes: 0,
    },
  })
  const request = assembleRequest(crypto, random, {
    ...{
      splitterKey: scene.splitter.publicKey,
      serverKey: scene.server.publicKey,
      groupKey: keys.publicPoint,
      window: WINDOW,
    },
    ...{ recipients: scene.devices, self: inviter.id, content, mode: 'none' },
  })
  if (request === undefined) throw new Error('keys of a scene decode')
  const read = openRequest(scene, request.message)
  const publicPoint = crypto.identityPoint(target) as Uint8Array
  const secrets = [scene.splitter.secret, scene.server.secret]
  const telling = [publicPoint, ...secrets.map((secret) => crypto.multiply(secret, publicPoint) as Uint8Array)]
  const found = words.filter((word) => standsOut(crypto, derive(word), read, telling))
  return {
    succeeded: found.length > 0,
    measured:
      found.length === 0 ? 'none does' : `${found.length} does: "${Buffer.from(found[0] as Uint8Array).toString()}"`,
  }
}

function standsOut(
  crypto: Crypto,
  derived: Uint8Array,
  { oneTimeBase, oneTimeKey, content }: ReturnType<typeof openRequest>,
  telling: readonly Uint8Array[],
): boolean {
  // Any identity key gives p; what is added to [p]B does not matter here.
  const guess = invitationKeys(
    { ...crypto, identityPoint: () => oneTimeBase, addPoints: (p) => p as typeof oneTimeBase },
    derived,
    oneTimeBase as never,
  )
  if (guess === undefined) throw new Error('a guess gives a scalar')
  const share = crypto.multiply(guess.scalar, oneTimeBase) as Uint8Array
  const left = equal(share, oneTimeKey) ? undefined : difference(crypto, oneTimeKey, share)
  if (left === undefined || telling.some((point) => equal(point, left))) return true
  const context = { label: labels.content, associated: NOTHING, symmetric: guess.symmetric }
  return crypto.open(guess.scalar, context, content) !== undefined
}

/** P - Q. */
function difference(crypto: Crypto, p: Uint8Array, q: Uint8Array): Uint8Array | undefined {
  const minusOne = Uint8Array.from(
    Buffer.from('ecd3f55c1a631258d69cf7a2def9de1400000000000000000000000000000010', 'hex'),
  ) as Parameters<Crypto['multiply']>[0]
  const negated = crypto.multiply(minusOne, q)
  return negated && crypto.addPoints(p, negated)
}
