/** What a message costs S besides its content: slots, a member, and the tokens that receipts must have, a copy. */
import { loadCrypto } from '../src/driver/crypto.js'
import { keyPair, makeFixture, slotPlan } from './fixtures.js'
import { effort, measure, timed } from './measure.js'
import { significant } from './statistics.js'
import type { BenchOptions, BenchReport } from './subject.js'
import { columns } from './text.js'

const MEMBERS = [16, 256, 1000]
const BODY_BYTES = 1024

interface SlotsRow {
  readonly job: string
  readonly members: number
  readonly bodyBytes: number
  readonly usPerMember: number
  readonly spread: number
}

export async function slots({ quick }: BenchOptions): Promise<BenchReport> {
  const crypto = await loadCrypto()
  const results: SlotsRow[] = (quick ? [16] : MEMBERS).flatMap((members) => {
    const plan = slotPlan(crypto, keyPair(crypto).point, members, BODY_BYTES)
    const { request, receiptKeys } = makeFixture(crypto, members, BODY_BYTES)
    const jobs = [
      timed('slots', () => crypto.makeSlots(plan)?.slots[0]),
      timed('tokens of receipts', () => crypto.expectedTokens(request, receiptKeys, 'stored', 0, members)[0]),
    ]
    return measure(jobs, effort(quick)).map(({ contestant, us, spread }) => ({
      ...{ job: contestant, members, bodyBytes: BODY_BYTES, usPerMember: significant(us / members), spread },
    }))
  })
  const lines = results.map(({ job, members, usPerMember, spread }) => [
    ...[job, `${members}`, usPerMember.toFixed(1), spread.toFixed(2)],
  ])
  return { results, text: columns([['job of S', 'members', 'us a member', 'spread'], ...lines]) }
}
