/** `splitcast status`: what a running node or server knows and has done. */
import type { Command } from 'commander'
import type { LinkCountersReply, NodeStatus, ServerStatus } from './control/protocol.js'
import { dataOption } from './options.js'
import { columns, counted, print, printable, printJson } from './output.js'
import { withNode } from './run-client.js'

interface Options {
  readonly data?: string
  readonly json?: boolean
}

export function addStatus(program: Command): void {
  dataOption(program.command('status'))
    .description('show the state of the node or server that runs on a data directory')
    .option('--json', 'print everything as one JSON object')
    .addHelpText('after', '\nExample:\n  splitcast status --json --data ~/cast')
    .action(showStatus)
}

async function showStatus(options: Options): Promise<void> {
  const status = await withNode(options, (node) => node.call('status', {}))
  if (options.json) return await printJson(status)
  await print(columns(statusRows(status, Date.now())))
}

/** The state as lines of a name and a text, for people. */
export function statusRows(status: NodeStatus | ServerStatus, now: number): string[][] {
  return status.kind === 'node' ? nodeRows(status, now) : serverRows(status)
}

function nodeRows(status: NodeStatus, now: number): string[][] {
  const { directory, proxy, groups } = status
  return [
    ['address', status.address],
    ['id', status.id],
    ['role', roleText(proxy)],
    ['data', sealedText(status.sealed)],
    ['server', serverText(status, now)],
    ['directory', directoryText(directory, now)],
    ...(directory === null ? [] : directoryRows(directory)),
    ['first proxies', firstProxiesText(status.firstProxies, now)],
    ['groups', groups.map(({ name, members }) => `${printable(name)} (${members})`).join(', ') || 'none'],
    ...silenceRows(groups),
    [
      'waiting',
      `${status.unopened} unopened, ${status.inbox} in the inbox, ${status.outgoing} to send, ${status.unproven} to be proven stored`,
    ],
    ...(status.cover === null ? [] : [['cover', coverText(status.cover)]]),
    ['to server', linkText(status.links.server)],
    ['to proxies', linkText(status.links.proxies)],
    ['dropped', dropText(status.drops)],
    ['not sent', dropText(status.sendErrors)],
    ['core', status.core],
    ...(proxy === null ? [] : proxyRows(proxy, now)),
  ]
}

function silenceRows(groups: NodeStatus['groups']): string[][] {
  const text = (name: string, since: string) =>
    `${printable(name)}: nothing from any other member since ${since.slice(0, 10)}; see "group members"`
  return groups.flatMap(({ name, unheardSince }) =>
    unheardSince === undefined ? [] : [['', text(name, unheardSince)]],
  )
}

function coverText({ meanMs, made, skipped }: NonNullable<NodeStatus['cover']>): string {
  return `${counted(made, 'message')} to nobody, one in ${meanMs / 1000} s on average; ${skipped} left out for want of a link, directory, or group of two, or as 16 were unproven`
}

type ProxyReply = NonNullable<NodeStatus['proxy']>

function roleText(proxy: ProxyReply | null): string {
  return proxy === null ? 'device' : `device and proxy, which the directory ${proxy.listed ? 'lists' : 'does not list'}`
}

function sealedText(sealed: boolean): string {
  return sealed ? 'under a passphrase' : 'without a passphrase'
}

function serverText({ connected, serverLink }: Pick<NodeStatus, 'connected' | 'serverLink'>, now: number): string {
  const { upSince, retryAt, reconnects, roundTripMs } = serverLink
  const again = reconnects === 0 ? [] : [`reconnected ${counted(reconnects, 'time')}`]
  if (!connected || upSince === null) {
    const next = retryAt === null ? 'being tried' : `tried again in ${span(Date.parse(retryAt) - now)}`
    return ['not connected', next, ...again].join(', ')
  }
  const roundTrip = roundTripMs === null ? [] : [`round trip ${roundTripMs.toFixed(roundTripMs < 10 ? 1 : 0)} ms`]
  return [`connected for ${span(now - Date.parse(upSince))}`, ...roundTrip, ...again].join(', ')
}

function directoryText(directory: NodeStatus['directory'], now: number): string {
  if (directory === null) return 'none yet'
  const age = span(now - Date.parse(directory.issuedAt))
  const left = Date.parse(directory.validUntil) - now
  const validity = left > 0 ? `valid for ${span(left)}` : `out of date for ${span(-left)}`
  return `${counted(directory.proxies.length, 'proxy', 'proxies')}; version ${directory.version}, ${age} old, ${validity}`
}

function directoryRows({ proxies, fingerprint, announced }: NonNullable<NodeStatus['directory']>): string[][] {
  const { same, other } = announced
  return [
    ...(proxies.length === 0 ? [] : [['', listText(proxies)]]),
    ['', `fingerprint: ${fingerprint}`],
    ...(same + other.length === 0 ? [] : [['', `of those that members announced ${same} were given here as well`]]),
    ...other.map(({ id, at }) => ['', `NOT given here: the one that ${id} announced ${at}`]),
  ]
}

