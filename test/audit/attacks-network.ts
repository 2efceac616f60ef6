/** Attacks on networks of production machines: replays, junk, invented receipts, false message ids, floods. */
import { concat, equal, groupId, type NodeId, nodeId, toHex, utf8 } from '../../src/base/bytes.js'
import { labels } from '../../src/base/labels.js'
import type { RandomBytes } from '../../src/base/random.js'
import { slotWindow, utcDay } from '../../src/base/time.js'
import type { Crypto, SplitRequest } from '../../src/crypto/crypto.js'
import { newMessageId, sealContent } from '../../src/group/content.js'
import { assembleRequest } from '../../src/group/request.js'
import { OPENED_COPY_OVERHEAD_BYTES } from '../../src/group/sizes.js'
import { HandedOn } from '../../src/role/device/handed-on.js'
import { Storage } from '../../src/role/device/storage.js'
import { type Job, type JobResult, runJob } from '../../src/role/jobs.js'
import { messageKinds } from '../../src/wire/message.js'
import { seeded } from '../base/seeded.js'
import { valuesOf } from '../sim/knowledge.js'
import { START } from '../sim/virtual-network.js'
import { crypto, type DeviceActor, World, type WorldOptions } from '../sim/world.js'
import type { Attack, Outcome } from './attack.js'
import { copyMessage, innerCopies, Stranger, sealCopy, sealedCopies } from './hands.js'

const GROUP = 'gardeners'
const MEMBERS = 4
const QUIET_MS = 5_000
/** Longer than custody takes to send again. */
const CUSTODY_MS = 120_000
const MESSAGES = 12
const FLOOD = 200
const NOTHING = new Uint8Array(0)

export function attacksOnNetworks(seed: number): Attack[] {
  return [
    {
      claim: 'P1 hands P2 a request once more: P2 splits it once, so CS is shown no slot point twice',
      run: () => replayedRequest(seed),
      undefended: [{ name: 'a P2 that forgets what it has split', run: () => replayedRequest(seed, forgetful) }],
    },
    {
      claim: 'P2 sends copies again in fresh outer seals: CS stores each slot point once, so no recipient is sent more',
      run: () => replayedCopies(seed),
      undefended: [{ name: 'a CS that forgets slot points', run: () => replayedCopies(seed, forgettingSlots) }],
    },
    {
      claim:
        'P2 puts junk under a right slot: the receipt does not fit the copy, S sends again by others, and the recipient has the message once',
      run: () => lyingSplitter(seed, 'junk'),
      undefended: [
        { name: 'receipts that do not cover the copy', run: () => lyingSplitter(seed, 'junk', loose(false)) },
      ],
    },
    {
      claim:
        "P2 keeps a recipient's copy back and has CS answer for a decoy of its own: the receipt does not fit, and S sends again",
      run: () => lyingSplitter(seed, 'decoy'),
      undefended: [
        { name: 'receipts without a key of their slot', run: () => lyingSplitter(seed, 'decoy', loose(true)) },
      ],
    },
    {
      claim:
        'a member sends under the id of another’s message, in its own name before it and in the other’s name after it: the true message is handed on, and the false one never as the other’s',
      run: () => borrowedId(seed),
      undefended: [
        { name: 'signatures are not looked at', run: () => borrowedId(seed, credulous) },
        { name: 'a record of what was handed on without senders', run: sharedRecord },
      ],
    },
    {
      claim: `${FLOOD} copies for one mailbox by who knows its id and no access code: none is stored, and it takes a member's message; a code is 1 of 65,536`,
      run: () => flood(seed, false),
      undefended: [{ name: 'the access code is known', run: () => flood(seed, true) }],
    },
  ]
}

function network(seed: number, options: Partial<WorldOptions> = {}): World {
  const groups = [{ name: GROUP, members: Array.from({ length: MEMBERS }, (_, i) => i) }]
  return new World({ seed, devices: MEMBERS, proxies: 3, groups, ...options })
}

/** A Crypto for the nodes whose name begins so. */
function only(kind: string, change: (real: Crypto) => Crypto) {
  return { cryptoOf: (name: string) => (name.startsWith(kind) ? change(crypto) : crypto) }
}

