/** The rows of the distinguishers: each game with the product's own Crypto, with an unbroken twin, and with every broken one. */
import type { RandomBytes } from '../../src/base/random.js'
import type { Crypto } from '../../src/crypto/crypto.js'
import { seeded } from '../base/seeded.js'
import { createTwinSplitting } from '../oracle/twin-splitting.js'
import { type Broken, brokenCopies, brokenRequests } from './broken.js'
import { beaten, distinguish, type Finding, type Pair } from './distinguish.js'
import { copyPairs, groupPairs, senderPairs } from './games.js'
import type { Row, Variant } from './row.js'

export interface Power {
  /** Pairs of each game with the product, and with each broken variant. */
  readonly pairs: number
  readonly brokenPairs: number
}

type Game = (crypto: Crypto, random: RandomBytes, pairs: number) => Pair[]

export function distinguisherRows(crypto: Crypto, seed: number, power: Power): Row[] {
  return [
    row(
      'CS, with its private keys, cannot tell two copies of one message from two of different messages',
      copyPairs,
      brokenCopies,
    ),
    row(
      'P2, with its private keys, cannot tell two requests of one group from two of different groups',
      groupPairs,
      brokenRequests,
    ),
    row(
      'P2, with its private keys, cannot tell two requests of one sender from two of different senders',
      senderPairs,
      [],
    ),
  ]

  function row(claim: string, game: Game, broken: readonly Broken[]): Row {
    const random = seeded(seed)
    const findings = distinguish(crypto, game(crypto, random, power.pairs))
    const control = broken.length === 0 ? [] : [unbroken(crypto, game)]
    return {
      part: 'distinguishers',
      claim,
      holds: beaten(findings) === undefined,
      measured: `${power.pairs} pairs; ${findings.map(textOf).join('; ')}`,
      variants: [...control, ...broken.map((each) => variant(crypto, game, each))],
    }
  }

  function variant(crypto: Crypto, game: Game, { name, weak, of }: Broken): Variant {
    const pairs = weak ? power.pairs : power.brokenPairs
    const found = beaten(distinguish(crypto, game(of(crypto), seeded(seed), pairs)))
    return { name, caught: found !== undefined, measured: found ?? 'nothing beat chance' }
  }

  /** Shows that a variant is caught for what is broken in it, and not for being made of other parts. */
  function unbroken(crypto: Crypto, game: Game): Variant {
    const twin = { ...crypto, ...createTwinSplitting(crypto) }
    const found = beaten(distinguish(crypto, game(twin, seeded(seed), power.brokenPairs)))
    return {
      name: 'control: other parts, nothing broken',
      caught: found === undefined,
      measured: found ?? 'not taken for broken',
    }
  }
}

function textOf({ test, measured }: Finding): string {
  return `${test}: ${measured}`
}
