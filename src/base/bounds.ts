/**
 * Which of the limits a link, a proxy and a server are handed as numbers, so that a test of what happens at one of them
 * may hand in less.
 */
import type { limits } from './limits.js'

type Numbers<Bound extends keyof typeof limits> = { readonly [Each in Bound]: number }

/** Of a link. */
export type LinkLimits = Numbers<
  | 'packetsPerKey'
  | 'rekeyMs'
  | 'rekeyPackets'
  | 'rekeyOverlapMs'
  | 'reassemblySessionBytes'
  | 'reassemblyTotalBytes'
  | 'reassemblyAddressBytes'
  | 'reassemblyNetworkBytes'
  | 'reassemblyEvictMs'
  | 'reassemblySessionMessages'
  | 'reassemblyParts'
  | 'sendQueueBytes'
  | 'answersTotalBytes'
  | 'answersAddressBytes'
  | 'answersNetworkBytes'
  | 'sessions'
  | 'halfOpenSessions'
  | 'addressSessions'
  | 'networkSessions'
  | 'handshakeQueue'
  | 'handshakesPerSecond'
  | 'handshakeQueueLoad'
  | 'halfOpenLoad'
  | 'addressHandshakesPerSecond'
  | 'networkHandshakesPerSecond'
  | 'handshakeSources'
  | 'sessionIdleMs'
  | 'keepaliveMs'
  | 'keepaliveMaxMs'
  | 'resetsPerSecond'
  | 'handshakeRetryMs'
  | 'handshakeRetryMaxMs'
  | 'handshakeStaggerMs'
  | 'handshakeTimeoutMs'
  | 'unansweredProbes'
>

/** Of a proxy. */
export type ProxyLimits = Numbers<
  | 'openingRequests'
  | 'openingBytes'
  | 'tickets'
  | 'ticketBytes'
  | 'ticketLifeMs'
  | 'gatherings'
  | 'gatheringBytes'
  | 'linkAsksPerSecond'
  | 'linkAsksBurst'
  | 'linkCopiesPerSecond'
  | 'linkCopiesBurst'
>

/** Of a server. */
export type ServerLimits = Numbers<
  | 'devices'
  | 'proxies'
  | 'directoryEntriesBytes'
  | 'proxiesGone'
  | 'proxyCandidates'
  | 'dialRounds'
  | 'dialHostBurst'
  | 'dialNetworkBurst'
  | 'dialRefillMs'
  | 'dialSources'
  | 'mailboxCopies'
  | 'mailboxBytes'
  | 'mailboxLifeMs'
  | 'storedCopies'
  | 'storedBytes'
  | 'intakeCopies'
  | 'intakeBytes'
  | 'slotReplays'
  | 'deliveriesInFlight'
  | 'deliveryInFlightBytes'
  | 'deliveriesTotalBytes'
  | 'deliveryCacheBytes'
>
