/**
 * The command as a person uses it, on loopback and as real processes: a server, three proxies, devices; groups, messages,
 * crashes; and everything that can be wrong with what is typed or found on disk.
 */
import { createSocket } from 'node:dgram'
import { once } from 'node:events'
import { mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { limits } from '../../src/base/limits.js'
import { controlClient } from '../../src/cli/control/client.js'
import type { NodeStatus } from '../../src/cli/control/protocol.js'
import { eventually, printed, type Started, splitcast, start, temporaryDirectory } from './processes.js'

const base = await temporaryDirectory()
const at = (name: string) => join(base, name)
const data = (name: string) => ['--data', at(name)]
const card = at('server/network')
const secret = ['--passphrase-file', at('secret')]

function server(): Started {
  return start(['server', '--listen', '127.0.0.1:0', ...data('server'), '--ready-file', at('server.ready')])
}

function proxy(name: string, host: string): Started {
  const listen = ['--proxy', 'on', '--listen', `${host}:0`, '--mean-wait', '5']
  return start(['node', '--network', card, ...listen, ...data(name)])
}

function device(name: string, ...more: string[]): Started {
  return start(['node', ...data(name), ...more])
}

/** The state of a node without a process of the command in between. */
async function statusOf(name: string): Promise<NodeStatus> {
  const status = await controlClient(at(name)).call('status', {})
  if (status.kind !== 'node') throw new Error(`${name} is no node`)
  return status
}

async function membersOf(name: string, group: string): Promise<number | undefined> {
  return (await statusOf(name)).groups.find((each) => each.name === group)?.members
}

async function inboxOf(name: string, messages: number): Promise<void> {
  await eventually(`an inbox of ${messages}`, async () => (await statusOf(name)).inbox === messages || undefined)
}

function send(name: string, text: string, group = 'friends') {
  const bodyBase64 = Buffer.from(text).toString('base64')
  return controlClient(at(name)).call('send', { group, bodyBase64, padding: 'none', wait: false })
}

const texts = (stdout: string) =>
  stdout
    .trim()
    .split('\n')
    .map((line) => Buffer.from(JSON.parse(line).bodyBase64, 'base64').toString())

const servers = server()
const cardLine = await servers.line
const proxies = [proxy('p1', '127.1.0.1'), proxy('p2', '127.2.0.1'), proxy('p3', '127.3.0.1')]
const proxyLines = await Promise.all(proxies.map(({ line }) => line))
const alice = device('alice', '--network', cardLine)
let bob = device('bob', '--network', card, '--ready-file', at('bob.ready'))
const [aliceAddress, bobAddress] = await Promise.all([alice.line, bob.line])
await writeFile(at('secret'), 'correct horse battery staple\n', { mode: 0o600 })
await writeFile(at('wrong'), 'another horse battery staple\n', { mode: 0o600 })

t.test('what starts says so, and where to find it', async (t) => {
  t.equal((await readFile(at('server.ready'), 'utf8')).trim(), cardLine)
  t.equal((await readFile(card, 'utf8')).trim(), cardLine)
  t.equal((await readFile(at('bob.ready'), 'utf8')).trim(), bobAddress)
  t.equal((await stat(at('bob'))).mode & 0o777, 0o700)
  const [id, status, serverStatus, human] = await Promise.all([
    printed('id', '--json', ...data('p1')),
    printed('status', '--json', ...data('p1')),
    printed('status', '--json', ...data('server')),
    printed('status', ...data('p1')),
  ])
  const { address, proxyId } = JSON.parse(id)
  t.equal(proxyLines[0], `${address} proxy ${proxyId}`)
  t.match(JSON.parse(status), {
    kind: 'node',
    core: /^(fused|integer)$/,
    address,
    proxy: { id: proxyId, listed: true, address: { host: '127.1.0.1' } },
  })
  t.match(JSON.parse(status).localAddress, { host: '127.1.0.1' }, 'the device sends from the same host')
  t.equal(JSON.parse(serverStatus).proxies.length, 3)
  t.ok(JSON.parse(serverStatus).proxies.includes(proxyId))
  t.match(human, new RegExp(`${proxyId} on 127\\.1\\.0\\.1`))
  t.match(human, /role +device and proxy, which the directory lists\n/)
  t.match(human, /data +without a passphrase\n/)
  t.match(human, /server +connected for \d+ s, round trip [\d.]+ ms\n/)
  t.match(human, /directory +3 proxies; version \d+, \d+ s old, valid for \d+ h( \d+ min)?\n/)
  const { serverLink, directory, sealed } = JSON.parse(status)
  t.match(serverLink, { upSince: String, retryAt: null, reconnects: 0, roundTripMs: Number })
  t.ok(Date.parse(directory.issuedAt) < Date.parse(directory.validUntil))
  t.equal(sealed, false)
})

t.test('a group: created, invited to, joined', async (t) => {
  t.same(JSON.parse(await printed('group', 'create', 'friends', '--json', ...data('alice'))), {
    name: 'friends',
    members: 1,
  })
  const early = splitcast(['group', 'join', ...secret, ...data('bob')])
  const empty = splitcast(['send', 'friends', 'hello', ...data('alice')])
  const mine = splitcast(['group', 'invite', 'friends', aliceAddress, ...secret, ...data('alice')])
  t.match(await early, { code: 4, stderr: /INVITATION_NONE/ })
  t.match(await empty, { code: 4, stderr: /GROUP_EMPTY/ })
  t.equal(await printed('group', 'list', ...data('bob')), 'no groups')
  t.match(await mine, { code: 4, stderr: /MEMBER_SELF/ })

  await writeFile(at('list'), `${bobAddress} bob of berlin\n${aliceAddress} # myself\n`)
  const list = ['group', 'invite', 'friends', '--file', at('list'), ...secret, '--json', ...data('alice')]
  const invited = await splitcast(list)
  const results = invited.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line))
  t.equal(invited.code, 4)
  t.match(invited.stderr, new RegExp(`\\[MEMBER_SELF\\]: ${aliceAddress}`), 'the one that failed is named')
  t.match(
    results.find(({ address }) => address === bobAddress),
    { as: 'bob of berlin', id: (await statusOf('bob')).id, error: null },
  )

  const wrong = await splitcast(['group', 'join', '--wait', '--passphrase-file', at('wrong'), ...data('bob')])
  t.match(wrong, { code: 4, stdout: '', stderr: /1 message waits[\s\S]*PASSPHRASE_WRONG/ })
  t.equal((await statusOf('bob')).unopened, 1, 'it is kept for another try')
  await controlClient(at('bob')).call('createGroup', { name: 'mine' })
  const join = (as: string) => ['group', 'join', '--wait', '--timeout', '60', '--as', as, ...secret, ...data('bob')]
  t.match(await splitcast(join('mine')), { code: 4, stderr: /choose another name with --as \[GROUP_EXISTS\]/ })
  t.equal(await printed(...join('pals')), 'joined pals: 2 members')

  await eventually('the confirmation', async () => (await statusOf('alice')).groups[0]?.members === 2 || undefined)
  const [members, groups] = await Promise.all([
    printed('group', 'members', 'friends', '--json', ...data('alice')),
    printed('group', 'list', ...data('bob')),
  ])
  t.match(JSON.parse(members).members, [
    { name: null, role: 'creator', self: true },
    { name: 'bob of berlin', role: 'member', self: false },
  ])
  t.equal(groups, 'mine  1 member\npals  2 members')
  const [annas, bobs] = await Promise.all([
    printed('group', 'members', 'friends', ...data('alice')),
    printed('group', 'members', 'pals', ...data('bob')),
  ])
  t.match(
    annas,
    /^friends: 2 members\nthis device .* created the group\n {2}bob of berlin [^\n]*\nfingerprint: (\w+ ){11}\w+$/,
  )
  t.equal(annas.split('\n').at(-1), bobs.split('\n').at(-1), 'both read the same words to each other')

  const rename = (...what: string[]) => splitcast(['group', 'rename', 'pals', ...what, ...data('bob')])
  const aliceId = (await statusOf('alice')).id
  t.match(await rename(aliceAddress, 'anna'), { code: 0, stdout: `${aliceId} is called anna in pals from now on\n` })
  t.match(await rename('anna', 'al', '--json'), { code: 0, stdout: `{"id":"${aliceId}","name":"al"}\n` })
  t.match(await rename('anna', 'al'), { code: 4, stderr: /anna is no member of pals.*MEMBER_UNKNOWN/ })
  t.match(await rename('al', ''), { code: 2, stderr: /NAME_INVALID/ })
  t.match(await printed('group', 'members', 'pals', ...data('bob')), new RegExp(`^al +${aliceId} `, 'm'))
})

