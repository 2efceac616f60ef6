/**
 * What the commands and a running node say to each other over the control socket, as schemas: a call has one reply, a
 * stream has items until its reader leaves. Everything is JSON over HTTP; bodies travel as base64. Both ends parse what
 * they read: the socket is private to its user, but the programs at its ends may be of two releases.
 */
import { z } from 'zod'
import { limits } from '../../base/limits.js'
import { type StandingReason, type StandingState, standingReasons, standingStates } from '../../wire/message.js'
import { isErrorCode } from '../exit-codes.js'

/** In the path of every request: another version's is refused. */
export const CONTROL_VERSION = 1

const count = z.number().int().nonnegative()
const hexId = z.string().regex(/^[0-9a-f]{16}$/)
const hexDigest = z.string().regex(/^[0-9a-f]{64}$/)
/** Texts that a user types; what they mean is checked by the node. */
const name = z.string().max(4 * limits.nameBytes)
const passphrase = z.string().max(limits.passphraseMaxBytes)
const base64 = z.base64()
const endpoint = z.object({ host: z.string(), port: count })

const traffic = z.object({ datagrams: count, payloadBytes: count })
const linkCounters = z.object({
  sent: traffic,
  received: traffic,
  sentHandshake: traffic,
  sentAckOnly: traffic,
  sentRetransmitted: traffic,
})
const drops = z.record(z.string(), count)
/** By the code of the system. */
const sendErrors = z.record(z.string(), count)

const directory = z.object({
  version: count,
  issuedAt: z.iso.datetime(),
  validUntil: z.iso.datetime(),
  proxies: z.array(hexId),
  fingerprint: z.string(),
  announced: z.object({ same: count, other: z.array(z.object({ id: hexId, at: z.iso.datetime() })) }),
})

/** There where no other member of a group has been heard from for over a week, and since when. */
const unheardSince = z.iso.datetime().optional()

/** The link to the server: since when it is up, or when it is next tried. */
const serverLink = z.object({
  upSince: z.iso.datetime().nullable(),
  retryAt: z.iso.datetime().nullable(),
  reconnects: count,
  roundTripMs: z.number().nonnegative().nullable(),
})

const proxyStatus = z.object({
  id: hexId,
  address: endpoint,
  connected: z.boolean(),
  serverLink,
  listed: z.boolean(),
  standing: z
    .object({
      address: endpoint.nullable(),
      state: z.enum(Object.keys(standingStates) as [StandingState, ...StandingState[]]),
      reason: z.enum(Object.keys(standingReasons) as [StandingReason, ...StandingReason[]]),
      reached: count,
      unreached: count,
      at: z.iso.datetime(),
    })
    .nullable(),
  waitingCopies: count,
  forwardedMessages: count,
  splitRequests: count,
  sentCopies: count,
  mixing: z.object({
    meanWaitMs: count,
    meanForwardWaitMs: count,
    extraHopBelow: count,
    copiesPerSecond: z.number().nonnegative(),
    extraHop: z.boolean(),
    detouredCopies: count,
    unansweredDetours: count,
    passedCopies: count,
  }),
  links: z.object({
    senders: linkCounters,
    fromProxies: linkCounters,
    toProxies: linkCounters,
    server: linkCounters,
  }),
  drops,
  sendErrors,
})

/** The build of the core that runs: `fused` or `integer`. */
const core = z.string()

const nodeStatus = z.object({
  kind: z.literal('node'),
  pid: count,
  core,
  id: hexId,
  address: z.string(),
  localAddress: endpoint,
  /** Whether a passphrase guards the data directory. */
  sealed: z.boolean(),
  connected: z.boolean(),
  serverLink,
  directory: directory.nullable(),
  /** Null where the device takes all. */
  firstProxies: z
    .array(z.object({ id: hexId, until: z.iso.datetime(), state: z.enum(['usable', 'unreached', 'unlisted']) }))
    .nullable(),
  groups: z.array(
    z.object({
      name: z.string(),
      members: count,
      departures: count,
      listDigest: hexDigest,
      epoch: count,
      unheardSince,
    }),
  ),
  unopened: count,
  inbox: count,
  outgoing: count,
  unproven: count,
  cover: z.object({ meanMs: count, made: count, skipped: count }).nullable(),
  links: z.object({ server: linkCounters, proxies: linkCounters }),
  drops,
  sendErrors,
  proxy: proxyStatus.nullable(),
})

const serverStatus = z.object({
  kind: z.literal('server'),
  pid: count,
  core,
  id: hexId,
  sealed: z.boolean(),
  card: z.string(),
  localAddress: endpoint,
  directoryVersion: count,
  proxies: z.array(hexId),
  devicesKnown: count,
  devicesConnected: count,
  storedCopies: count,
  acceptedCopies: count,
  deliveredCopies: count,
  links: z.object({ proxies: linkCounters, devices: linkCounters, others: linkCounters }),
  drops,
  sendErrors,
})

const status = z.discriminatedUnion('kind', [nodeStatus, serverStatus])

/** `removed` where this device is no longer one of the members. */
const group = z.object({ name: z.string(), members: count, removed: z.literal(true).optional(), unheardSince })
const member = z.object({
  id: hexId,
  name: z.string().nullable(),
  role: z.enum(['creator', 'member']),
  inviter: hexId,
  since: z.iso.datetime(),
  self: z.boolean(),
})
const pendingInvitation = z.object({
  group: z.string(),
  id: hexId,
  name: z.string().nullable(),
  invitedAt: z.iso.datetime(),
  expiresAt: z.iso.datetime(),
})
const padding = z.enum(['none', 'classes', 'cell'])
const decoys = z.enum(['none', 'power'])

