/** `splitcast node`: runs a device, and a proxy beside it where asked to. */
import type { Command } from 'commander'
import { ProtocolError } from '../base/errors.js'
import type { DataDirectory } from '../driver/data-directory.js'
import type { Device } from '../driver/device-api.js'
import { replaceFile } from '../driver/files.js'
import type { LogLevel } from '../driver/log.js'
import { MAX_COPIES_PER_SECOND, MAX_FIRST_PROXIES, MAX_MEAN_WAIT_MS } from '../driver/options.js'
import type { ProxyNode } from '../driver/proxy.js'
import type { DecoyMode } from '../group/decoys.js'
import type { PaddingMode } from '../group/group.js'
import { formatEndpoint, parseEndpoint } from '../wire/text.js'
import { controlPath } from './control/path.js'
import { announce, type Daemon, forgetReadyFile, runDaemon } from './daemon.js'
import { type DataPassphraseOption, dataPassphrase, dataPassphraseOption } from './data-passphrase.js'
import { networkCard, networkFile } from './network-card.js'
import {
  dataOf,
  dataOption,
  decoyModes,
  listenAddress,
  logLevels,
  nonEmpty,
  oneOf,
  paddingModes,
  proxyModes,
  reachableAddress,
  secondsToMs,
  wholeNumber,
  workersOption,
} from './options.js'

interface Options extends DataPassphraseOption {
  readonly network?: string
  readonly data?: string
  readonly listen?: string
  readonly advertise?: string
  readonly proxy: (typeof proxyModes)[number]
  readonly metered?: true
  readonly meanWait?: number
  readonly meanForwardWait?: number
  readonly extraHopBelow?: number
  readonly workers?: number
  readonly firstProxies?: number
  readonly padding: PaddingMode
  readonly decoys: DecoyMode
  readonly cover?: number
  readonly readyFile?: string
  readonly logLevel: LogLevel
}

export function addNode(program: Command): void {
  dataPassphraseOption(workersOption(dataOption(program.command('node'))))
    .description('run a device, a proxy or both; the other commands talk to it')
    .option('--network <card|file>', 'network card of the server, or a file that holds it; remembered in DIR', nonEmpty)
    .option(
      '--listen <host:port>',
      'UDP address of the proxy, or with --proxy off of the device (default: any port)',
      listenAddress,
    )
    .option('--advertise <host:port>', 'where others reach the proxy (default: where it listens)', reachableAddress)
    .option(
      '--proxy <on|off|auto>',
      'serve others as a proxy: always, never, or while proxies elsewhere find that they reach this node',
      oneOf('--proxy', proxyModes),
      'auto',
    )
    .option('--metered', 'traffic costs money here: auto means off')
    .option(
      '--mean-wait <ms>',
      'mean of the random wait of each copy at this proxy',
      wholeNumber('--mean-wait', 0, MAX_MEAN_WAIT_MS),
    )
    .option(
      '--mean-forward-wait <ms>',
      'mean of the random wait of each request that this proxy passes on',
      wholeNumber('--mean-forward-wait', 0, MAX_MEAN_WAIT_MS),
    )
    .option(
      '--extra-hop-below <rate>',
      'copies a second below which the copies of this proxy go by another one as well, 0 for never (default: 20)',
      wholeNumber('--extra-hop-below', 0, MAX_COPIES_PER_SECOND),
    )
    .option(
      '--first-proxies <n>',
      'first proxies that the device keeps to for weeks, 0 for all (default: 3)',
      wholeNumber('--first-proxies', 0, MAX_FIRST_PROXIES),
    )
    .option(
      '--padding <mode>',
      `how sizes are hidden: ${paddingModes.join(', ')}`,
      oneOf('--padding', paddingModes),
      'classes',
    )
    .option(
      '--decoys <mode>',
      `how the number of slots is rounded up, so that no proxy counts members: ${decoyModes.join(', ')}`,
      oneOf('--decoys', decoyModes),
      'none',
    )
    .option(
      '--cover <seconds>',
      'send messages to nobody, so long apart on average, that look like real ones (default: none)',
      secondsToMs('--cover'),
    )
    .option('--ready-file <file>', 'write the ready line there as well', nonEmpty)
    .option('--log-level <level>', `one of ${logLevels.join(', ')}`, oneOf('--log-level', logLevels), 'warn')
    .addHelpText(
      'after',
      `
Once the server knows the node, it prints one line: the address by which others
invite it and, with --proxy on, the word proxy and the proxy's id. With --proxy
on, the device beside the proxy sends from a port of its own on the same host.
With --proxy auto, the default, status tells whether this node serves as a proxy
by now, and why not; --listen gives it a port that a firewall can let through.

Examples:
  splitcast node --network splitcast1... --data ~/cast
  splitcast node --network /var/lib/splitcast/network --listen 192.0.2.7:7100 \\
    --proxy on`,
    )
    .action(runNode)
}

