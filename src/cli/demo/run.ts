/**
 * One run of the demo: network up, group formed, messages sent, everything that was promised checked. Whatever happens, no
 * process is left behind.
 */
import { randomBytes } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { fromHex, toHex, utf8 } from '../../base/bytes.js'
import { ProtocolError } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import type { UploadReport } from '../../role/device.js'
import { parseDeviceAddress } from '../../wire/text.js'
import { HostedFailure } from '../hosting/child.js'
import type { Tally } from '../relay/conditions.js'
import type { Received, Truth } from './host-protocol.js'
import { judge, judgeBesides, judgeCopies, type Row, type TruthName } from './knowledge.js'
import { digestOf } from './learnt.js'
import type { DemoOptions } from './options.js'
import { allDrops, allSent, badSignatures, type DemoResult, hopsOf, tallyBetween, worstCost } from './result.js'
import { GROUP, type Progress, World } from './world.js'

/** After the last expected message: time for a second copy, which must not come, to come. */
const SETTLE_MS = 500

interface Sent {
  readonly body: Uint8Array
  readonly report: UploadReport
}

/** Runs the demo; `whenDone` may keep the network up before it ends. Throws HostedFailure where it cannot go on. */
export async function runDemo(
  options: DemoOptions,
  progress: Progress,
  signal: AbortSignal,
  whenDone: (result: DemoResult, world: World) => Promise<void>,
): Promise<DemoResult> {
  const received: Received[] = []
  const world = new World(options, (message) => received.push(message))
  const given = new Promise<never>((_, reject) => {
    signal.addEventListener('abort', () => reject(new ProtocolError('ABORTED', 'interrupted')), { once: true })
  })
  given.catch(() => undefined)
  try {
    const body = await readBody(options)
    const result = await Promise.race([given, perform(options, world, body, received, progress)])
    await Promise.race([given, whenDone(result, world)])
    return result
  } catch (error) {
    if (error instanceof HostedFailure) error.message += `; dropped so far: ${await world.drops()}`
    throw error
  } finally {
    await world.end()
  }
}

async function perform(
  options: DemoOptions,
  world: World,
  firstBody: Uint8Array,
  received: Received[],
  progress: Progress,
): Promise<DemoResult> {
  const startedAt = Date.now()
  await world.start(progress)
  await world.formGroup(progress)
  await world.forget()
  if (options.plantLeak) await world.plantLeak()
  const [before, tallyBefore] = await Promise.all([world.statuses(), world.relays?.tally()])
  const sentAt = Date.now()
  const sent = await sendAll(options, world, firstBody, received, progress)
  const elapsedMs = Date.now() - sentAt
  const proof = await proofOf(options, world)
  const provenMs = Date.now() - sentAt
  await new Promise((resolve) => setTimeout(resolve, SETTLE_MS))
  const [after, learnt, tallyAfter] = await Promise.all([world.statuses(), world.learnt(), world.relays?.tally()])
  const truths = await truthsOf(world, await truthOf(world), sent)
  const knowledge = judge(learnt, truths, world.sender.node)
  const cost = worstCost(sent.map(({ report }) => report))
  const { delivered, duplicates, faults } = checkReceived(world, sent, received)
  const bad = badSignatures(world, before, after)
  faults.push(...judgeBesides(learnt, truths), ...judgeCopies(learnt, options.members * options.messages))
  faults.push(...proof.faults)
  if (bad > 0) faults.push(`${bad} messages with a bad signature`)
  for (const row of Object.keys(knowledge) as Row[])
    faults.push(...knowledge[row].faults.map((fault) => `${row}: ${fault}`))
  return {
    members: options.members,
    messages: options.messages,
    bodyBytes: firstBody.length,
    delivered,
    proven: proof.proven,
    duplicates,
    badSignatures: bad,
    uploadBytes: cost.uploadBytes,
    slots: cost.slots,
    paddingBytes: cost.paddingBytes,
    furtherDatagramBytes: cost.furtherDatagramBytes,
    fixedBytes: cost.fixedBytes,
    datagrams: cost.datagrams,
    copyBytes: cost.copyBytes,
    deliveryBytes: cost.deliveryBytes,
    hops: hopsOf(world, before, after, learnt, sentAt),
    sent: allSent(before, after, 'sent'),
    sentAgain: allSent(before, after, 'sentRetransmitted'),
    drops: allDrops(before, after),
    relays: relaysOf(options, tallyBefore, tallyAfter),
    knowledge,
    setupMs: sentAt - startedAt,
    elapsedMs,
    provenMs,
    faults,
  }
}

function relaysOf(
  { disturbance }: DemoOptions,
  before: Tally | undefined,
  after: Tally | undefined,
): DemoResult['relays'] {
  if (disturbance === undefined || before === undefined || after === undefined) return undefined
  return { ...disturbance, tally: tallyBetween(before, after) }
}

