/**
 * What it costs a device of many groups to open one copy: it tries the keys of all of them on what P2 scrambled, in one
 * batch, and opens the content with the one that fits.
 */
import { utf8 } from '../../src/base/bytes.js'
import type { Crypto, SealContext } from '../../src/crypto/crypto.js'
import { crypto, type DeviceActor, World } from '../../test/sim/world.js'
import { type Effort, measure, timed } from '../measure.js'
import { median } from '../statistics.js'

const DEVICES = 2

export interface Opening {
  readonly groups: number
  /** Private keys that the device holds for them, and multiplications for a copy: the most and the median over a message in each. */
  readonly keys: number
  readonly mostMultiplications: number
  readonly medianMultiplications: number
  /** Batches and single openings that these came in. */
  readonly calls: number
  /** Microseconds for a copy of the group that is tried last, and how many times as long as in a device of one group. */
  readonly us: number
  readonly ratio: number
}

interface Tried {
  readonly secrets: Parameters<Crypto['openAny']>[0]
  readonly context: SealContext
  readonly sealed: Uint8Array
}

/** Two devices that share so many groups; a message is sent in each. */
export function opening(groups: number, effort: Effort): Opening {
  const tried: Tried[] = []
  const counting = counts(crypto, tried)
  const names = Array.from({ length: groups }, (_, i) => `group ${i}`)
  const world = new World({
    ...{ seed: 2, proxies: 2, devices: DEVICES, padding: 'none', keepsReads: false },
    groups: names.map((name) => ({ name, members: [0, 1] })),
    cryptoOf: (name) => (name === 'device 1' ? counting : crypto),
  })
  const [sender, receiver] = world.devices as [DeviceActor, DeviceActor]
  const copies = names.map((name) => {
    tried.length = 0
    world.send(sender, name, utf8('hello'))
    world.runUntil('it arrives', () => receiver.inbox.at(-1)?.group === name)
    return [...tried]
  })
  const multiplications = copies.map((copy) => copy.reduce((sum, { secrets }) => sum + secrets.length, 0))
  const last = [...copies].sort((a, b) => placeOf(a) - placeOf(b)).at(-1) ?? []
  const alone = last.map((each) => ({ ...each, secrets: each.secrets.slice(placeIn(each)) }))
  const [one, all] = measure([timed('one group', () => openAgain(alone)), timed('all', () => openAgain(last))], effort)
  return {
    groups,
    keys: last[0]?.secrets.length ?? 0,
    mostMultiplications: Math.max(...multiplications),
    medianMultiplications: median(multiplications),
    calls: last.length,
    us: all?.us ?? Number.NaN,
    ratio: (all?.us ?? Number.NaN) / (one?.us ?? Number.NaN),
  }
}

/** Which of its keys opens a copy. */
function placeOf([scrambled]: readonly Tried[]): number {
  return scrambled === undefined ? -1 : placeIn(scrambled)
}

function placeIn({ secrets, context, sealed }: Tried): number {
  return crypto.openAny(secrets, context, sealed)?.index ?? -1
}

function openAgain(copy: readonly Tried[]): number | undefined {
  let bytes = 0
  for (const { secrets, context, sealed } of copy) {
    const opened = crypto.openAny(secrets, context, sealed)
    if (opened === undefined) return undefined
    bytes += opened.plaintext.length
  }
  return bytes & 0xff
}

/** The product's own, which keeps what it was asked to open. */
function counts(crypto: Crypto, tried: Tried[]): Crypto {
  return Object.assign(Object.create(crypto) as Crypto, {
    open(secret: Parameters<Crypto['open']>[0], context: SealContext, sealed: Uint8Array) {
      tried.push({ secrets: [secret], context, sealed: sealed.slice() })
      return crypto.open(secret, context, sealed)
    },
    openAny(secrets: Tried['secrets'], context: SealContext, sealed: Uint8Array) {
      tried.push({ secrets, context, sealed: sealed.slice() })
      return crypto.openAny(secrets, context, sealed)
    },
  })
}