t.test('invitations listed, taken back, declined', async (t) => {
  await controlClient(at('bob')).call('createGroup', { name: 'chess' })
  const invite = ['group', 'invite', 'chess', aliceAddress, ...secret, ...data('bob')]
  await printed(...invite, '--as', 'anna')
  await eventually('an invitation', async () => (await statusOf('alice')).unopened === 1 || undefined)
  t.match(
    await printed('group', 'invitations', ...data('bob')),
    /^chess {2}[0-9a-f]{16} {2}anna {2}invited less than an hour ago {2}runs out in 14 days$/,
  )
  t.match(await splitcast(['group', 'remove', 'chess', 'anna', '--yes', ...data('bob')]), {
    code: 4,
    stderr: /anna is no member of chess.*group uninvite.*MEMBER_UNKNOWN/,
  })
  const decline = (...how: string[]) => splitcast(['group', 'decline', ...how, ...data('alice')])
  t.match(await decline(), { code: 2, stderr: /--all.*USAGE/ })
  t.match(await decline('--passphrase-file', at('wrong')), { code: 4, stderr: /PASSPHRASE_WRONG/ })
  t.match(await decline(...secret), {
    code: 0,
    stdout: `declined the invitation to chess by ${(await statusOf('bob')).id}\ndropped 1 message; nobody is told\n`,
  })
  await printed(...invite)
  await eventually('another', async () => (await statusOf('alice')).unopened === 1 || undefined)
  t.equal(await printed('group', 'decline', '--all', ...data('alice')), 'dropped 1 message; nobody is told')
  t.equal(await printed('group', 'uninvite', 'chess', 'anna', ...data('bob')), 'took the invitation of anna back')
  t.match(await splitcast(['group', 'uninvite', 'chess', aliceAddress, ...data('bob')]), {
    code: 4,
    stderr: /INVITATION_UNKNOWN/,
  })
  t.equal(await printed('group', 'invitations', 'chess', ...data('bob')), 'no invitation awaits an answer')
})