function firstProxiesText(proxies: NodeStatus['firstProxies'], now: number): string {
  if (proxies === null) return 'all that are listed'
  const states = { usable: '', unreached: ', not reached', unlisted: ', not listed' } as const
  const texts = proxies.map(({ id, until, state }) => `${id} (for ${span(Date.parse(until) - now)}${states[state]})`)
  return texts.join(', ') || 'none drawn yet'
}

/** A few of them by name, and how many others. */
function listText(ids: readonly string[]): string {
  const others = ids.length - LISTED_IDS
  return [...ids.slice(0, LISTED_IDS), ...(others > 0 ? [`and ${counted(others, 'other')}`] : [])].join(' ')
}

const LISTED_IDS = 4
const UNITS = [
  ['day', 86_400_000],
  ['h', 3_600_000],
  ['min', 60_000],
] as const

/** A time as people say it: its largest unit and the next one. */
function span(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000)) * 1000
  const at = UNITS.findIndex(([, unitMs]) => seconds >= unitMs)
  if (at < 0) return `${seconds / 1000} s`
  const [name, unitMs] = UNITS[at] as (typeof UNITS)[number]
  const whole = Math.floor(seconds / unitMs)
  const first = name === 'day' ? counted(whole, name) : `${whole} ${name}`
  const [nextName, nextMs] = UNITS[at + 1] ?? ['s', 1000]
  const rest = Math.floor((seconds % unitMs) / nextMs)
  return rest === 0 ? first : `${first} ${rest} ${nextName}`
}

function proxyRows(proxy: ProxyReply, now: number): string[][] {
  return [
    ['proxy', `${proxy.id} on ${proxy.address.host} port ${proxy.address.port}`],
    ['', `server: ${serverText(proxy, now)}`],
    ...(proxy.standing === null ? [] : [['', standingText(proxy.standing)]]),
    [
      '',
      `${proxy.forwardedMessages} forwarded, ${proxy.splitRequests} split into ${counted(proxy.sentCopies, 'copy', 'copies')}`,
    ],
    ['', `${counted(proxy.waitingCopies, 'copy', 'copies')} waiting`],
    ...mixingRows(proxy.mixing),
    ['from senders', linkText(proxy.links.senders)],
    ['from proxies', linkText(proxy.links.fromProxies)],
    ['to proxies', linkText(proxy.links.toProxies)],
    ['its server', linkText(proxy.links.server)],
    ['it dropped', dropText(proxy.drops)],
    ['not sent', dropText(proxy.sendErrors)],
  ]
}

const reasons = {
  unchecked: 'not checked yet',
  tooFew: 'there are too few other proxies to find out whether it is reached',
  reached: 'others reach it',
  unreached: 'others do not reach it: is its port open?',
  undecided: 'those asked did not answer in time',
  elsewhere: 'it comes from another host than it advertises',
  full: 'the directory is full',
} as const

function standingText({ state, reason, reached, unreached, at, address }: NonNullable<ProxyReply['standing']>): string {
  const from = address === null ? '' : `, seen at ${address.host}`
  const round = reached + unreached === 0 ? '' : ` (${reached} of ${reached + unreached} in the last round)`
  return `${state}: ${reasons[reason]}${round}${from}, ${at}`
}

function mixingRows(mixing: NonNullable<NodeStatus['proxy']>['mixing']): string[][] {
  const { meanWaitMs, meanForwardWaitMs, extraHopBelow, copiesPerSecond, extraHop } = mixing
  const { detouredCopies, unansweredDetours, passedCopies } = mixing
  const below = extraHopBelow === 0 ? 'never' : `below ${counted(extraHopBelow, 'copy', 'copies')} a second`
  return [
    ['mixing', `copies wait ${meanWaitMs} ms on average, requests passed on ${meanForwardWaitMs} ms`],
    ['', `extra hop ${below}: ${extraHop ? 'yes' : 'no'}, at ${copiesPerSecond.toFixed(1)} in the last minute`],
    ['', `${detouredCopies} by an extra hop (${unansweredDetours} unanswered), ${passedCopies} passed on for others`],
  ]
}

function serverRows(status: ServerStatus): string[][] {
  return [
    ['card', status.card],
    ['id', status.id],
    ['data', sealedText(status.sealed)],
    ['directory', `version ${status.directoryVersion}, ${counted(status.proxies.length, 'proxy', 'proxies')}`],
    ['devices', `${status.devicesConnected} connected of ${status.devicesKnown} known`],
    ['copies', `${status.acceptedCopies} accepted, ${status.deliveredCopies} delivered, ${status.storedCopies} stored`],
    ['proxies', linkText(status.links.proxies)],
    ['devices', linkText(status.links.devices)],
    ['others', linkText(status.links.others)],
    ['dropped', dropText(status.drops)],
    ['not sent', dropText(status.sendErrors)],
    ['core', status.core],
  ]
}

function linkText({ sent, received }: LinkCountersReply): string {
  return `${counted(sent.datagrams, 'datagram')} (${counted(sent.payloadBytes, 'byte')}) out, ${received.datagrams} (${received.payloadBytes}) in`
}

function dropText(drops: Readonly<Record<string, number>>): string {
  return (
    Object.entries(drops)
      .map(([code, count]) => `${code} ${count}`)
      .join(', ') || 'nothing'
  )
}