/** The name under which P2 remembers a request is another each time. */
const forgetful = only('proxy', (real) => {
  let times = 0
  return {
    ...real,
    hash: (...parts) =>
      parts.length === 1 && parts[0]?.length === 32 ? real.hash(...parts, utf8(`${times++}`)) : real.hash(...parts),
  }
})

/** And that under which CS remembers a slot point. */
const forgettingSlots = only('server', (real) => {
  let times = 0
  return {
    ...real,
    hmac: (key, ...parts) =>
      parts[0] !== undefined && equal(parts[0], labels.slotReplay)
        ? real.hmac(key, ...parts, utf8(`${times++}`))
        : real.hmac(key, ...parts),
  }
})

const credulous = only('device', (real) => ({ ...real, verify: () => true }))

/** Tokens that are not bound to the copy; and, where the key does not count either, to nothing but the verdict. */
function loose(withoutKey: boolean): (real: Crypto) => Crypto {
  return (real) => {
    const token: Crypto['receiptToken'] = (key, verdict) =>
      real.receiptToken(withoutKey ? new Uint8Array(32) : key, verdict, NOTHING)
    return {
      ...real,
      receiptToken: token,
      expectedTokens: (_, keys, verdict, from, count) =>
        concat(
          ...Array.from({ length: count }, (_, i) =>
            token(keys.subarray(32 * (from + i), 32 * (from + i + 1)), verdict, NOTHING),
          ),
        ),
    }
  }
}

/** An attack that never reached what it is against would prove nothing. */
function arrived(count: number, least: number): void {
  if (count < least) throw new Error(`${count} of ${least} attempts arrived`)
}

function dropped(world: World, code: string): number {
  return world.network.nodes.reduce((sum, node) => sum + node.dropped(code), 0)
}

function replayedRequest(seed: number, options: Partial<WorldOptions> = {}): Outcome {
  const world = network(seed, options)
  // Each by proxies drawn anew: one of them is for another P2 than the proxy that strangers speak to.
  for (let i = 0; i < MESSAGES; i++) world.send(world.device(i % MEMBERS), GROUP, utf8('once'))
  world.network.runFor(QUIET_MS)
  const request = requestOf(world)
  const before = splits(world)
  new Stranger(world, '203.0.113.200').forward(request.nextHop, [request.message])
  const again = splits(world) - before
  const shown = world.server.node.dropped('COPY_REPLAY')
  arrived(again + dropped(world, 'REQUEST_REPLAY'), 1)
  return {
    succeeded: again > 0 && shown > 0,
    measured: `split ${again} times more, CS shown ${shown} slot points twice`,
  }
}

function splits(world: World): number {
  return world.proxies.reduce((sum, { node }) => sum + node.machine.status().splitRequests, 0)
}

/** The first request that came to a P1 for another proxy than the one that strangers speak to. */
function requestOf(world: World): { nextHop: NodeId; message: Uint8Array } {
  const first = toHex(world.proxies[0]?.self.id ?? NOTHING)
  for (const { read } of world.proxies) {
    const hops = valuesOf(read, 'forward', 'nextHop')
    const messages = valuesOf(read, 'forward', 'message')
    for (const [i, hop] of hops.entries()) {
      const message = messages[i]
      if (message?.[0] === messageKinds.request && toHex(hop) !== first) return { nextHop: hop as NodeId, message }
    }
  }
  throw new Error('a request by other proxies than the first')
}

function replayedCopies(seed: number, options: Partial<WorldOptions> = {}): Outcome {
  const random = seeded(seed + 1)
  let request: SplitRequest | undefined
  const world = network(seed, {
    ...options,
    run: (job) => {
      if (job.type === 'split') request = structuredClone(job.request)
      return runJob(crypto, job)
    },
  })
  world.send(world.device(0), GROUP, utf8('once'))
  world.network.runFor(QUIET_MS)
  if (request === undefined) throw new Error('a request that was split')
  const before = world.server.node.machine.status().acceptedCopies
  const again = sealedCopies(crypto, random, request).map(copyMessage)
  new Stranger(world, '203.0.113.200').forward(world.server.self.id, again)
  const stored = world.server.node.machine.status().acceptedCopies - before
  arrived(stored + dropped(world, 'COPY_REPLAY'), again.length)
  return { succeeded: stored > 0, measured: `${stored} of ${again.length} stored again` }
}

type Lie = 'junk' | 'decoy'