t.test('members removed and leaving', async (t) => {
  const comesIn = async () => {
    await printed('group', 'invite', 'chess', aliceAddress, '--as', 'anna', ...secret, ...data('bob'))
    await printed('group', 'join', '--wait', '--timeout', '60', ...secret, ...data('alice'))
    await eventually('two members', async () => (await membersOf('bob', 'chess')) === 2 || undefined)
  }
  await comesIn()
  const remove = (...what: string[]) => splitcast(['group', 'remove', 'chess', ...what, ...data('bob')])
  t.match(await remove('anna'), { code: 2, stderr: /--yes.*USAGE/ })
  t.match(await remove('nobody', '--yes'), { code: 4, stderr: /MEMBER_UNKNOWN/ })
  t.match(await remove('anna', aliceAddress, '--yes'), {
    code: 0,
    stdout: `removed 1 device from chess: ${(await statusOf('alice')).id}\nnobody but this device is left\n`,
  })
  await eventually('she hears of it', async () => (await membersOf('alice', 'chess')) === 1 || undefined)
  t.match(await printed('group', 'list', ...data('alice')), /^chess +1 member +this device was removed$/m)

  await comesIn()
  t.match(await printed('group', 'list', ...data('alice')), /^chess +2 members$/m, 'one who is invited again is back')
  t.equal(await printed('group', 'leave', 'chess', '--yes', ...data('alice')), 'left chess; the others are being told')
  t.equal(await membersOf('alice', 'chess'), undefined)
  await eventually('he hears of it', async () => (await membersOf('bob', 'chess')) === 1 || undefined)
  const last = await printed('group', 'leave', 'chess', '--yes', ...data('bob'))
  t.equal(last, 'left chess; nobody else was in it, so it is over')
})

