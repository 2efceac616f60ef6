/**
 * The parts of a proxy, made and tied together: which of them there are, and what each is handed of the others. What comes
 * in and goes out finds its way among them in proxy.ts.
 */
import type { ProxyLimits } from '../../base/bounds.js'
import { toHex } from '../../base/bytes.js'
import type { DropCode } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import type { Millis } from '../../base/time.js'
import { nodeIdOf } from '../../group/identity.js'
import type { createEndpoint } from '../../link/endpoint.js'
import type { LinkEndpoint, SessionId } from '../../link/link.js'
import { encodeMessage } from '../../wire/message.js'
import { LinkTotals } from '../link-totals.js'
import type { ProxyOptions } from '../proxy.js'
import type { Reference, Write } from '../role.js'
import { createServerLink } from '../server-link/create.js'
import type { ServerLink } from '../server-link.js'
import type { Work } from '../work.js'
import { DialBacks } from './dial-backs.js'
import { type Handing, ReceiptGathering } from './gathering.js'
import { LinkRates } from './link-rates.js'
import { Listing } from './listing.js'
import { Mixing } from './mixing.js'
import { NextHops } from './next-hops.js'
import { RequestReplays } from './replays.js'
import { Requests } from './requests.js'
import { Strangers } from './strangers.js'
import { Tickets } from './tickets.js'

/** Makes the endpoint that a role speaks through. */
export type MakeEndpoint = typeof createEndpoint

/** What the machine gives its parts. */
export interface Surroundings {
  readonly options: ProxyOptions
  readonly bounds: ProxyLimits
  readonly work: Work
  /** Has this written; `persisted` comes with the reference. */
  readonly persist: (writes: readonly Write[]) => Reference
  readonly drop: (code: DropCode) => void
}

/** What has a part in carrying messages to others. */
interface Carriers {
  readonly endpoint: LinkEndpoint
  readonly totals: LinkTotals<'senders' | 'fromProxies' | 'toProxies' | 'server'>
  readonly serverLink: ServerLink
  readonly nextHops: NextHops
  /** As P1. */
  readonly tickets: Tickets
  readonly copyRates: LinkRates
  readonly mixing: Mixing
}

export interface ProxyParts extends Carriers {
  readonly listing: Listing
  readonly dialBacks: DialBacks
  readonly replays: RequestReplays
  readonly requests: Requests
  /** As P2. */
  readonly gathering: ReceiptGathering
  readonly strangers: Strangers
}

const NO_ACCESS_CODE = new Uint8Array(2)

/** Throws `NETWORK_CARD_MALFORMED` for a card that names no server. */
export function createParts(surroundings: Surroundings, makeEndpoint: MakeEndpoint): ProxyParts {
  const { options, bounds, persist } = surroundings
  const { crypto, random, meanWaitMs, self } = options
  const carriers = createCarriers(options, bounds, makeEndpoint)
  const { endpoint, serverLink } = carriers
  const listing = new Listing(options, persist)
  const replays = new RequestReplays(crypto)
  const gathering = new ReceiptGathering({
    random,
    meanWaitMs,
    holdMs: limits.copyHoldMs,
    bounds,
    hand: (now, session, ticket, tokens) => hand(endpoint, now, session, ticket, tokens),
  })
  const requests = new Requests({
    ...options,
    ...surroundings,
    gathering,
    replays,
    rates: carriers.copyRates,
    copies: carriers.mixing.copies,
    peerHost: (session) => endpoint.peer(session)?.address.host,
    keys: (now) => listing.keys(now),
  })
  const strangers = createStrangers(surroundings, carriers, requests)
  const dialBacks = new DialBacks(crypto, endpoint, self, (now, nonce, reached) => {
    const result = encodeMessage('dialBackResult', { nonce, reached: reached ? 'yes' : 'no' })
    if (serverLink.session !== undefined) endpoint.send(now, serverLink.session, result, 'receipt')
  })
  return { ...carriers, listing, replays, gathering, requests, strangers, dialBacks }
}

function createCarriers(options: ProxyOptions, bounds: ProxyLimits, makeEndpoint: MakeEndpoint): Carriers {
  const { crypto, random, self, server, meanForwardWaitMs } = options
  const endpoint = makeEndpoint({ linkSecret: self.identity.linkSecret }, crypto, random)
  const serverLink = createServerLink({
    context: options,
    endpoint,
    server,
    self,
    role: 'proxy',
    accessCode: NO_ACCESS_CODE,
  })
  const nextHops = new NextHops(endpoint, random, meanForwardWaitMs)
  const tickets = new Tickets(random, bounds)
  const copyRates = new LinkRates(bounds.linkCopiesPerSecond, bounds.linkCopiesBurst)
  const mixing = new Mixing(options, {
    endpoint,
    server: nodeIdOf(crypto, server.identityKey),
    nextHops,
    tickets,
    rates: copyRates,
    directory: () => serverLink.directory,
  })
  return { endpoint, totals: new LinkTotals(endpoint), serverLink, nextHops, tickets, copyRates, mixing }
}

function createStrangers({ options, bounds, drop }: Surroundings, carriers: Carriers, requests: Requests): Strangers {
  const { crypto, self, server, observe } = options
  const { endpoint, totals, serverLink, nextHops, tickets, mixing } = carriers
  return new Strangers({
    endpoint,
    observe,
    ids: { own: toHex(self.id), server: toHex(nodeIdOf(crypto, server.identityKey)) },
    directory: () => serverLink.directory,
    requests,
    passing: mixing.passing,
    nextHops,
    tickets,
    askRates: new LinkRates(bounds.linkAsksPerSecond, bounds.linkAsksBurst),
    isNeighbour: (session) => totals.assign(session, 'fromProxies'),
    drop,
  })
}

function hand(
  endpoint: LinkEndpoint,
  now: Millis,
  session: SessionId,
  ticket: Uint8Array,
  tokens: Uint8Array,
): Handing {
  if (endpoint.peer(session) === undefined) return 'noLink'
  const number = endpoint.send(now, session, encodeMessage('receipts', { ticket, tokens }), 'receipt')
  return number === undefined ? 'noRoom' : 'handed'
}
