/** What the control socket of a device does: each command as calls of the embedding interface. */
import { randomUUID } from 'node:crypto'
import { toHex } from '../../base/bytes.js'
import { ProtocolError } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import type { Device, Group } from '../../driver/device-api.js'
import type { ReceivedMessage } from '../../driver/inbox.js'
import type { SendOutcome } from '../../driver/outcomes.js'
import type { ProxyNode } from '../../driver/proxy.js'
import type { CallReply, Received, StreamItem } from './protocol.js'
import type { Handlers } from './server.js'
import { nodeStatus, unheardReply } from './status.js'
import { backupItems, stopStream } from './stop.js'

/** `stop` is called when a command asks for the process to end. */
export function deviceHandlers(device: Device, proxy: ProxyNode | undefined, stop: () => void): Handlers {
  const listeners = new Map<string, Listener>()
  return {
    calls: {
      status: async () => nodeStatus(device, proxy),
      createGroup: async ({ name }) => groupReply(await device.groups.create(name)),
      groups: async () => ({ groups: device.groups.list().map(groupReply) }),
      members: async ({ group }) => {
        const named = groupNamed(device, group)
        const unheard = unheardReply(named.unheardSince())
        return { members: memberReplies(named), fingerprint: named.fingerprint(), ...unheard }
      },
      invite: async ({ group, address, passphrase, as }, signal) => {
        const options = { passphrase, signal, ...(as !== undefined && { as }) }
        const { id } = await groupNamed(device, group).invite(address, options)
        return { id }
      },
      join: async ({ passphrase, as }, signal) => {
        const groups = await device.join(passphrase, { signal, ...(as !== undefined && { as }) })
        return { groups: groups.map(groupReply) }
      },
      decline: async ({ passphrase }, signal) => {
        const { messages, invitations } = await device.decline({
          signal,
          ...(passphrase !== undefined && { passphrase }),
        })
        return { messages, invitations: [...invitations] }
      },
      pending: async ({ group }) => {
        const groups = group === undefined ? device.groups.list() : [groupNamed(device, group)]
        return { invitations: groups.flatMap(pendingReplies) }
      },
      rename: async ({ group, device: who, as }, signal) => ({
        id: await groupNamed(device, group).rename(who, as, { signal }),
      }),
      leave: async ({ group }, signal) => {
        await groupNamed(device, group).leave({ signal })
        return {}
      },
      remove: async ({ group, devices }, signal) => {
        const named = groupNamed(device, group)
        return { removed: await named.remove(devices, { signal }), members: named.members().length }
      },
      uninvite: async ({ group, device: who }, signal) => ({
        id: await groupNamed(device, group).uninvite(who, { signal }),
      }),
      send: async ({ group, bodyBase64, padding, decoys, direct, wait = true }, signal) => {
        const body = new Uint8Array(Buffer.from(bodyBase64, 'base64'))
        const options = {
          ...{ signal, wait },
          ...(padding !== undefined && { padding }),
          ...(decoys !== undefined && { decoys }),
          ...(direct !== undefined && { direct }),
        }
        const { outcome, ...report } = await groupNamed(device, group).send(body, options)
        const cost = { ...report, messageId: toHex(report.messageId), recipients: report.slots - report.decoys }
        return { ...cost, outcome: outcome === undefined ? null : outcomeReply(outcome) }
      },
      acknowledge: async ({ stream, sequences }) => {
        const listener = listeners.get(stream)
        if (listener === undefined) throw new ProtocolError('MESSAGE_UNKNOWN', 'this listener has ended; listen again')
        await listener.confirm(sequences)
        return {}
      },
    },
    streams: {
      invitations: (_, signal) => invitations(device, signal),
      messages: ({ group }, signal) => messages(device, group, listeners, signal),
      backup: ({ passphrase }) => backupItems(device.backup({ passphrase: passphrase ?? undefined })),
      stop: (_, signal) => stopStream(stop, signal),
    },
  }
}

async function* invitations(device: Device, signal: AbortSignal): AsyncGenerator<StreamItem<'invitations'>> {
  for await (const { waiting } of device.invitations({ signal })) yield { waiting }
}

async function* messages(
  device: Device,
  group: string | undefined,
  listeners: Map<string, Listener>,
  signal: AbortSignal,
): AsyncGenerator<StreamItem<'messages'>> {
  const source = group === undefined ? device.messages({ signal }) : groupNamed(device, group).messages({ signal })
  const stream = randomUUID()
  const listener = new Listener()
  listeners.set(stream, listener)
  try {
    yield { stream }
    for await (const message of source) {
      const sequence = listener.add(message)
      yield { sequence, message: receivedReply(message) }
      await listener.room(signal)
    }
  } finally {
    listeners.delete(stream)
  }
}

/** What one listener was handed and has not confirmed. */
class Listener {
  private readonly unconfirmed = new Map<number, ReceivedMessage>()
  private next = 0
  private wake: (() => void) | undefined

  add(message: ReceivedMessage): number {
    const sequence = this.next++
    this.unconfirmed.set(sequence, message)
    return sequence
  }

  /** Confirming twice does nothing. */
  async confirm(sequences: readonly number[]): Promise<void> {
    await Promise.all(sequences.map((sequence) => this.unconfirmed.get(sequence)?.ack()))
    for (const sequence of sequences) this.unconfirmed.delete(sequence)
    this.wake?.()
  }

  /** Resolves while fewer messages than the limit are unconfirmed. */
  async room(signal: AbortSignal): Promise<void> {
    while (this.unconfirmed.size >= limits.controlUnconfirmed && !signal.aborted) {
      await new Promise<void>((resolve) => {
        this.wake = resolve
        signal.addEventListener('abort', () => resolve(), { once: true })
      })
    }
  }
}

function groupNamed(device: Device, name: string): Group {
  const group = device.groups.get(name)
  if (group !== undefined) return group
  throw new ProtocolError(
    'GROUP_UNKNOWN',
    `there is no group ${JSON.stringify(name)} here; splitcast group list shows those there are`,
  )
}

function groupReply(group: Group): CallReply<'createGroup'> {
  const members = group.members()
  const isIn = members.some(({ self }) => self)
  const unheard = unheardReply(group.unheardSince())
  return { name: group.name, members: members.length, ...(!isIn && { removed: true as const }), ...unheard }
}

function memberReplies(group: Group): CallReply<'members'>['members'] {
  return group.members().map(({ since, ...member }) => ({
    ...member,
    name: member.name ?? null,
    since: since.toISOString(),
  }))
}

function pendingReplies(group: Group): CallReply<'pending'>['invitations'] {
  return group.invitations().map(({ id, name, invitedAt, expiresAt }) => ({
    group: group.name,
    id,
    name: name ?? null,
    invitedAt: invitedAt.toISOString(),
    expiresAt: expiresAt.toISOString(),
  }))
}

function outcomeReply({ unproven, ...outcome }: SendOutcome): NonNullable<CallReply<'send'>['outcome']> {
  return { ...outcome, unproven: unproven.map((each) => ({ ...each, name: each.name ?? null })) }
}

function receivedReply(message: ReceivedMessage): Received {
  return {
    group: message.group,
    sender: message.sender,
    senderName: message.senderName ?? null,
    messageId: message.messageId,
    sentAt: message.sentAt.toISOString(),
    direct: message.direct,
    bodyBase64: Buffer.from(message.body).toString('base64'),
  }
}