t.test('a message, and what it cost', async (t) => {
  const listening = printed('listen', '--json', '--count', '1', '--timeout', '60', ...data('bob'))
  const report = JSON.parse(
    await printed('send', 'friends', 'hello, bob', '--json', '--padding', 'none', ...data('alice')),
  )
  t.match(report, { recipients: 2, slots: 2, bodyBytes: 10, paddingBytes: 0, datagrams: 1, furtherDatagramBytes: 0 })
  t.equal(report.uploadBytes, report.bodyBytes + 10 * report.slots + report.fixedBytes)
  t.ok(report.fixedBytes <= 352, `${report.fixedBytes} fixed bytes`)
  t.strictSame(report.outcome, { messageId: report.messageId, recipients: 1, stored: 1, unproven: [] })
  const message = JSON.parse(await listening)
  t.match(message, {
    group: 'pals',
    sender: (await statusOf('alice')).id,
    senderName: 'al',
    messageId: report.messageId,
  })
  t.equal(Buffer.from(message.bodyBase64, 'base64').toString(), 'hello, bob')
  await inboxOf('bob', 0)
})

t.test('a message to one member directly, by name or id, and one with decoys', async (t) => {
  const bob = (await statusOf('bob')).id
  const direct = ['send', 'friends', 'only you', '--direct', '--json', ...data('alice')]
  const reports = await Promise.all([
    printed(...direct, '--to', 'bob of berlin'),
    printed(...direct, '--to', bob),
    printed('send', 'friends', 'all', '--decoys', 'power', '--json', ...data('alice')),
  ])
  const [byName, byId, all] = reports.map((text) => JSON.parse(text))
  for (const each of [byName, byId]) {
    t.match(each, { recipients: 1, slots: 1, decoys: 0, outcome: { recipients: 1, stored: 1 } })
  }
  t.match(all, { recipients: 2, slots: 2, decoys: 0, outcome: { stored: 1 } })
  const heard = await printed('listen', 'pals', '--json', '--count', '2', '--timeout', '60', ...data('bob'))
  const shown = await printed('listen', 'pals', '--count', '1', '--timeout', '60', ...data('bob'))
  const marks = heard
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line).direct)
  marks.push(/Z {2}to you alone\n {2}only you$/.test(shown))
  t.equal(marks.filter((direct) => direct).length, 2, 'what came to one alone is marked')
  await inboxOf('bob', 0)
  const { proxy } = await statusOf('p1')
  t.match(proxy?.mixing, { meanWaitMs: 5, extraHopBelow: 20, extraHop: true })
})

t.test('standard input and files are sent, and saved', async (t) => {
  const body = Uint8Array.from({ length: 5000 }, (_, index) => index % 256)
  await writeFile(at('body'), body)
  const [fromFile, fromInput] = await Promise.all([
    splitcast(['send', 'friends', '--file', at('body'), '--json', '--no-wait', ...data('alice')]),
    splitcast(['send', 'friends', '-', ...data('alice')], { input: 'typed' }),
  ])
  t.match(fromInput, {
    code: 0,
    stdout: /to 2 recipients[\s\S]*body 5, overhead[\s\S]*proven stored for 1 of 1 other\n/,
  })
  t.equal(JSON.parse(fromFile.stdout).outcome, null, 'nobody waited')
  const listen = ['listen', 'pals', '--count', '2', '--timeout', '60', '--save', at('saved'), ...data('bob')]
  t.match(await printed(...listen), /^pals {2}al {2}\S+Z {2}\d+ bytes in /)
  const saved = await readFile(join(at('saved'), JSON.parse(fromFile.stdout).messageId))
  t.strictSame(new Uint8Array(saved), body)
})