/** A P2 that lies about one copy of the first request that it splits, and is honest afterwards. */
function lyingSplitter(seed: number, lie: Lie, receipts: (real: Crypto) => Crypto = (real) => real): Outcome {
  const random = seeded(seed + 1)
  const computing = receipts(crypto)
  let lied = false
  let armed = false
  const run = (job: Job): JobResult => {
    const request = job.type === 'split' ? structuredClone(job.request) : undefined
    const result = runJob(computing, job)
    if (!armed || lied || request === undefined || job.type !== 'split' || result.type !== 'split') return result
    if (result.copies === undefined) return result
    lied = true
    const bytes = result.copies.length / job.count
    for (let i = 0; i < job.count; i++) {
      // The sender's own copy would not show on the way; which that is nobody here knows, so all are lied about.
      result.copies.set(lieAbout(lie, random, request, i), i * bytes + job.roomBytes)
    }
    return result
  }
  const world = network(seed, { run, cryptoOf: () => computing })
  armed = true
  const body = utf8('to be kept back')
  const reference = world.command(world.device(0), { type: 'send', group: GROUP, body, until: 'over' })
  world.network.runFor(CUSTODY_MS)
  if (!lied) throw new Error('P2 had a request to lie about')
  const answer = world.device(0).answers.get(reference)
  const outcome = answer?.type === 'done' && answer.result.type === 'sent' ? answer.result.outcome : undefined
  const had = world.devices.slice(1).filter((each) => world.got(each, body) === 1).length
  const believed = outcome?.stored ?? 0
  return {
    succeeded: had < believed,
    measured: `S has proof for ${believed} of ${MEMBERS - 1}, ${had} have the message`,
  }
}

function lieAbout(lie: Lie, random: RandomBytes, request: SplitRequest, i: number): Uint8Array {
  if (lie === 'decoy') return decoy(random, request)
  const copy = innerCopies(crypto, random, request)[i] as Uint8Array
  copy.set(random(copy.length - 42), 42)
  return sealCopy(random, request.serverKey, copy)
}

/** A copy for nobody, as long as those of the request, of a request that P2 makes itself. */
function decoy(random: RandomBytes, request: SplitRequest): Uint8Array {
  const made = crypto.makeSlots({
    ...{ splitterKey: request.serverKey, serverKey: request.serverKey, groupKey: request.serverKey },
    ...{
      window: slotWindow(START),
      copyBytes: OPENED_COPY_OVERHEAD_BYTES + request.content.length,
      recipients: new Uint8Array(10),
      entropy: random(128),
    },
  })
  if (made === undefined) throw new Error('C decodes')
  const { ephemeral, requestKey, oneTimeBase, oneTimeKey, slots } = made
  const own = { ...request, ephemeral, requestKey, oneTimeBase, oneTimeKey, slots }
  return sealedCopies(crypto, random, own)[0] as Uint8Array
}

interface Words {
  readonly by: DeviceActor
  /** Whose id stands in the content. */
  readonly as: DeviceActor
  readonly body: Uint8Array
}

/** A message as a member with tools of its own makes it: any sender's name, any message id. */
function craft(world: World, random: RandomBytes, id: ReturnType<typeof newMessageId>, { by, as, body }: Words) {
  const directory = world.proxies[0]?.node.machine.status().directory
  const second = world.proxies[1]
  const day = utcDay(world.now)
  const splitterKey = second && directory?.proxies.get(toHex(second.self.id))?.sealingKeys.get(day)
  const serverKey = directory?.serverSealingKeys.get(day)
  if (second === undefined || splitterKey === undefined || serverKey === undefined) throw new Error('a directory')
  const group = world.group(by, GROUP)
  const content = sealContent(crypto, random, {
    ...{ identity: by.self.identity, sender: as.self.id, signedFor: { type: 'group', id: group.id, keys: group.keys } },
    ...{ messageId: id, kind: 'application', body, paddingBytes: 0 },
  })
  const request = assembleRequest(crypto, random, {
    ...{
      splitterKey,
      serverKey,
      groupKey: group.keys.publicPoint,
      window: slotWindow(world.now),
      content,
      mode: 'none',
    },
    recipients: world.devices.map(({ self, address }) => ({ id: self.id, accessCode: address.accessCode })),
    self: by.self.id,
  })
  if (request === undefined) throw new Error('keys that decode')
  return { nextHop: second.self.id, message: request.message }
}

