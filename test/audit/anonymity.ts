/**
 * How much an observer of all links of proxies is left to guess about which request a copy came of, in bits, by Bayes' rule
 * with the distribution of waits known. The model, and why it is exact, is in docs/AUDIT.md.
 */
import type { Passage } from './mixing-run.js'

/** Over the copies that left, those of the first and the last waits apart. */
export interface Anonymity {
  readonly copies: number
  /** Mean over copies of the entropy of the posterior. */
  readonly meanBits: number
  /** A tenth of the copies have fewer bits than this. */
  readonly tenthBits: number
  /** Mean of -log2 of what the observer gave the true request: near `meanBits` if the model is right. */
  readonly surpriseBits: number
  /** How often the likeliest request was the true one. */
  readonly guessed: number
}

/** Probabilities by request. */
type Posterior = ReadonlyMap<number, number>

interface Waiting {
  readonly posterior: Posterior
  /** The probability that it has not left yet, given all that left. */
  left: number
}

const LEAST = 1e-9

/**
 * `at` says whose links are watched: those of each P2 alone (what leaves the proxy that split it), or of all proxies (what
 * comes to CS). Copies that left before `from` are not counted.
 */
export function anonymity(passages: readonly Passage[], at: 'splitter' | 'server', from: number): Anonymity {
  const pools = new Map<string, Waiting[]>()
  const carried = new Map<string, Posterior>()
  const judged: { readonly posterior: Posterior; readonly request: number }[] = []
  for (const { kind, proxy, to, copy, request, at: moment } of passages) {
    const name = `${proxy} to ${to}`
    const pool = pools.get(name) ?? []
    pools.set(name, pool)
    const before = carried.get(copy)
    if (kind === 'in') pool.push({ posterior: before ?? new Map([[request, 1]]), left: 1 })
    else {
      const posterior = leave(pool)
      carried.set(copy, posterior)
      if (moment >= from && (at === 'server' ? to === 'server' : before === undefined))
        judged.push({ posterior, request })
    }
  }
  return summary(judged)
}

/** One of those that wait leaves; each that is still there is as likely to be it. */
function leave(pool: Waiting[]): Posterior {
  const count = pool.reduce((sum, { left }) => sum + left, 0)
  const posterior = new Map<number, number>()
  for (const each of pool) {
    const share = each.left / count
    for (const [request, part] of each.posterior) posterior.set(request, (posterior.get(request) ?? 0) + share * part)
    each.left *= 1 - 1 / count
  }
  // Who is gone for all practical purposes makes room; the sum stays what it was.
  for (let i = pool.length - 1; i >= 0; i--) if ((pool[i] as Waiting).left < LEAST) pool.splice(i, 1)
  return posterior
}

function summary(judged: readonly { readonly posterior: Posterior; readonly request: number }[]): Anonymity {
  const bits = judged.map(({ posterior }) => entropy(posterior)).sort((a, b) => a - b)
  const mean = (values: readonly number[]) => values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length)
  const surprise = judged.map(({ posterior, request }) => -Math.log2(Math.max(LEAST, posterior.get(request) ?? 0)))
  const right = judged.filter(({ posterior, request }) => {
    const best = [...posterior].reduce((a, b) => (b[1] > a[1] ? b : a), [-1, 0] as [number, number])
    return best[0] === request
  })
  return {
    copies: judged.length,
    meanBits: mean(bits),
    tenthBits: bits[Math.floor(bits.length / 10)] ?? 0,
    surpriseBits: mean(surprise),
    guessed: right.length / Math.max(1, judged.length),
  }
}

function entropy(posterior: Posterior): number {
  let bits = 0
  for (const part of posterior.values()) if (part > 0) bits -= part * Math.log2(part)
  return Math.max(0, bits)
}