t.test('a message stays until it is acknowledged, also when the node is killed', async (t) => {
  await send('alice', 'one')
  await send('alice', '\u001b[31mtwo\nlines')
  await inboxOf('bob', 2)
  bob.child.kill('SIGKILL')
  await bob.result
  t.match(await splitcast(['status', ...data('bob')]), { code: 3, stderr: /CONTROL_UNREACHABLE/ })
  bob = device('bob')
  t.equal(await bob.line, bobAddress, 'the network is remembered, a socket left behind replaced')

  const listen = ['listen', 'pals', '--count', '1', '--timeout', '60', ...data('bob')]
  t.match(await printed(...listen), /^pals {2}al {2}\S+Z\n {2}one$/)
  await inboxOf('bob', 1)
  t.match(
    await printed(...listen),
    /Z\n {2}\\u\{1b\}\[31mtwo\n {2}lines$/,
    'shown so that it cannot steer the terminal',
  )
  await inboxOf('bob', 0)
  const late = await splitcast(['listen', '--json', '--timeout', '0.5', ...data('bob')])
  t.match(late, { code: 5, stdout: '', stderr: /TIMEOUT/ })
})

t.test('every listener sees what none has acknowledged; the first acknowledgement removes it', async (t) => {
  const client = controlClient(at('bob'))
  const listener = async () => {
    const items = client.stream('messages', { group: 'pals' })
    const first = (await items.next()).value
    if (first === undefined || !('stream' in first)) throw new Error('a stream begins with its name')
    return { items, stream: first.stream }
  }
  await send('alice', 'both')
  const [one, two] = await Promise.all([listener(), listener()])
  const seen = await Promise.all([one.items.next(), two.items.next()])
  t.match(seen[0].value, { sequence: 0, message: { bodyBase64: Buffer.from('both').toString('base64') } })
  t.strictSame(seen[0].value, seen[1].value)
  await client.call('acknowledge', { stream: two.stream, sequences: [0] })
  await inboxOf('bob', 0)
  await client.call('acknowledge', { stream: one.stream, sequences: [0] })
  await send('alice', 'next')
  const three = await listener()
  t.match((await three.items.next()).value, { message: { bodyBase64: Buffer.from('next').toString('base64') } })
  await client.call('acknowledge', { stream: three.stream, sequences: [0] })
  for (const { items } of [one, two, three]) await items.return()
})

t.test('a reader that goes away leaves the rest in the inbox', async (t) => {
  const listening = start(['listen', '--json', ...data('bob')])
  const first = listening.line
  await send('alice', 'read')
  t.same(texts(await first), ['read'])
  await inboxOf('bob', 0)
  listening.child.stdout?.destroy()
  await send('alice', 'unread')
  t.match(await listening.result, { code: 0, stderr: '' }, 'no crash')
  t.equal((await statusOf('bob')).inbox, 1)
})

t.test('a listener is handed so many messages without its confirmation, and no more', async (t) => {
  for (let i = 0; i < limits.controlUnconfirmed; i++) await send('alice', `number ${i}`)
  await inboxOf('bob', limits.controlUnconfirmed + 1)
  const client = controlClient(at('bob'))
  const items = client.stream('messages', {})
  const opened = (await items.next()).value
  const stream = opened !== undefined && 'stream' in opened ? opened.stream : t.fail('the stream is named first')
  for (let i = 0; i < limits.controlUnconfirmed; i++) await items.next()
  let came = false
  const next = items.next().then(({ value }) => {
    came = true
    return value
  })
  await new Promise((resolve) => setTimeout(resolve, 300))
  t.notOk(came)
  const sequences = Array.from({ length: limits.controlUnconfirmed }, (_, index) => index)
  await client.call('acknowledge', { stream: String(stream), sequences })
  t.match(await next, { sequence: limits.controlUnconfirmed })
  await client.call('acknowledge', { stream: String(stream), sequences: [limits.controlUnconfirmed] })
  await items.return()
  await inboxOf('bob', 0)
  await t.rejects(client.call('acknowledge', { stream: String(stream), sequences: [0] }), { code: 'MESSAGE_UNKNOWN' })
})

t.test('what is asked of a running node in vain', async (t) => {
  const refused = (name: string, args: string[], code: number, error: RegExp) => async () => {
    const result = await splitcast(args)
    t.match(result, { code, stdout: '', stderr: error }, name)
    t.match(result.stderr, /^splitcast: .+ \[[A-Z_]+\]\n$/, `${name}: one line`)
  }
  await writeFile(at('large'), new Uint8Array(limits.bodyBytes + 1))
  await writeFile(at('weak'), 'short\n', { mode: 0o600 })
  const mistyped = `${aliceAddress.slice(0, -1)}${aliceAddress.endsWith('q') ? 'p' : 'q'}`
  const invite = (address: string, ...more: string[]) => [
    'group',
    'invite',
    'friends',
    address,
    ...more,
    ...data('alice'),
  ]
  const cases = [
    refused('an unknown group', ['send', 'nobody', 'hello', ...data('alice')], 4, /GROUP_UNKNOWN/),
    refused(
      'a place to save to that cannot be',
      ['listen', '--save', at('large/x'), ...data('alice')],
      1,
      /DATA_UNWRITABLE/,
    ),
    refused('a second process', ['node', '--network', card, ...data('alice')], 4, /DATA_LOCKED/),
    refused(
      'a group twice',
      ['group', 'create', 'friends', ...data('alice')],
      4,
      /already; choose another name \[GROUP_EXISTS/,
    ),
    refused('a name with control characters', ['group', 'create', 'a\u0007', ...data('alice')], 2, /NAME_INVALID/),
    refused('a mistyped address', invite(mistyped, ...secret), 2, /ADDRESS_MALFORMED/),
    refused('a card for an address', invite(cardLine, ...secret), 2, /network card.*ADDRESS_MALFORMED/),
    refused('no terminal to ask on', invite(proxyLines[0]?.split(' ')[0] ?? ''), 2, /--passphrase-file.*USAGE/),
    refused(
      'a weak passphrase',
      invite(proxyLines[0]?.split(' ')[0] ?? '', '--passphrase-file', at('weak')),
      2,
      /PASSPHRASE_WEAK/,
    ),
    refused('a body over the limit', ['send', 'friends', '--file', at('large'), ...data('alice')], 2, /BODY_TOO_LARGE/),
    refused('nothing to send', ['send', 'friends', ...data('alice')], 2, /USAGE/),
    refused('words without quotes', ['send', 'friends', 'two', 'words', ...data('alice')], 2, /in quotes.*USAGE/),
    refused('a group on a server', ['group', 'list', ...data('server')], 4, /CONTROL_REFUSED/),
    refused('the data of a server', ['id', ...data('server')], 4, /DATA_KIND/),
    refused(
      'no passphrase file, before any waiting',
      ['group', 'join', '--wait', '--passphrase-file', at('nothing'), ...data('bob')],
      2,
      /cannot read .*nothing \(ENOENT\); there is no such file/,
    ),
    refused('a text and a file', ['send', 'friends', 'x', '--file', at('nothing'), ...data('alice')], 2, /not both/),
    refused('a direct message to nobody', ['send', 'friends', 'x', '--direct', ...data('alice')], 2, /--to MEMBER/),
    refused('--to all the same', ['send', 'friends', 'x', '--to', 'bob', ...data('alice')], 2, /add --direct/),
    refused(
      'a direct message to a stranger',
      ['send', 'friends', 'x', '--direct', '--to', 'carol', ...data('alice')],
      4,
      /MEMBER_UNKNOWN/,
    ),
    refused('--timeout without --wait', ['group', 'join', '--timeout', '1', ...data('bob')], 2, /USAGE/),
  ]
  // Two at a time: each is a process.
  await Promise.all(
    [0, 1].map(async (odd) => {
      for (const [index, attempt] of cases.entries()) if (index % 2 === odd) await attempt()
    }),
  )
})

t.test('what cannot be started', async (t) => {
  const taken = createSocket('udp4')
  taken.bind(0, '127.0.0.1')
  await once(taken, 'listening')
  t.teardown(() => taken.close())
  await writeFile(at('file'), '')
  for (const [name, content] of [
    ['newer', '{"version":3}'],
    ['damaged', '{"version":1}'],
  ] as const) {
    await mkdir(at(name), { mode: 0o700 })
    await writeFile(join(at(name), 'identity.json'), content)
  }
  const node = ['node', '--network', cardLine]
  const long = join(base, 'x'.repeat(100))
  const cases: [string, string[], number, RegExp][] = [
    ['a port in use', ['server', '--listen', `127.0.0.1:${taken.address().port}`, ...data('s1')], 1, /PORT_IN_USE/],
    ['an address of another machine', ['server', '--listen', '192.0.2.1:0', ...data('s2')], 1, /ADDRESS_UNAVAILABLE/],
    ['every address without --advertise', ['server', '--listen', '0.0.0.0:0', ...data('s3')], 2, /--advertise.*USAGE/],
    ['no HOST:PORT', ['server', '--listen', '127.0.0.1', ...data('s4')], 2, /ENDPOINT_MALFORMED/],
    [
      'a mistyped card',
      ['node', '--network', cardLine.replace(/...$/, 'qqq'), ...data('n')],
      2,
      /NETWORK_CARD_MALFORMED/,
    ],
    ['no card at all', ['node', ...data('n')], 2, /--network.*USAGE/],
    [
      'a proxy at an address of another machine',
      [...node, '--proxy', 'on', '--listen', '192.0.2.1:7001', ...data('n')],
      1,
      /192\.0\.2\.1:7001.*ADDRESS_UNAVAILABLE/,
    ],
    [
      'a proxy on every address without --advertise',
      [...node, '--proxy', 'on', '--listen', '0.0.0.0:0', ...data('s3')],
      2,
      /--advertise.*USAGE/,
    ],
    ['a proxy without --listen', [...node, '--proxy', 'on', ...data('n')], 2, /--listen.*USAGE/],
    [
      'workers without a proxy',
      [...node, '--metered', '--workers', '1', ...data('n')],
      2,
      /--workers is for proxies.*USAGE/,
    ],
    ['too many workers', ['server', '--listen', '127.0.0.1:0', '--workers', '65', ...data('s5')], 2, /0 to 64.*USAGE/],
    ['a directory that cannot be made', [...node, '--data', at('file/n')], 1, /DATA_UNWRITABLE/],
    ['a newer data directory', [...node, ...data('newer')], 4, /upgrade.*DATA_VERSION/],
    ['a damaged data directory', ['id', ...data('damaged')], 4, /DATA_DAMAGED/],
    ['a path too long for a socket', [...node, '--data', long], 2, /CONTROL_PATH_LONG/],
    ['no data directory', ['status', ...data('none')], 3, /DATA_MISSING/],
    ['an unknown option', ['status', '--loud'], 2, /USAGE/],
    [
      'an address that nobody reaches',
      ['server', '--listen', '127.0.0.1:0', '--advertise', '0.0.0.0:7'],
      2,
      /MALFORMED/,
    ],
    ['what takes no arguments', ['passphrase', 'sett'], 2, /^splitcast: 'passphrase' takes options.*USAGE/],
    [
      'help for a command that there is not',
      ['help', 'nope'],
      2,
      /^splitcast: [^\n]*"nope"; there are server[^\n]*USAGE\]\n$/,
    ],
  ]
  await Promise.all(
    [0, 1].map(async (odd) => {
      for (const [index, [name, args, code, error]] of cases.entries()) {
        if (index % 2 !== odd) continue
        t.match(await splitcast(args), { code, stdout: '', stderr: error }, name)
      }
    }),
  )
  t.equal(await readFile(join(at('newer'), 'identity.json'), 'utf8'), '{"version":3}', 'nothing is written over')
  await t.rejects(stat(long), 'a refused path leaves nothing behind')
  await t.rejects(stat(at('s3')), 'nor does a missing --advertise')
})

t.test('two processes that are first on a directory make one identity', async (t) => {
  const ids = await Promise.all([1, 2, 3].map(() => printed('id', ...data('fresh'))))
  t.equal(new Set(ids).size, 1)
})

t.test('an interrupted command ends with 130, a stopped node with 0', async (t) => {
  const listening = async () => {
    const started = start(['listen', '--timeout', '60', ...data('alice')])
    await send('bob', 'are you there', 'pals')
    await started.line
    return started
  }
  const interrupted = await listening()
  interrupted.child.kill('SIGINT')
  t.match(await interrupted.result, { code: 130, stderr: /ABORTED/ })
  const left = await listening()
  alice.child.kill('SIGINT')
  t.equal((await alice.result).code, 0)
  t.match(await left.result, { code: 3, stderr: /CLOSED/ }, 'a listener whose node has stopped')
})

t.test('a node whose server is away says so, takes commands, and stops', async (t) => {
  const lonely = device('lonely', '--network', cardLine, '--listen', '127.0.0.1:0')
  await lonely.line
  const stopped = splitcast(['stop', ...data('server')])
  t.match(await stopped, { code: 0, stdout: '', stderr: '' })
  t.equal((await servers.result).code, 0, 'gone when stop returns')
  t.match(await splitcast(['stop', ...data('lonely')]), { code: 0 })
  t.equal((await lonely.result).code, 0)

  const waiting = device('lonely')
  await eventually(
    'a word on what is missing',
    () => /waiting for an answer of the server/.test(waiting.stderr()) || undefined,
  )
  t.equal((await statusOf('lonely')).connected, false)
  waiting.child.kill('SIGTERM')
  t.match(await waiting.result, { code: 0, stdout: '' })
})

t.test('a signal lets a node end well', async (t) => {
  for (const node of [bob, ...proxies]) node.child.kill('SIGTERM')
  for (const node of [bob, ...proxies]) t.match(await node.result, { code: 0 })
})
