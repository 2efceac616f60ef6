/**
 * Every bound of every table, queue and buffer, in one file (PROTOCOL.md section 11). Those that two
 * implementations must share are marked "protocol"; the rest are this implementation's own.
 */

const KIB = 1024
const MIB = 1024 * KIB
const SECOND_MS = 1000
const MINUTE_MS = 60 * SECOND_MS
const DAY_MS = 24 * 60 * MINUTE_MS

export const limits = {
  // Datagrams and links
  /** Protocol: UDP payload bytes of a datagram. */
  datagramBytes: 1200,
  /** Protocol: and of one on a path that is known to take it. */
  datagramMaxBytes: 1452,
  /** After which larger datagrams are tried again on a path that did not take them. */
  mtuRetryMs: 10 * MINUTE_MS,
  /** Bytes waiting to be sent from which it is worth while to try. */
  mtuProbeFromBytes: 128 * KIB,
  /** Large messages of a session and priority that are sent side by side. */
  messagesInParallel: 4,
  /** Protocol: bytes of a link message, before fragmentation. */
  messageBytes: MIB,
  /** Protocol: packet numbers remembered below the highest received. */
  replayWindowPackets: 8192,
  /** Protocol: packets protected under one key. */
  packetsPerKey: 2 ** 31,
  /** Time, and packets of either direction, after which a session's keys are replaced; how long old ones still open. */
  rekeyMs: 2 * MINUTE_MS,
  rekeyPackets: 2 ** 24,
  rekeyOverlapMs: 10 * SECOND_MS,
  /** Ranges in one ACK frame. */
  ackRanges: 32,
  /** Bytes of half-arrived messages held for one session, and for all of an endpoint. */
  reassemblySessionBytes: 8 * MIB,
  reassemblyTotalBytes: 64 * MIB,
  /** Of these, at most so many from one address, and from one network (/24 of IPv4, /48 of IPv6). */
  reassemblyAddressBytes: 16 * MIB,
  reassemblyNetworkBytes: 32 * MIB,
  /** Age from which the oldest half-arrived message makes way for another. */
  reassemblyEvictMs: 10 * SECOND_MS,
  /** What a half-arrived message, and each separate part or gap, occupies and is charged beside its bytes. */
  reassemblyMessageChargeBytes: 512,
  reassemblyPartChargeBytes: 64,
  /** Half-arrived messages of one session, and gaps in the numbers of those that have arrived. */
  reassemblySessionMessages: 4096,
  /** Separate parts of one half-arrived message. */
  reassemblyParts: 1024,
  /** Bytes a session keeps for sending, unacknowledged ones included. */
  sendQueueBytes: 8 * MIB,
  /** Of those, answers on links that others began: in all, of one address, and of one network (/24 of IPv4, /48 of IPv6). */
  answersTotalBytes: 64 * MIB,
  answersAddressBytes: 16 * MIB,
  answersNetworkBytes: 32 * MIB,
  /** Sessions of one endpoint, and those whose initiator has not yet proved its address. */
  sessions: 8192,
  halfOpenSessions: 1024,
  /** Accepted sessions of one address, and of one network (/24 of IPv4, /48 of IPv6). */
  addressSessions: 2048,
  networkSessions: 4096,
  /** Inits waiting to be answered, and how many are answered a second, with a burst of a quarter of it. */
  handshakeQueue: 256,
  handshakesPerSecond: 1000,
  /** A responder is under load from so many unanswered inits, or half-open sessions, on. */
  handshakeQueueLoad: 32,
  halfOpenLoad: 128,
  /** Under load: handshakes a second of one address and of one network, with a burst of two seconds; sources remembered. */
  addressHandshakesPerSecond: 100,
  networkHandshakesPerSecond: 200,
  handshakeSources: 4096,
  /** Age at which the secret behind cookies is replaced; a cookie counts for once to twice as long. */
  cookieSecretMs: 2 * MINUTE_MS,
  /** Silence after which a session is closed; after which a keepalive is due at first and at most; and how long one that was too long is not tried again. */
  sessionIdleMs: 90 * SECOND_MS,
  keepaliveMs: 15 * SECOND_MS,
  keepaliveMaxMs: 45 * SECOND_MS,
  keepaliveRetryMs: 10 * MINUTE_MS,
  /** Probes without an answer after which another local port is asked for, and how often at most. */
  rebindAfterProbes: 6,
  rebindEveryMs: 30 * SECOND_MS,
  /** Stateless resets, and what looks like them, a second. */
  resetsPerSecond: 100,
  /** After one to two of these the token of an index is another: longer than a session keeps an index. */
  resetTermMs: 10 * MINUTE_MS,
  /** Handshake: first retry, longest wait for another, when a further address is tried as well, and giving up. */
  handshakeRetryMs: 500,
  handshakeRetryMaxMs: SECOND_MS,
  handshakeStaggerMs: 250,
  handshakeTimeoutMs: 5 * SECOND_MS,
  /** Probes of one packet without any answer, after which the session is closed. */
  unansweredProbes: 8,
  /** Least time without an answer before a probe: shorter, and a peer busy for a moment would be probed. */
  probeMinMs: 50,
  /** Protocol: longest time that an acknowledgement waits. */
  ackDelayMs: 10,
  /** Bytes in flight, however well a path does. */
  congestionWindowBytes: 4 * MIB,
  /** Packets given up as lost whose late acknowledgement still counts. */
  retiredPackets: 256,
  /** ACK frames of one packet that are read: each costs a walk over what is in flight. */
  acksPerPacket: 4,
  /** Challenges to a new address of a peer before the old one is gone back to. */
  pathChallenges: 3,
  /** Path challenges of one session waiting for their answer to leave. */
  pathResponses: 4,

  /** Identity keys remembered as checked, in each instance of the core. */
  checkedKeys: 8192,

  // Messages and groups
  /** Protocol: recipients of one request, the sender's own copy among them. */
  copies: 4096,
  /** Protocol: copies times bytes a copy of one request. */
  splitTotalBytes: 64 * MIB,
  /** Output buffer of one `split` call. */
  splitOutputBytes: 16 * MIB,
  /** Protocol: bytes of an application body. */
  bodyBytes: MIB - 64 * KIB,
  /** Protocol: bytes of a personal part. */
  personalPartBytes: 255,
  /** Members of a group. */
  members: 4096,
  /** Local names in a group: of members, of those invited, and of some who departed. */
  petnames: 6144,
  /** Records of a group's history, those of departed members and of repeated invitations among them; and departures. */
  historyRecords: 8192,
  historyDepartures: 4096,
  /** Departures in one content. */
  contentDepartures: 64,
  /** Secrets of a group that are held at one time: the current one, and those that it replaced. */
  groupEpochs: 16,
  /** Protocol: days before today of which a secret may be that is taken: each day costs a hash, and nothing so old is opened. */
  groupSecretDays: 64,
  /** How long after the end of the following day a day's key is kept by a device that has drained its mailbox. */
  dayKeyMarginMs: 120 * MINUTE_MS,
  /** How long after its own departure a member's word of other departures, and its rekeys, still count as said before it. */
  departedGraceMs: 60 * MINUTE_MS,
  /** A needed rekey waits so long, and so much longer for each member that is senior; and a random part of as much more. */
  rekeyWaitMs: 5 * SECOND_MS,
  rekeyRankMs: 20 * SECOND_MS,
  /** A history that differs is asked for after once to twice this time without news, longer in larger groups. */
  askQuietMs: 30 * SECOND_MS,
  askMemberMs: 50,
  /** Members asked in turn before a device waits for the next announcement. */
  askTries: 8,
  /** A member is asked without an occasion after half to one and a half of this time, and after a start in once to three times that. */
  checkMs: DAY_MS,
  checkStartMs: 5 * MINUTE_MS,
  /** A group whose other members have all been silent for so long, though each asks somebody daily, is told to the user. */
  groupSilenceMs: 7 * DAY_MS,
  /** A member is answered once in this time, and so many in all. */
  answerPauseMs: MINUTE_MS,
  answersPerPause: 16,
  /** Members that one change brings a new secret to in person. */
  updates: 64,
  /** Groups of a device. */
  groups: 256,
  /** Bytes of a group's or member's local name. */
  nameBytes: 64,
  /** Bytes of a passphrase, at least and at most. */
  passphraseMinBytes: 12,
  passphraseMaxBytes: 1024,
  /** Guesses that a passphrase has to withstand, as a power of ten. */
  passphraseGuessesLog10: 14,
  /** Invitations made and not yet answered. */
  pendingInvitations: 2048,
  /** Newcomers are introduced together: after this quiet time, or this long after the first, whichever comes earlier. */
  introduceQuietMs: SECOND_MS,
  introduceWaitMs: 10 * SECOND_MS,
  /** Bytes of one content with member records. */
  membersContentBytes: 32 * KIB,
  /** Protocol: life of an invitation. */
  invitationLifeMs: 14 * DAY_MS,
  /** Messages held that no key opens, small enough for invitations. Longer than these live, so that a late one is told as such. */
  unopenedMessages: 512,
  unopenedBytes: MIB,
  unopenedLifeMs: 21 * DAY_MS,
  /** Larger ones that no key opens: the key, or the invitation into their group, may still come. */
  unreadMessages: 64,
  unreadBytes: MIB,
  unreadLifeMs: 14 * DAY_MS,
  /** Message ids remembered so that none is handed on twice. */
  handedOnIds: 262_144,
  /** Protocol: age past which a message is refused: CS's retention plus skew. */
  messageLifeMs: 15 * DAY_MS,
  /** Protocol: how far ahead of the local clock a message may be dated. */
  clockSkewMs: 60 * MINUTE_MS,
  /** A device's inbox, until the application acknowledges. */
  inboxMessages: 10_000,
  inboxBytes: 256 * MIB,
  /** Messages of a device that are not proven stored. */
  outgoingMessages: 4096,
  outgoingBytes: 256 * MIB,
  /** Messages of cover traffic held at one time, and those really sent that it takes its sizes from. */
  coverMessages: 16,
  coverShapes: 32,
  /** Points of own copies on their way back. */
  ownCopies: 16_384,
  /** Requests under way to first proxies at one time, and sessions with first proxies, idle ones included. */
  requestsUnderWay: 16,
  firstProxySessions: 64,
  /** Idle time after which a session with a first proxy is closed. */
  firstProxyIdleMs: 30 * SECOND_MS,
  /** First proxies tried for one request before it has failed. */
  sendTries: 4,
  /** Rounds of sending, the first included, before a message is given up: a user's, and what a group says to itself. */
  sendRounds: 4,
  groupSendRounds: 10,
  /** After once to twice this time S first asks for receipts; half as long again each time. */
  receiptWaitMs: 1_200,
  /** How long the first round waits for proof, and a refused recipient for the next; doubled each round, up to the last. */
  proofMs: 20 * SECOND_MS,
  refusedPauseMs: 20 * SECOND_MS,
  lastRoundMs: 10 * MINUTE_MS,
  /** Requests that a round is split over, and the time over which they spread; doubled each round. */
  roundRequests: 3,
  roundSpreadMs: 2 * SECOND_MS,
  /** Failures in a row from which on a proxy is avoided, and for how long at first and at most. */
  proxyFailures: 2,
  avoidMs: 10 * MINUTE_MS,
  avoidMaxMs: 120 * MINUTE_MS,
  /** First proxies that a device keeps to, those that stand in for them included; how long at least and at most. */
  guards: 64,
  guardLifeMinMs: 21 * DAY_MS,
  guardLifeMaxMs: 42 * DAY_MS,
  /** One that is missing from the directory, or has failed so often without a success in between, for that long is replaced. */
  guardAwayMs: 3 * DAY_MS,
  guardFailures: 8,
  /** Digests of directories that a device remembers to have been given; members that announced others; the longest that one is on its way. */
  directoriesRemembered: 256,
  directoryAnnouncers: 64,
  directorySettleMs: MINUTE_MS,
  /** How long a command waits for a directory. */
  directoryWaitMs: 10 * SECOND_MS,
  /** How long a message waits for enough proxies to be listed. */
  proxiesWaitMs: 3 * SECOND_MS,
  /** Messages held because their sender is not in the list yet: its introduction may still be under way. */
  earlyMessages: 64,
  earlyBytes: MIB,
  earlyLifeMs: DAY_MS,

  // Proxies
  /** Copies waiting their random time at a proxy. */
  waitingCopies: 65_536,
  waitingBytes: 256 * MIB,
  /** Messages a proxy holds for a next hop. */
  forwardMessages: 16_384,
  forwardBytes: 256 * MIB,
  /** Request points remembered per window, against replay; those of one network no more than it leaves free. */
  requestReplays: 524_288,
  /** Links a proxy keeps to other proxies, and the idle time after which one is closed: receipts come back on it. */
  nextHops: 1024,
  nextHopIdleMs: 5 * MINUTE_MS,
  /** How long after its acknowledgement a message may be refused by a `busy`, and what is kept for that time. */
  busyWithinMs: 2 * SECOND_MS,
  retainedMessages: 4096,
  retainedBytes: 64 * MIB,
  /** Requests whose receipts a first proxy waits for or keeps, the bytes of those, and for how long. */
  tickets: 65_536,
  ticketBytes: 64 * MIB,
  ticketLifeMs: 30 * MINUTE_MS,
  /** Requests whose tokens a second proxy gathers for their first, and bytes of those. */
  gatherings: 131_072,
  gatheringBytes: 64 * MIB,
  /** Receipts a second that one link may ask a first proxy for, and at once. */
  linkAsksPerSecond: 64,
  linkAsksBurst: 1024,
  /** Copies a second that a proxy makes for what comes by one link, and at once: many of the largest requests. */
  linkCopiesPerSecond: 32_768,
  linkCopiesBurst: 65_536,
  /** Nodes that a proxy dials for CS at one time. */
  dialBacks: 32,
  /** A message that no next hop has taken by then is given up. */
  forwardHoldMs: 2 * MINUTE_MS,
  /** Protocol: a copy is worthless once its slot window and both neighbours are over. */
  copyHoldMs: 20 * MINUTE_MS,
  /** A copy that CS has not answered by then is sent again. */
  copyAnswerMs: MINUTE_MS,
  /** For which a proxy's own traffic is counted, before it is said to be low or not for as long. */
  trafficPeriodMs: MINUTE_MS,
  /** How long an extra proxy has to bring an answer, beyond its random wait, and how many are tried before a copy goes directly. */
  extraHopAnswerMs: 4 * SECOND_MS,
  extraHopTries: 2,
  /** Requests being unsealed at one time, and their bytes; past it the sender is told to try elsewhere. */
  openingRequests: 512,
  openingBytes: 128 * MIB,
  /** One slice of a split: copies, and bytes of copies, before other work gets its turn. */
  splitStepCopies: 64,
  splitStepBytes: 4 * MIB,
  /** A thread without jobs for so long forgets the request it has prepared. */
  preparedIdleMs: 200,

  // Server
  /** Devices known to a server. */
  devices: 1_048_576,
  /** Proxies in a directory. */
  proxies: 4096,
  /** Bytes of all its entries: it is one link message, with room for its own fields. */
  directoryEntriesBytes: MIB - KIB,
  /** Proxies with a link that are listed or may come to be; rounds of finding out whether they are reached, at one time. */
  proxyCandidates: 4096,
  dialRounds: 64,
  /** Rounds that dial one host, and one network (/24 of IPv4, /48 of IPv6), at once, and the time in which as many come back; sources remembered. */
  dialHostBurst: 8,
  dialNetworkBurst: 64,
  dialRefillMs: 10 * MINUTE_MS,
  dialSources: 4096,
  /** Entries that are gone from it and remembered, so that who holds an earlier one can be told the difference. */
  proxiesGone: 4096,
  /** A device's mailbox. */
  mailboxCopies: 10_000,
  mailboxBytes: 64 * MIB,
  mailboxLifeMs: 14 * DAY_MS,
  /** All mailboxes together. */
  storedCopies: 4_194_304,
  storedBytes: 64 * KIB * MIB,
  /** Copies that came in and are not yet durable; past it, and past what their network leaves free, a proxy is told to try later. */
  intakeCopies: 32_768,
  intakeBytes: 128 * MIB,
  /** Copies opened in one job, and their bytes. */
  openStepCopies: 64,
  openStepBytes: 4 * MIB,
  /** Jobs of a node that wait for a worker thread; its role's own bounds keep it below. */
  jobsWaiting: 1024,
  /** Worker threads of a node. */
  workers: 64,
  /** Payloads kept in memory between the disk and a connected device. */
  deliveryCacheBytes: 64 * MIB,
  /** Slot points remembered per window, against replay; those of one network no more than it leaves free. */
  slotReplays: 2_097_152,
  /** Copies under way to one device without its confirmation. */
  deliveriesInFlight: 256,
  deliveryInFlightBytes: 4 * MIB,
  /** Bytes of those to all devices from which on each has an equal part of as many. */
  deliveriesTotalBytes: 512 * MIB,
  /** Protocol: validity of a directory. */
  directoryLifeMs: DAY_MS,
  /** Addresses in a proxy entry or network card. */
  addresses: 8,
  /** Bytes of a DNS name. */
  dnsNameBytes: 253,

  /** Outcomes of messages kept for programs that read them slowly. */
  outcomes: 1024,

  /** Bytes of one entry of a store in a backup: more than any entry has. */
  backupRecordBytes: 8 * MIB,

  // Local control
  /** Bytes of one command to a running node. */
  controlRequestBytes: 4 * MIB,
  /** Bytes of a reply, or of one line of a stream of replies. */
  controlReplyBytes: 4 * MIB,
  /** Commands under way at one time. */
  controlConnections: 256,
  /** Messages handed to one listener and not yet confirmed by it. */
  controlUnconfirmed: 64,
  /** Invitations that one command has under way at one time. */
  invitationsAtOnce: 32,
} as const
