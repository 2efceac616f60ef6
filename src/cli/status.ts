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
  await print(columns(status.kind === 'node' ? nodeRows(status) : serverRows(status)))
}

function nodeRows(status: NodeStatus): string[][] {
  const { directory, proxy, groups } = status
  return [
    ['address', status.address],
    ['id', status.id],
    ['server', status.connected ? 'connected' : 'not connected'],
    [
      'directory',
      directory === null
        ? 'none yet'
        : `${counted(directory.proxies.length, 'proxy', 'proxies')}, until ${directory.validUntil}`,
    ],
    ['groups', groups.map(({ name, members }) => `${printable(name)} (${members})`).join(', ') || 'none'],
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
    ...(proxy === null ? [] : proxyRows(proxy)),
  ]
}

function coverText({ meanMs, made, skipped }: NonNullable<NodeStatus['cover']>): string {
  return `${counted(made, 'message')} to nobody, one in ${meanMs / 1000} s on average, ${skipped} left out`
}

function proxyRows(proxy: NonNullable<NodeStatus['proxy']>): string[][] {
  return [
    ['proxy', `${proxy.id} on ${proxy.address.host} port ${proxy.address.port}`],
    [
      '',
      `${proxy.connected ? 'connected' : 'not connected'}, ${proxy.listed ? 'listed' : 'not listed'} in the directory`,
    ],
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
