/** The core on this machine: whether it starts, which build was picked, and how fast it splits. */
import { randomBytes } from 'node:crypto'
import type { Crypto } from '../../crypto/crypto.js'
import { hasRelaxedSimd } from '../../crypto/wasm-features.js'
import { loadCrypto } from '../../driver/crypto.js'
import { type Examined, problem, reasonOf, warning } from './finding.js'

const COPIES = 16
const BODY_BYTES = 1024
/** R_i, slot, E_i, the length of the personal part, and the tag. */
const COPY_BEYOND_BODY_BYTES = 32 + 10 + 32 + 1 + 16
const MEASURE_MS = 300

export interface CoreFacts {
  /** Name of the build that was picked; null where the core does not start. */
  readonly build: string | null
  /** Why that one. */
  readonly buildReason: string | null
  readonly relaxedSimd: boolean
  /** Splitting a message of 16 copies and 1,024 bytes as P2 does: microseconds a copy, the median of a third of a second. */
  readonly splitUsPerCopy: number | null
}

export async function examineCore(): Promise<Examined<CoreFacts>> {
  try {
    const crypto = await loadCrypto()
    const relaxedSimd = hasRelaxedSimd()
    const { build, buildReason } = crypto
    const slower = build === 'fused' ? [] : [warning(`the slower build of the core runs: ${buildReason}`)]
    return { facts: { build, buildReason, relaxedSimd, splitUsPerCopy: measureSplit(crypto) }, findings: slower }
  } catch (error) {
    return {
      facts: { build: null, buildReason: null, relaxedSimd: hasRelaxedSimd(), splitUsPerCopy: null },
      findings: [problem(`the cryptographic core does not start (${reasonOf(error)}); install splitcast again`)],
    }
  }
}

function measureSplit(crypto: Crypto): number {
  const request = requestOf(crypto)
  const times: number[] = []
  for (const until = performance.now() + MEASURE_MS; performance.now() < until; ) {
    const start = performance.now()
    const split = crypto.prepareSplit(request, randomBytes(32))
    const copies = split?.split(0, COPIES)
    if (split === undefined || copies?.length !== COPIES * split.sealedCopyBytes) throw new Error('a split went wrong')
    split.wipe()
    times.push(performance.now() - start)
  }
  const median = times.sort((a, b) => a - b)[times.length >> 1] as number
  return Number(((1000 * median) / COPIES).toPrecision(3))
}

function requestOf(crypto: Crypto) {
  const point = () => crypto.publicPoint(crypto.reduce(randomBytes(64)))
  const serverKey = point()
  const slots = crypto.makeSlots({
    splitterKey: point(),
    serverKey,
    groupKey: point(),
    window: 0,
    copyBytes: COPY_BEYOND_BODY_BYTES + BODY_BYTES,
    recipients: randomBytes(10 * COPIES),
    entropy: randomBytes(128),
  })
  if (slots === undefined) throw new Error('no slots could be made')
  return {
    ...slots,
    serverKey,
    personalPartBytes: 0,
    personalParts: new Uint8Array(0),
    content: randomBytes(BODY_BYTES),
  }
}
