/** One end of every contestant's link, in a process of its own. */
import { type Handlers, serveCalls } from '../../src/cli/hosting/serve.js'
import type { Call, Results } from './calls.js'
import type { ContestantName, End } from './contestant.js'
import { openOurs } from './ours.js'
import { openUdx } from './udx.js'

const ends = new Map<ContestantName, End>()

const handlers: Handlers<Call, Results> = {
  open: async ({ contestant }) => {
    const end = contestant === 'splitcast' ? await openOurs() : await openUdx()
    ends.set(contestant, end)
    return { address: end.address, linkKey: end.linkKey }
  },
  receive: (transfer) => endOf(transfer.contestant).receive(transfer),
  send: (transfer) => endOf(transfer.contestant).send(transfer),
}

function endOf(contestant: ContestantName): End {
  const end = ends.get(contestant)
  if (end === undefined) throw new Error(`${contestant} is not open here`)
  return end
}

serveCalls<Call, Results>(handlers, () => Promise.allSettled([...ends.values()].map((end) => end.close())))
