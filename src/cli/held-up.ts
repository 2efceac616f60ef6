/** Joining, leaving and removing are messages: whether they can leave this device now, and if not, what they wait for. */
import type { ControlClient } from './control/client.js'
import type { NodeStatus } from './control/protocol.js'

/** A message goes by two, neither of which is the one beside its sender (PROTOCOL.md section 5). */
const PROXIES = 2

/** When others are told, in words; undefined where nothing is in the way. */
export async function heldUp(node: ControlClient): Promise<string | undefined> {
  const status = await node.call('status', {})
  return status.kind === 'node' ? heldUpBy(status) : undefined
}

export function heldUpBy({ connected, directory, proxy }: HeldUpBy): string | undefined {
  if (!connected || directory === null) return 'once the server can be reached'
  if (directory.proxies.filter((id) => id !== proxy?.id).length >= PROXIES) return undefined
  return `once the network has ${PROXIES} proxies${proxy === null ? '' : ' besides that of this node'}`
}

type HeldUpBy = Pick<NodeStatus, 'connected' | 'directory' | 'proxy'>
