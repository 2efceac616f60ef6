/** The parent's side: child processes by name in one directory that goes with them, and a whole network made of them. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Child } from '../../src/cli/hosting/child.js'
import type { Crypto } from '../../src/crypto/crypto.js'
import type { Call, Results } from './calls.js'
import { foundGroup } from './group.js'

const PROGRAM = new URL('./host.js', import.meta.url)
const POLL_MS = 20
const DIRECTORY_MS = 30_000

export type Host = Child<Call, Results, never>

/** Runs `work` with processes and a directory, and clears both away whatever happens. */
export async function withProcesses<T>(work: (processes: Processes) => Promise<T>): Promise<T> {
  const directory = await mkdtemp(join(tmpdir(), 'splitcast-bench-'))
  const processes = new Processes(directory)
  try {
    return await work(processes)
  } finally {
    await processes.end()
    await rm(directory, { recursive: true, force: true })
  }
}

export class Processes {
  readonly directory: string
  private readonly children: Host[] = []

  constructor(directory: string) {
    this.directory = directory
  }

  fork(label: string, execArgv: readonly string[] = []): Host {
    const child: Host = new Child({ label, program: PROGRAM, onEvent: () => undefined, execArgv })
    this.children.push(child)
    return child
  }

  async end(): Promise<void> {
    await Promise.allSettled(this.children.map((child) => child.end()))
  }
}

export interface Mixing {
  /** Mean of the wait of a message at P1, and of a copy at P2. */
  readonly meanForwardWaitMs: number
  readonly meanWaitMs: number
}

export interface NetworkOptions extends Mixing {
  readonly members: number
  /** Threads for requests and copies, at the server and at each proxy. */
  readonly workers: number
  /** Processes that the receiving devices share. */
  readonly receivers: number
  /** Options for Node in the processes of the server and the proxies. */
  readonly execArgv?: readonly string[]
}

/** A server, two proxies, a sender and devices, all in one group and connected. */
export interface Network {
  readonly card: string
  readonly server: Host
  readonly proxies: readonly Host[]
  readonly sender: Host
  readonly receivers: readonly Host[]
}

export async function openNetwork(
  crypto: Crypto,
  processes: Processes,
  { members, workers, receivers, meanForwardWaitMs, meanWaitMs, execArgv }: NetworkOptions,
): Promise<Network> {
  const { directory } = processes
  const data = Array.from({ length: members }, (_, index) => join(directory, `device-${index}`))
  await foundGroup(crypto, data)
  const server = processes.fork('the server', execArgv)
  const place = { data: join(directory, 'server'), listen: '127.0.0.1:0' }
  const { card } = await server.call('openServer', { ...place, workers })
  const proxies = [1, 2].map((index) => processes.fork(`proxy ${index}`, execArgv))
  await Promise.all(
    proxies.map((proxy, index) =>
      proxy.call('openProxy', {
        ...{ data: join(directory, `proxy-${index}`), network: card, listen: `127.0.0.${11 + index}:0` },
        ...{ meanForwardWaitMs, meanWaitMs, workers },
      }),
    ),
  )
  const sender = processes.fork('the sender')
  const shared = Array.from({ length: receivers }, (_, index) => processes.fork(`devices ${index + 1}`))
  const [own, ...others] = data as [string, ...string[]]
  await Promise.all([
    sender.call('openDevices', { data: [own], network: card }),
    ...shared.map((host, index) =>
      host.call('openDevices', { data: others.filter((_, place) => place % receivers === index), network: card }),
    ),
  ])
  await bothListed(sender, proxies.length)
  return { card, server, proxies, sender, receivers: shared }
}

async function bothListed(sender: Host, proxies: number): Promise<void> {
  const until = Date.now() + DIRECTORY_MS
  while ((await sender.call('directoryProxies', {})) < proxies) {
    if (Date.now() > until) throw new Error('the sender was not told of the proxies')
    await new Promise((resolve) => setTimeout(resolve, POLL_MS))
  }
}