async function readBody({ body }: DemoOptions): Promise<Uint8Array> {
  if (body.type === 'random') return randomBytes(body.bytes)
  let bytes: Uint8Array
  try {
    bytes = await readFile(body.path)
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    throw new ProtocolError(
      'USAGE',
      `cannot read ${body.path} (${code}); name another file with --file, or use --size BYTES`,
    )
  }
  if (bytes.length > limits.bodyBytes) {
    throw new ProtocolError(
      'BODY_TOO_LARGE',
      `${body.path} has ${bytes.length} bytes; a message holds ${limits.bodyBytes}`,
    )
  }
  return bytes
}

async function sendAll(
  options: DemoOptions,
  world: World,
  firstBody: Uint8Array,
  received: readonly Received[],
  progress: Progress,
): Promise<Sent[]> {
  const { child, node } = world.sender
  const expected = options.messages * (options.members - 1)
  const sent: Sent[] = []
  progress('delivered', 0, expected)
  for (let message = 0; message < options.messages; message++) {
    const body = message > 0 && options.body.type === 'random' ? randomBytes(options.body.bytes) : firstBody
    sent.push({ body, report: await child.call('send', { node, group: GROUP, body }) })
    progress('delivered', received.length, expected)
  }
  await world.until('everybody to receive', async () => {
    progress('delivered', Math.min(received.length, expected), expected)
    return received.length >= expected ? 'done' : received.length
  })
  return sent
}

/** What the sender knows of it by receipts alone. */
async function proofOf(
  { members, messages }: DemoOptions,
  world: World,
): Promise<{ readonly proven: number; readonly faults: readonly string[] }> {
  const { child, node } = world.sender
  const outcomes = () => child.call('outcomes', { node })
  await world.until('the sender to have proof', async () => {
    const { length } = await outcomes()
    return length >= messages ? 'done' : length
  })
  const proven = (await outcomes()).reduce((sum, { stored }) => sum + stored, 0)
  const missing = messages * (members - 1) - proven
  return { proven, faults: missing > 0 ? [`for ${missing} copies the sender has no proof that they are stored`] : [] }
}

function truthOf(world: World): Promise<Truth> {
  return world.sender.child.call('truth', { node: world.sender.node, group: GROUP })
}

/** Each member but the sender must have got each message once, whole, and from the sender. */
function checkReceived(world: World, sent: readonly Sent[], received: readonly Received[]) {
  const counts = new Map<string, number>()
  const faults: string[] = []
  const bodies = new Map(sent.map(({ body, report }) => [toHex(report.messageId), digestOf(body)]))
  for (const message of received) {
    const key = `${message.node}/${message.messageId}`
    counts.set(key, (counts.get(key) ?? 0) + 1)
    if (message.sender !== world.sender.id) faults.push(`device ${message.node} took ${message.sender} for the sender`)
    if (bodies.get(message.messageId) !== message.bodyDigest)
      faults.push(`device ${message.node} got another body than was sent`)
  }
  let delivered = 0
  let duplicates = 0
  for (const { node } of world.members.slice(1)) {
    for (const messageId of bodies.keys()) {
      const count = counts.get(`${node}/${messageId}`) ?? 0
      if (count === 0) faults.push(`device ${node} did not get message ${messageId}`)
      delivered += Math.min(count, 1)
      duplicates += Math.max(count - 1, 0)
    }
  }
  if (duplicates > 0) faults.push(`${duplicates} messages were handed on twice`)
  return { delivered, duplicates, faults }
}

/** Every true value that some role must not see, and those by which the hook proves that it is alive. */
async function truthsOf(world: World, truth: Truth, sent: readonly Sent[]): Promise<ReadonlyMap<string, TruthName>> {
  const truths = new Map<string, TruthName>()
  for (const { id, localAddress } of world.proxies) {
    truths.set(digestOf(fromHex(id)), 'id of a proxy')
    for (const address of await world.seenAs(localAddress)) truths.set(digestOf(utf8(address)), 'address of a proxy')
  }
  for (const address of await world.seenAs(world.sender.localAddress))
    truths.set(digestOf(utf8(address)), 'address of S')
  for (const member of world.members) {
    const { identityKey, accessCode } = parseDeviceAddress(member.address)
    const own = member === world.sender
    truths.set(digestOf(fromHex(member.id)), own ? 'id of S' : 'id of a recipient')
    truths.set(digestOf(identityKey), own ? 'identity key of S' : 'identity key of a recipient')
    truths.set(digestOf(Buffer.concat([fromHex(member.id), accessCode])), own ? 'S as a recipient' : 'a recipient')
  }
  truths.set(truth.groupId, 'group id')
  truths.set(truth.groupKey, 'group key')
  truths.set(truth.groupSecret, 'group secret')
  truths.set(truth.groupSymmetric, 'group symmetric secret')
  for (const { body, report } of sent) {
    truths.set(digestOf(report.messageId), 'message id')
    // An empty body equals every empty field.
    if (body.length > 0) truths.set(digestOf(body), 'body')
  }
  return truths
}
