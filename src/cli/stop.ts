/** `splitcast stop`: ends the node or server on a data directory, and waits until its process is gone. */
import type { Command } from 'commander'
import { ProtocolError } from '../base/errors.js'
import type { ControlClient } from './control/client.js'
import { dataOption } from './options.js'
import { withNode } from './run-client.js'

/** A node gives what is under way two seconds; one that takes this long hangs. */
const PATIENCE = {
  timeoutMs: 10_000,
  expired: 'it was asked to stop and still runs after 10 s; look at its log, and end its process',
}
const POLL_MS = 20

export function addStop(program: Command): void {
  dataOption(program.command('stop'))
    .description('stop the node or server that runs on a data directory, and wait until it is gone')
    .addHelpText('after', '\nExample:\n  splitcast stop --data ~/cast')
    .action((options: { data?: string }) => withNode(options, stop, PATIENCE))
}

async function stop(node: ControlClient, signal: AbortSignal): Promise<void> {
  let pid: number | undefined
  try {
    for await (const item of node.stream('stop', {})) pid = item.pid
  } catch (error) {
    // Its connection ends with its process; before it said who it is, that is a failure.
    if (pid === undefined || !(error instanceof ProtocolError && error.code === 'CLOSED')) throw error
  }
  while (pid !== undefined && isRunning(pid)) {
    signal.throwIfAborted()
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}

function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}