function borrowedId(seed: number, options: Partial<WorldOptions> = {}): Outcome {
  const random = seeded(seed + 1)
  const world = network(seed, options)
  const [sender, mallory, target] = world.devices as [DeviceActor, DeviceActor, DeviceActor]
  const stranger = new Stranger(world, '203.0.113.200')
  const id = newMessageId(random, world.now)
  const say = (words: Words) => {
    const { nextHop, message } = craft(world, random, id, words)
    stranger.forward(nextHop, [message])
  }
  const [before, truth, after] = [utf8('in my own name'), utf8('the true message'), utf8('in your name')]
  say({ by: mallory, as: mallory, body: before })
  say({ by: sender, as: sender, body: truth })
  say({ by: mallory, as: sender, body: after })
  // The id that the true message used is spent; a false one under a fresh id shows what the signature alone keeps out.
  const { nextHop, message } = craft(world, random, newMessageId(random, world.now), {
    by: mallory,
    as: sender,
    body: after,
  })
  stranger.forward(nextHop, [message])
  const asSender = target.inbox.filter((each) => equal(each.sender, sender.self.id))
  const handed = asSender.some((each) => equal(each.body, truth))
  const forged = asSender.filter((each) => equal(each.body, after)).length
  if (forged === 0) arrived(target.node.dropped('MESSAGE_SIGNATURE'), 1)
  return {
    succeeded: !handed || forged > 0,
    measured: `the true message ${handed ? 'was' : 'was not'} handed on, ${forged} false ones in the other's name were`,
  }
}

/** The product's record, told that everything comes from one and the same member. */
function sharedRecord(): Outcome {
  const random = seeded(1)
  const record = new HandedOn(new Storage(() => undefined))
  const id = newMessageId(random, Date.UTC(2026, 2, 10))
  const [group, nobody] = [groupId(random(8)), nodeId(random(8))]
  record.add(id, group, nobody)
  const suppressed = record.has(id, group, nobody)
  return {
    succeeded: suppressed,
    measured: `the true message ${suppressed ? 'is taken for handed on' : 'is handed on'}`,
  }
}

function flood(seed: number, codeKnown: boolean): Outcome {
  const random = seeded(seed + 1)
  const world = network(seed)
  const target = world.device(1)
  world.crash(target)
  const code = target.address.accessCode
  const directory = world.proxies[0]?.node.machine.status().directory
  const serverKey = directory?.serverSealingKeys.get(utcDay(world.now))
  if (serverKey === undefined) throw new Error('a directory')
  const before = world.server.node.machine.status().acceptedCopies
  const copies = Array.from({ length: FLOOD }, () => {
    const guess = codeKnown ? code : wrongCode(random, code)
    const content = random(64)
    const made = crypto.makeSlots({
      ...{
        splitterKey: serverKey,
        serverKey,
        groupKey: serverKey,
        window: slotWindow(world.now),
        entropy: random(128),
      },
      ...{ copyBytes: OPENED_COPY_OVERHEAD_BYTES + content.length, recipients: concat(target.self.id, guess) },
    })
    if (made === undefined) throw new Error('C decodes')
    const request = { ...made, serverKey, personalPartBytes: 0, personalParts: NOTHING, content }
    return copyMessage(sealedCopies(crypto, random, request)[0] as Uint8Array)
  })
  new Stranger(world, '203.0.113.200').forward(world.server.self.id, copies)
  const stored = world.server.node.machine.status().acceptedCopies - before
  arrived(stored + world.server.node.dropped('ACCESS_CODE'), FLOOD)
  const body = utf8('through the flood')
  world.send(world.device(0), GROUP, body)
  world.network.runFor(QUIET_MS)
  world.network.restart(target.node)
  world.network.runFor(QUIET_MS)
  const came = world.got(target, body) === 1
  return {
    succeeded: stored > 0 || !came,
    measured: `${stored} of ${FLOOD} stored, the member's message ${came ? 'came' : 'did not come'}`,
  }
}

function wrongCode(random: RandomBytes, code: Uint8Array): Uint8Array {
  for (;;) {
    const guess = random(2)
    if (!equal(guess, code)) return guess
  }
}
