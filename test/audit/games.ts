/**
 * The games of PROTOCOL.md section 12, at equal sizes and without times: CS, holding its private keys, is shown two copies and says
 * whether they are of one message; P2, holding its own, is shown two requests and says whether they are of one group. The
 * pairs come from the product's own functions with whatever Crypto is handed in.
 */
import { labels } from '../../src/base/labels.js'
import type { RandomBytes } from '../../src/base/random.js'
import { shuffle } from '../../src/base/random.js'
import type { Crypto } from '../../src/crypto/crypto.js'
import type { Pair, Sample } from './distinguish.js'
import {
  createScene,
  makeCopies,
  makeRequest,
  newGroup,
  openCopy,
  openRequest,
  type Scene,
  type SceneGroup,
} from './scene.js'

const BODY_BYTES = 120
const STREAM_BYTES = 64
/** Copies of a message in the first game: two pairs of one message, two with copies of the next. */
const COPIES = 8
/** Requests have so many recipients in the second game. */
const RECIPIENTS = 6

interface Copy {
  readonly recipient: string
  readonly sample: Sample
}

/**
 * Pairs of copies, all of one sender, group, size and day. The two of a pair are never for one recipient: a message has one
 * copy for each, so equal recipients alone would tell.
 */
export function copyPairs(crypto: Crypto, random: RandomBytes, pairs: number): Pair[] {
  const scene = createScene(crypto, random, COPIES)
  const group = newGroup(scene)
  const messages = Array.from({ length: Math.ceil(pairs / 4) + 1 }, () => copiesOfOne(scene, group))
  const made: Pair[] = []
  for (let i = 0; i + 1 < messages.length; i++) {
    const [one, next] = [messages[i] as Copy[], messages[i + 1] as Copy[]]
    made.push(pairOf(one, 0, one, 1, true), pairOf(one, 2, one, 3, true))
    for (const [left, right] of [
      [4, 6],
      [5, 7],
    ] as const) {
      if (one[left]?.recipient !== next[right]?.recipient) made.push(pairOf(one, left, next, right, false))
    }
  }
  return balanced(random, made)
}

function copiesOfOne(scene: Scene, group: SceneGroup): Copy[] {
  const request = makeRequest(scene, {
    ...{ group, recipients: scene.devices, bodyBytes: BODY_BYTES },
    sender: scene.devices[0] as Scene['devices'][number],
  })
  return makeCopies(scene, request).map((sealed) => copySample(scene, sealed))
}

/** Everything that CS has of a copy, or can make of it with its key. */
function copySample(scene: Scene, sealed: Uint8Array): Copy {
  const { crypto, server } = scene
  const { copy, ephemeral, recipients, receiptKey, payload } = openCopy(scene, sealed)
  const outer = sealed.subarray(0, 32)
  const payloadPoint = payload.subarray(0, 32)
  const slotPoint = crypto.multiply(server.secret, ephemeral) as Uint8Array
  const slotSecret = crypto.hash(ephemeral, slotPoint)
  return {
    recipient: Buffer.from(recipients[0] as Uint8Array).toString('hex'),
    sample: {
      points: {
        'outer ephemeral': outer.slice(),
        R_i: ephemeral.slice(),
        E_i: payloadPoint.slice(),
      },
      derived: {
        '[c]R_i': slotPoint,
        '[c]E_i': crypto.multiply(server.secret, payloadPoint) as Uint8Array,
      },
      bytes: {
        'sealed copy': sealed.slice(32, 32 + STREAM_BYTES),
        slot: copy.slice(32, 42),
        k_i: slotSecret,
        'slot key': crypto.chachaBlock(slotSecret, 0, labels.slotKeys).slice(0, 32),
        'receipt key': Uint8Array.from(receiptKey),
        payload: payload.slice(32, 32 + STREAM_BYTES),
      },
    },
  }
}

/** Pairs of requests by members of one group, or of two; all of one size and number of copies, senders never the same. */
export function groupPairs(crypto: Crypto, random: RandomBytes, pairs: number): Pair[] {
  const scene = createScene(crypto, random, 2 * RECIPIENTS)
  const made = Array.from({ length: pairs }, (_, i) => {
    const same = i % 2 === 0
    const group = newGroup(scene)
    return requestPair(scene, [group, same ? group : newGroup(scene)], [0, 1], same)
  })
  return balanced(random, made)
}

/** Pairs of requests in one group, by one sender or by two. */
export function senderPairs(crypto: Crypto, random: RandomBytes, pairs: number): Pair[] {
  const scene = createScene(crypto, random, RECIPIENTS)
  const group = newGroup(scene)
  const made = Array.from({ length: pairs }, (_, i) => {
    const same = i % 2 === 0
    return requestPair(scene, [group, group], [0, same ? 0 : 1], same)
  })
  return balanced(random, made)
}

function requestPair(
  scene: Scene,
  groups: readonly [SceneGroup, SceneGroup],
  senders: readonly [number, number],
  same: boolean,
): Pair {
  const [first, second] = ([0, 1] as const).map((place) => {
    const sender = scene.devices[senders[place]] as Scene['devices'][number]
    const recipients = scene.devices.slice(0, RECIPIENTS)
    return requestSample(
      scene,
      makeRequest(scene, { group: groups[place], sender, recipients, bodyBytes: BODY_BYTES }).message,
    )
  }) as [Sample, Sample]
  return { first, second, same }
}

/** Everything that P2 has of a request, or can make of it with its key. */
function requestSample(scene: Scene, message: Uint8Array): Sample {
  const { crypto, splitter } = scene
  const { ephemeral, requestKey, oneTimeBase, oneTimeKey, slots, content } = openRequest(scene, message)
  const contentPoint = content.subarray(0, 32)
  const own = (point: Uint8Array) => crypto.multiply(splitter.secret, point) as Uint8Array
  return {
    points: {
      R: ephemeral.slice(),
      "B'": oneTimeBase.slice(),
      "G'": oneTimeKey.slice(),
      "content's ephemeral": contentPoint.slice(),
    },
    derived: {
      "[q]B'": own(oneTimeBase),
      "[q]G'": own(oneTimeKey),
      "[q] of the content's ephemeral": own(contentPoint),
    },
    bytes: {
      K2: Uint8Array.from(requestKey),
      slots: slots.slice(),
      content: content.slice(32, 32 + STREAM_BYTES),
    },
  }
}

function pairOf(a: readonly Copy[], i: number, b: readonly Copy[], j: number, same: boolean): Pair {
  return { first: (a[i] as Copy).sample, second: (b[j] as Copy).sample, same }
}

/** As many pairs of either kind, shuffled. */
function balanced(random: RandomBytes, pairs: readonly Pair[]): Pair[] {
  const same = pairs.filter((pair) => pair.same)
  const different = pairs.filter((pair) => !pair.same)
  const each = Math.min(same.length, different.length)
  return shuffle(random, [...same.slice(0, each), ...different.slice(0, each)])
}
