/**
 * What one link carries of messages of 1 MiB through a relay that delays and loses, beside udx-native through the same relay:
 * sender, relay and receiver are processes of their own, transfers alternate, each on a new link, its start-up included.
 */
import { Child } from '../src/cli/hosting/child.js'
import { undisturbed } from '../src/cli/relay/conditions.js'
import { startRelays } from '../src/cli/relay/process.js'
import type { PeerAddress } from '../src/link/link.js'
import type { Call, Results } from './goodput/calls.js'
import { type ContestantName, contestants } from './goodput/contestant.js'
import { median, ratioOver, significant, spread } from './statistics.js'
import type { BenchOptions, BenchReport } from './subject.js'
import { columns } from './text.js'

const MESSAGE_BYTES = 2 ** 20
const MESSAGES = 16
const ROUNDS = 5
const PATIENCE_MS = 120_000
const SEED = 1
const LOSSES = [0, 0.01, 0.05]
const ROUND_TRIPS_MS = [20, 100]
const QUICK = { messages: 4, rounds: 2, roundTripsMs: [20] }
const PROGRAM = new URL('./goodput/host.js', import.meta.url)

type Host = Child<Call, Results, never>

export interface GoodputRow {
  readonly loss: number
  readonly roundTripMs: number
  readonly contestant: ContestantName
  /** Millions of bytes of messages a second, median over the rounds. */
  readonly megabytesPerSecond: number
  readonly spread: number
  /** Ours over this one's, the median of the quotients of each round. */
  readonly ratio: number
}

interface Way {
  readonly contestant: ContestantName
  /** Where the sender reaches the receiver, and where the receiver sees the sender. */
  readonly front: PeerAddress
  readonly seenAs: PeerAddress
  readonly linkKey: Uint8Array | undefined
}

export async function goodput({ quick }: BenchOptions): Promise<BenchReport> {
  const messages = quick ? QUICK.messages : MESSAGES
  const rounds = quick ? QUICK.rounds : ROUNDS
  const relays = startRelays()
  const [sender, receiver] = [host('the sender'), host('the receiver')]
  const results: GoodputRow[] = []
  try {
    const ways: Way[] = []
    for (const contestant of contestants) ways.push(await prepare(contestant, relays, sender, receiver))
    let round = 0
    for (const roundTripMs of quick ? QUICK.roundTripsMs : ROUND_TRIPS_MS) {
      for (const loss of LOSSES) {
        await relays.call('change', { conditions: { ...undisturbed, loss, delayMs: roundTripMs / 2 } })
        const times = ways.map((): number[] => [])
        for (let count = 0; count < rounds; count++) {
          round++
          for (const [index, way] of ways.entries()) {
            times[index]?.push(await transfer(way, sender, receiver, round, messages))
          }
        }
        results.push(...rowsOf(times, { loss, roundTripMs, megabytes: (messages * MESSAGE_BYTES) / 1e6 }))
      }
    }
  } finally {
    await Promise.all([sender, receiver, relays].map((child) => child.end()))
  }
  const lines = results.map(({ loss, roundTripMs, contestant, ...row }) => [
    ...[`${contestant}, loss ${loss * 100} %, ${roundTripMs} ms`, row.megabytesPerSecond.toFixed(1)],
    ...[row.spread.toFixed(2), row.ratio.toFixed(2)],
  ])
  const notes = ['each transfer begins on a new link, and udx-native neither shakes hands nor encrypts']
  return { results, text: columns([['', 'MB/s', 'spread', 'ours over it'], ...lines]), notes }
}

function host(label: string): Host {
  return new Child({ label, program: PROGRAM, onEvent: () => undefined })
}

async function prepare(
  contestant: ContestantName,
  relays: ReturnType<typeof startRelays>,
  sender: Host,
  receiver: Host,
): Promise<Way> {
  const [near, far] = await Promise.all([sender.call('open', { contestant }), receiver.call('open', { contestant })])
  const { relay, address: front } = await relays.call('openRelay', {
    front: { host: '127.0.0.1', port: 0 },
    conditions: undisturbed,
    seed: SEED,
  })
  await relays.call('aim', { relay, node: far.address })
  const seenAs = await relays.call('seenAs', { relay, client: near.address })
  return { contestant, front, seenAs, linkKey: far.linkKey }
}

/** Milliseconds from the first message handed over to the last one whole. */
async function transfer(
  { contestant, front, seenAs, linkKey }: Way,
  sender: Host,
  receiver: Host,
  round: number,
  messages: number,
): Promise<number> {
  const common = { contestant, round, messages, messageBytes: MESSAGE_BYTES, linkKey }
  const received = receiver.call('receive', { ...common, peer: seenAs })
  const sentAt = sender.call('send', { ...common, peer: front })
  let timer: NodeJS.Timeout | undefined
  const tooLong = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`${contestant} did not carry a transfer to its end`)), PATIENCE_MS)
  })
  try {
    const [endedAt, startedAt] = await Promise.race([Promise.all([received, sentAt]), tooLong])
    return endedAt - startedAt
  } finally {
    clearTimeout(timer)
  }
}

function rowsOf(
  times: readonly (readonly number[])[],
  { loss, roundTripMs, megabytes }: { readonly loss: number; readonly roundTripMs: number; readonly megabytes: number },
): GoodputRow[] {
  return contestants.map((contestant, index) => {
    const own = times[index] ?? []
    return {
      ...{ loss, roundTripMs, contestant, spread: significant(spread(own)) },
      megabytesPerSecond: significant((megabytes * 1000) / median(own)),
      ratio: significant(ratioOver(own, times[0] ?? [])),
    }
  })
}
