/** What many scenarios came to: how many held, how long copies took, how much went through, what was dropped. As text and as one object. */
import { columns } from '../../src/cli/output.js'
import type { LossReason } from './emulator/conditions.js'
import type { Played } from './scenario/run.js'
import { noDatagrams } from './virtual-network.js'

const PERCENTILES = [50, 90, 99, 99.9, 100] as const

/** Of values in ascending order: `p99` is one that 99 % are not above. */
export type Distribution = Readonly<Record<`p${(typeof PERCENTILES)[number]}`, number>> & { readonly mean: number }

interface FamilyRow {
  seeds: number
  held: number
  latenciesMs: number[]
}

export class Report {
  seeds = 0
  held = 0
  readonly failed: { readonly seed: number; readonly family: string; readonly problems: readonly string[] }[] = []
  private readonly families = new Map<string, FamilyRow>()
  private readonly latenciesMs: number[] = []
  /** Body bytes handed on, a second of virtual time, one for each scenario in which something was. */
  private readonly bytesPerSecond: number[] = []
  private readonly copiesPerSecond: number[] = []
  private readonly drops: Record<string, number> = {}
  private readonly datagrams = noDatagrams()
  private provenCopies = 0
  private deliveredCopies = 0
  private virtualMs = 0

  add(played: Played): void {
    const { seed, family, problems, latenciesMs } = played
    this.seeds++
    if (problems.length === 0) this.held++
    else this.failed.push({ seed, family, problems })
    const row = this.families.get(family) ?? { seeds: 0, held: 0, latenciesMs: [] }
    this.families.set(family, row)
    row.seeds++
    if (problems.length === 0) row.held++
    for (const each of latenciesMs) {
      row.latenciesMs.push(each)
      this.latenciesMs.push(each)
    }
    this.addCounts(played)
  }

  private addCounts({ datagrams, drops, virtualMs, activeMs, ...copies }: Played): void {
    this.provenCopies += copies.provenCopies
    this.deliveredCopies += copies.deliveredCopies
    this.virtualMs += virtualMs
    if (copies.deliveredCopies > 0) {
      this.bytesPerSecond.push((copies.deliveredBytes * 1000) / activeMs)
      this.copiesPerSecond.push((copies.deliveredCopies * 1000) / activeMs)
    }
    for (const [code, times] of Object.entries(drops)) this.drops[code] = (this.drops[code] ?? 0) + times
    for (const count of ['sent', 'doubled', 'corrupted', 'delivered', 'underWay'] as const) {
      this.datagrams[count] += datagrams[count]
    }
    for (const [reason, times] of Object.entries(datagrams.lost)) this.datagrams.lost[reason as LossReason] += times
  }

  toJSON() {
    return {
      seeds: this.seeds,
      held: this.held,
      failed: this.failed,
      provenCopies: this.provenCopies,
      deliveredCopies: this.deliveredCopies,
      virtualHours: this.virtualMs / 3_600_000,
      latencyMs: distribution(this.latenciesMs),
      bytesPerSecond: distribution(this.bytesPerSecond),
      copiesPerSecond: distribution(this.copiesPerSecond),
      datagrams: this.datagrams,
      drops: this.drops,
      families: [...this.families].map(([name, { seeds, held, latenciesMs }]) => ({
        ...{ name, seeds, held, latencyMs: distribution(latenciesMs) },
      })),
    }
  }

  text(): string {
    const { latencyMs, bytesPerSecond, copiesPerSecond, datagrams, families, virtualHours } = this.toJSON()
    const heads = ['', ...PERCENTILES.map((each) => (each === 100 ? 'most' : `${each} %`)), 'mean']
    const row = (name: string, of: Distribution | undefined) => [
      name,
      ...PERCENTILES.map((each) => (of === undefined ? '-' : whole(of[`p${each}`]))),
      of === undefined ? '-' : whole(of.mean),
    ]
    const lost = Object.entries(datagrams.lost).filter(([, times]) => times > 0)
    return [
      columns([
        heads,
        row('send to hand-over, ms', latencyMs),
        row('copies a second', copiesPerSecond),
        row('body bytes a second', bytesPerSecond),
      ]),
      columns([
        ['family', 'seeds', 'held', 'half within, ms', '99 % within, ms'],
        ...families.map(({ name, seeds, held, latencyMs: of }) => [
          ...[
            name,
            `${seeds}`,
            `${held}`,
            of === undefined ? '-' : whole(of.p50),
            of === undefined ? '-' : whole(of.p99),
          ],
        ]),
      ]),
      `${this.provenCopies} copies proven stored, ${this.deliveredCopies} handed on, in ${virtualHours < 1 ? `${whole(virtualHours * 60)} minutes` : `${whole(virtualHours)} hours`} of virtual time`,
      `datagrams: ${datagrams.sent} sent + ${datagrams.doubled} doubled = ${datagrams.delivered} delivered + ${datagrams.underWay} under way` +
        lost.map(([reason, times]) => ` + ${times} lost (${reason})`).join(''),
      `${this.held} of ${this.seeds} seeds held`,
    ].join('\n\n')
  }
}

function distribution(values: readonly number[]): Distribution | undefined {
  if (values.length === 0) return undefined
  const sorted = Float64Array.from(values).sort()
  const at = (percent: number) => sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)] as number
  const mean = sorted.reduce((sum, each) => sum + each, 0) / sorted.length
  const entries = PERCENTILES.map((percent) => [`p${percent}`, at(percent)])
  return { ...(Object.fromEntries(entries) as Omit<Distribution, 'mean'>), mean }
}

function whole(value: number): string {
  return value >= 10 ? value.toFixed(0) : value.toFixed(1)
}