/** What one message cost its sender; see UploadReport. */
const uploadReport = z.object({
  messageId: hexId,
  recipients: count,
  slots: count,
  decoys: count,
  bodyBytes: count,
  uploadBytes: count,
  datagrams: count,
  paddingBytes: count,
  furtherDatagramBytes: count,
  fixedBytes: z.number().int(),
  copyBytes: count,
  deliveryBytes: count,
})

/** Who has a message, as far as it is proven; see SendOutcome. */
const sendOutcome = z.object({
  messageId: hexId,
  recipients: count,
  stored: count,
  unproven: z.array(
    z.object({ id: hexId, name: z.string().nullable(), reason: z.enum(['refused', 'noProof', 'departed']) }),
  ),
})

/** A received message as `listen --json` prints it. */
const received = z.object({
  group: z.string(),
  sender: hexId,
  senderName: z.string().nullable(),
  messageId: hexId,
  sentAt: z.iso.datetime(),
  direct: z.boolean(),
  bodyBase64: base64,
})

/** Calls: one request, one reply. */
export const calls = {
  status: { request: z.object({}), reply: status },
  createGroup: { request: z.object({ name }), reply: group },
  groups: { request: z.object({}), reply: z.object({ groups: z.array(group) }) },
  members: {
    request: z.object({ group: name }),
    reply: z.object({ members: z.array(member), fingerprint: z.string(), unheardSince }),
  },
  invite: {
    request: z.object({ group: name, address: z.string().max(1024), passphrase, as: name.optional() }),
    reply: z.object({ id: hexId }),
  },
  join: {
    request: z.object({ passphrase, as: name.optional() }),
    reply: z.object({ groups: z.array(group) }),
  },
  /** Drops what the passphrase opens, or all that waits. */
  decline: {
    request: z.object({ passphrase: passphrase.optional() }),
    reply: z.object({ messages: count, invitations: z.array(z.object({ name: z.string(), inviter: hexId })) }),
  },
  /** Invitations without an answer, of one group or of all. */
  pending: {
    request: z.object({ group: name.optional() }),
    reply: z.object({ invitations: z.array(pendingInvitation) }),
  },
  rename: {
    request: z.object({ group: name, device: z.string().max(1024), as: name }),
    reply: z.object({ id: hexId }),
  },
  leave: { request: z.object({ group: name }), reply: z.object({}) },
  /** Ids of those removed, and how many are left. */
  remove: {
    request: z.object({ group: name, devices: z.array(z.string().max(1024)).min(1).max(limits.members) }),
    reply: z.object({ removed: z.array(hexId), members: count }),
  },
  uninvite: {
    request: z.object({ group: name, device: z.string().max(1024) }),
    reply: z.object({ id: hexId }),
  },
  send: {
    request: z.object({
      group: name,
      bodyBase64: base64,
      padding: padding.optional(),
      decoys: decoys.optional(),
      direct: z.object({ to: z.string().max(1024) }).optional(),
      wait: z.boolean().optional(),
    }),
    reply: uploadReport.extend({ outcome: sendOutcome.nullable() }),
  },
  /** Confirms messages of a `messages` stream that is still open. */
  acknowledge: {
    request: z.object({ stream: z.uuid(), sequences: z.array(count).max(limits.controlUnconfirmed) }),
    reply: z.object({}),
  },
} as const

/** Streams: one request, items until either side ends. */
export const streams = {
  /** How many messages wait that no key opens, now and at each change. */
  invitations: { request: z.object({}), item: z.object({ waiting: count }) },
  /** Names the stream first, then one item a message. */
  messages: {
    request: z.object({ group: name.optional() }),
    item: z.union([z.object({ stream: z.uuid() }), z.object({ sequence: count, message: received })]),
  },
  /** The bytes of a backup, piece by piece; not encrypted where there is no passphrase. */
  backup: {
    request: z.object({ passphrase: passphrase.nullable() }),
    item: z.object({ dataBase64: base64, doneBytes: count, totalBytes: count }),
  },
  /** Stops the node; the stream ends when its process does. */
  stop: { request: z.object({}), item: z.object({ pid: count }) },
} as const

export type CallName = keyof typeof calls
export type StreamName = keyof typeof streams
export type CallRequest<N extends CallName> = z.output<(typeof calls)[N]['request']>
export type CallReply<N extends CallName> = z.output<(typeof calls)[N]['reply']>
export type StreamRequest<N extends StreamName> = z.output<(typeof streams)[N]['request']>
export type StreamItem<N extends StreamName> = z.output<(typeof streams)[N]['item']>

export type NodeStatus = z.output<typeof nodeStatus>
export type ServerStatus = z.output<typeof serverStatus>
export type SendReply = z.output<(typeof calls)['send']['reply']>
export type Received = z.output<typeof received>
export type LinkCountersReply = z.output<typeof linkCounters>

/** A refusal, instead of a reply or as the last line of a stream. */
export const refusal = z.object({
  code: z.string().refine(isErrorCode),
  message: z.string(),
})

/** One line of a stream. */
export const streamLine = z.union([z.object({ item: z.unknown() }), z.object({ refusal })])

export function isCallName(text: string): text is CallName {
  return Object.hasOwn(calls, text)
}

export function isStreamName(text: string): text is StreamName {
  return Object.hasOwn(streams, text)
}