async function runNode(options: Options): Promise<void> {
  const data = dataOf(options)
  checkOptions(options)
  controlPath(data)
  const network = await networkCard(options.network, data)
  const passphrase = await dataPassphrase(options, data)
  const opened = { data, network, ...(passphrase !== undefined && { passphrase }) }
  const { openerOf } = await import('../driver/data-directory.js')
  const open = openerOf('node', opened)
  await forgetReadyFile(options.readyFile)
  const { serveDeviceControl } = await import('./control.js')

  await runDaemon(async (daemon) => {
    // The proxy first: where its address is no good, the error names it as it was typed.
    const mode = modeOf(options)
    const proxy = mode === 'off' ? undefined : await proxyOf(options, opened, open, daemon)
    const device = await deviceOf(options, opened, open, daemon)
    if (options.network !== undefined) await replaceFile(networkFile(data), `${network}\n`)
    daemon.control(await serveDeviceControl(data, device, { proxy, stop: daemon.shutdown.request }))
    const { signal } = daemon.shutdown
    // One that is found out whether it is reached may never be listed: nobody waits for that.
    const forced = mode === 'on' ? proxy : undefined
    const line = forced === undefined ? device.address : `${device.address} proxy ${proxyIdOf(forced)}`
    const ready = Promise.all([device.ready({ signal }), forced?.ready({ signal })]).then(() => undefined)
    const announced = announce(line, options.readyFile, ready, () => missing(device, forced))
    const failed = announced.then(() => new Promise<void>(() => undefined))
    await daemon.untilStopped([device.ended, ...(proxy ? [proxy.ended] : []), failed])
  })
}

/** Who pays for traffic does not want that of others, unless they say so. */
function modeOf({ proxy, metered }: Options): Options['proxy'] {
  return proxy === 'auto' && metered ? 'off' : proxy
}

function checkOptions(options: Options): void {
  const { listen, advertise, meanWait, meanForwardWait, extraHopBelow, workers } = options
  const mode = modeOf(options)
  if (mode === 'on' && listen === undefined) {
    throw new ProtocolError('USAGE', 'a proxy needs an address that others reach: add --listen HOST:PORT')
  }
  if (mode !== 'on' && advertise !== undefined) {
    throw new ProtocolError('USAGE', '--advertise is for proxies: add --proxy on, or leave it out')
  }
  if (mode !== 'off') return
  const given = {
    '--mean-wait': meanWait,
    '--mean-forward-wait': meanForwardWait,
    '--extra-hop-below': extraHopBelow,
    '--workers': workers,
  }
  const option = Object.entries(given).find(([, value]) => value !== undefined)?.[0]
  if (option !== undefined)
    throw new ProtocolError('USAGE', `${option} is for proxies: add --proxy on, or leave it out`)
}

/** What device and proxy have in common. */
interface Opened {
  readonly data: string
  readonly network: string
  readonly passphrase?: string
}

type Open = () => Promise<DataDirectory>

async function deviceOf(options: Options, opened: Opened, open: Open, daemon: Daemon): Promise<Device> {
  const { openDeviceNode } = await import('../driver/device.js')
  const { createLog } = await import('../driver/log.js')
  const listen = options.listen !== undefined && modeOf(options) !== 'off' ? anyPortOf(options.listen) : options.listen
  const device = await openDeviceNode(
    {
      ...opened,
      padding: options.padding,
      ...(options.firstProxies !== undefined && { firstProxies: options.firstProxies }),
      decoys: options.decoys,
      ...(options.cover !== undefined && { coverMeanMs: options.cover }),
      log: createLog(options.logLevel),
      ...(listen !== undefined && { listen }),
    },
    open,
  )
  daemon.defer(() => device.close())
  return device
}

async function proxyOf(options: Options, opened: Opened, open: Open, daemon: Daemon): Promise<ProxyNode> {
  const { openProxyNode } = await import('../driver/proxy.js')
  const { createLog } = await import('../driver/log.js')
  const proxy = await openProxyNode(
    {
      ...opened,
      reachable: modeOf(options) === 'on' ? 'asserted' : 'found',
      ...(options.listen !== undefined && { listen: options.listen }),
      log: createLog(options.logLevel),
      ...(options.advertise !== undefined && { advertise: options.advertise }),
      ...(options.meanWait !== undefined && { meanWaitMs: options.meanWait }),
      ...(options.meanForwardWait !== undefined && { meanForwardWaitMs: options.meanForwardWait }),
      ...(options.extraHopBelow !== undefined && { extraHopBelow: options.extraHopBelow }),
      ...(options.workers !== undefined && { workers: options.workers }),
    },
    open,
  )
  daemon.defer(() => proxy.close())
  return proxy
}

function anyPortOf(listen: string): string {
  return formatEndpoint({ ...parseEndpoint(listen, { anyPort: true }), port: 0 })
}

function proxyIdOf(proxy: ProxyNode): string {
  return Buffer.from(proxy.status().id).toString('hex')
}

function missing(device: Device, proxy: ProxyNode | undefined): string {
  if (!device.status().connected) return 'an answer of the server'
  if (proxy === undefined || proxy.status().listed)
    return 'a directory that is valid by the clock of this machine (splitcast doctor checks it)'
  return `the server to list this proxy (has it admitted ${proxyIdOf(proxy)}?)`
}
