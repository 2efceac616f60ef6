/** The parts of the command that need no node: what is typed, read from files and printed, and the tables in its manual. */
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { chmod, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { wordlist } from '@scure/bip39/wordlists/english.js'
import type { Command } from 'commander'
import t from 'tap'
import { bigEndian, utf8 } from '../../src/base/bytes.js'
import { dropCodes, ProtocolError } from '../../src/base/errors.js'
import { limits } from '../../src/base/limits.js'
import { parseAddressList } from '../../src/cli/address-list.js'
import { calls, type NodeStatus, refusal, streamLine, streams } from '../../src/cli/control/protocol.js'
import { forgetReadyFile } from '../../src/cli/daemon.js'
import { exitCodes, exitMeanings, exitOf } from '../../src/cli/exit-codes.js'
import { heldUpBy } from '../../src/cli/held-up.js'
import { readInput, readTextInput } from '../../src/cli/input.js'
import { type MemberReply, memberTree, silenceText } from '../../src/cli/members.js'
import { networkCard } from '../../src/cli/network-card.js'
import {
  listenAddress,
  oneOf,
  paddingModes,
  reachableAddress,
  secondsToMs,
  wholeNumber,
} from '../../src/cli/options.js'
import { columns, counted, errorLine, printable, reportError } from '../../src/cli/output.js'
import { generatePassphrase, passphraseFromFile, sizeTerminal } from '../../src/cli/passphrase.js'
import { buildProgram } from '../../src/cli/program.js'
import { saveBody } from '../../src/cli/save.js'
import { unprovenError } from '../../src/cli/send.js'
import { admittedFrom } from '../../src/cli/server.js'
import { statusRows } from '../../src/cli/status.js'
import type { Log } from '../../src/driver/log.js'
import { LINES_PER_PERIOD, Notices } from '../../src/driver/notices.js'
import { Outcomes, type SendOutcome } from '../../src/driver/outcomes.js'
import { warnOfSmallBuffer } from '../../src/driver/start.js'
import { openUdp } from '../../src/driver/udp.js'
import { formatDeviceAddress, formatNetworkCard, parseEndpoint } from '../../src/wire/text.js'
import { temporaryDirectory } from './processes.js'

const directory = await temporaryDirectory()
const file = (name: string) => join(directory, name)
const manual = readFileSync(fileURLToPath(new URL('../../../docs/OPERATING.md', import.meta.url)), 'utf8')

/** Some device's address: the key need not be a good one where it is only read. */
function addressOf(seed: number): string {
  return formatDeviceAddress({
    identityKey: new Uint8Array(32).fill(seed) as never,
    accessCode: Uint8Array.of(seed, seed),
  })
}

t.test('who is not proven to have a message is named, with the reason', (t) => {
  const unproven = [
    { id: '0123456789abcdef', name: 'bob\u001b', reason: 'refused' as const },
    { id: 'fedcba9876543210', name: null, reason: 'noProof' as const },
  ]
  const error = unprovenError({ messageId: '00', recipients: 7, stored: 5, unproven })
  t.equal(error.code, 'SEND_UNPROVEN')
  t.match(error.message, 'stored for 5 of 7, not for bob\\u{1b} (refused by the server), fedcba9876543210 (no proof);')
  t.end()
})

t.test('outcomes reach every reader from when it began, the latest where one lags', async (t) => {
  const outcomes = new Outcomes()
  const outcome = (stored: number): SendOutcome => ({ messageId: '00', recipients: 9, stored, unproven: [] })
  outcomes.add(outcome(0))
  const [early, lagging] = [outcomes.read(undefined), outcomes.read(undefined)]
  const first = early.next()
  outcomes.add(outcome(1))
  t.match(await first, { value: { stored: 1 } })
  for (let i = 2; i <= limits.outcomes + 2; i++) outcomes.add(outcome(i))
  t.match(await early.next(), { value: { stored: 3 } }, 'one more than are kept')
  t.match(await lagging.next(), { value: { stored: 3 } })
  outcomes.close()
  t.match(await lagging.next(), { done: true })
})

t.test('passphrases', async (t) => {
  t.test('every word is equally likely, and independent of the others', (t) => {
    let drawn = 0
    const words = generatePassphrase(() => bigEndian(drawn++, 4), wordlist.length).split('-')
    t.strictSame([...words].sort(), [...wordlist].sort(), 'one draw of each value gives each word once')
    t.equal(2 ** 32 % wordlist.length, 0, 'so that no value is drawn again')
    t.equal(drawn, wordlist.length)
    t.end()
  })

  t.test('a generated one has six words, is long enough to be accepted, and differs from the next', (t) => {
    const passphrase = generatePassphrase()
    t.equal(passphrase.split('-').length, 6)
    const shortest = Math.min(...wordlist.map((word) => word.length))
    t.ok(6 * shortest + 5 >= limits.passphraseMinBytes)
    t.not(generatePassphrase(), passphrase)
    t.end()
  })

  t.test('the first line of a file counts, without its line end', async (t) => {
    await writeFile(file('secret'), 'six words and spaces \r\nmore\n', { mode: 0o600 })
    t.equal(await passphraseFromFile(file('secret')), 'six words and spaces ')
    await writeFile(file('secret'), '\nmore\n')
    await t.rejects(passphraseFromFile(file('secret')), { code: 'USAGE' })
    await t.rejects(passphraseFromFile(file('none')), { code: 'USAGE', message: /no such file/ })
    await t.rejects(passphraseFromFile('/dev/zero'), { code: 'USAGE', message: /smaller file/ }, 'one without an end')
  })

  t.test('a terminal that does not say its size is asked as one of the usual size', (t) => {
    const silent = { columns: 0, rows: 0 }
    sizeTerminal(silent)
    t.strictSame(silent, { columns: 80, rows: 24 })
    const narrow = { columns: 40, rows: 10 }
    sizeTerminal(narrow)
    t.strictSame(narrow, { columns: 40, rows: 10 })
    t.end()
  })
})

t.test('options are read or refused', (t) => {
  t.equal(wholeNumber('n', 2, 9)('2'), 2)
  t.equal(wholeNumber('n', 2, 9)('9'), 9)
  for (const text of ['1', '10', '', '-2', '2.5', '0x2', ' 2', '1e1']) {
    t.throws(() => wholeNumber('n', 2, 9)(text), { code: 'USAGE' }, text)
  }
  t.equal(oneOf('--padding', paddingModes)('cell'), 'cell')
  t.throws(() => oneOf('--padding', paddingModes)('Cell'), { code: 'USAGE' })
  t.equal(secondsToMs('--timeout')('1.5'), 1500)
  for (const text of ['0', '-1', 'soon', '', '1e3'])
    t.throws(() => secondsToMs('--timeout')(text), { code: 'USAGE' }, text)
  t.equal(listenAddress('[::1]:0'), '[::1]:0')
  t.equal(reachableAddress('Cast.Example.ORG:7000'), 'cast.example.org:7000')
  t.throws(() => reachableAddress('127.0.0.1:0'), { code: 'ENDPOINT_MALFORMED' })
  t.throws(() => listenAddress('127.0.0.1'), { code: 'ENDPOINT_MALFORMED' })
  t.end()
})

t.test('address lists', (t) => {
  const [one, two] = [addressOf(1), addressOf(2)]
  t.strictSame(
    parseAddressList(`# friends\n${one}\n\n  ${two}\t bob of berlin  # moved\r\n`, 'list'),
    [
      { address: one, petname: undefined },
      { address: two, petname: 'bob of berlin' },
    ],
    'petnames, remarks, empty lines',
  )
  const bad = `${one.slice(0, -1)}${one.endsWith('q') ? 'p' : 'q'}`
  t.throws(() => parseAddressList(`${two}\n${bad}`, 'list'), { code: 'ADDRESS_MALFORMED', message: /^list line 2: / })
  t.throws(() => parseAddressList(`${one}\n\n${one.toUpperCase()}`, 'list'), { message: /line 3 repeats .* line 1/ })
  t.throws(() => parseAddressList(`${one} bob\n${two} bob`, 'list'), {
    message: /line 2 repeats the petname of line 1/,
  })
  t.throws(() => parseAddressList('# nobody\n', 'list'), { code: 'USAGE' })
  t.end()
})

t.test('a list may name as many devices as there can be invitations, and not one more', (t) => {
  const address = (index: number) => {
    const identityKey = new Uint8Array(32)
    identityKey.set(bigEndian(index, 4))
    return formatDeviceAddress({ identityKey: identityKey as never, accessCode: new Uint8Array(2) })
  }
  const most = Array.from({ length: limits.pendingInvitations }, (_, index) => address(index))
  t.equal(parseAddressList(most.join('\n'), 'list').length, limits.pendingInvitations)
  t.throws(() => parseAddressList([...most, address(most.length)].join('\n'), 'list'), { code: 'USAGE' })
  t.end()
})

t.test('lists of admitted proxies', async (t) => {
  await writeFile(file('proxies'), '# mine\n00112233445566FF # the old one\n\n8899aabbccddeeff')
  t.strictSame([...(await admittedFrom(file('proxies')))], ['00112233445566ff', '8899aabbccddeeff'])
  await writeFile(file('proxies'), '00112233445566ff\n0011')
  await t.rejects(admittedFrom(file('proxies')), { code: 'USAGE', message: /line 2/ })
  await t.rejects(admittedFrom(file('none')), { code: 'USAGE' })
})

t.test('network cards', async (t) => {
  const card = formatNetworkCard({
    identityKey: new Uint8Array(32).fill(7) as never,
    addresses: [parseEndpoint('192.0.2.1:7000')],
  })
  await writeFile(file('network'), `${card}\n`)
  t.equal(await networkCard(card.toUpperCase(), file('none')), card, 'as text')
  t.equal(await networkCard(file('network'), file('none')), card, 'in a file')
  t.equal(await networkCard(undefined, directory), card, 'as remembered')
  await t.rejects(networkCard(undefined, file('none')), { code: 'USAGE' })
  await t.rejects(
    networkCard(
      card.replace(/.$/, (last) => (last === 'q' ? 'p' : 'q')),
      directory,
    ),
    {
      code: 'NETWORK_CARD_MALFORMED',
      message: /checksum/,
    },
  )
  await t.rejects(networkCard(addressOf(1), directory), { code: 'NETWORK_CARD_MALFORMED', message: /device address/ })
  await t.rejects(networkCard(directory, directory), { code: 'USAGE' }, 'a directory')
  await t.rejects(networkCard('./nofile', directory), { code: 'USAGE', message: /no file \.\/nofile.*splitcast1/ })
})

t.test('input is read up to its limit, and not one byte more', async (t) => {
  const tooLarge = () => new ProtocolError('BODY_TOO_LARGE', 'too large')
  await writeFile(file('body'), new Uint8Array(100_000).fill(1))
  t.equal((await readInput(file('body'), 100_000, tooLarge)).length, 100_000)
  await t.rejects(readInput(file('body'), 99_999, tooLarge), { code: 'BODY_TOO_LARGE' })
  await t.rejects(readInput(file('none'), 1, tooLarge), { code: 'USAGE', message: /ENOENT/ })
  await writeFile(file('body'), Uint8Array.of(0xff))
  await t.rejects(readTextInput(file('body'), 10), { code: 'USAGE' })
})

t.test('saved bodies', async (t) => {
  const path = file('saved/deep')
  const message = { messageId: '00000000000000aa', sender: '00000000000000bb' }
  t.equal(await saveBody(path, message, utf8('one')), join(path, message.messageId))
  t.equal(await saveBody(path, message, utf8('one')), join(path, message.messageId), 'come again after a crash')
  const other = await saveBody(path, message, utf8('two'))
  t.equal(other, join(path, `${message.messageId}-${message.sender}`), 'the same id with another content')
  await t.rejects(saveBody(path, message, utf8('three')), { code: 'DATA_UNWRITABLE' }, 'nothing is written over')
  t.strictSame((await readdir(path)).length, 2, 'nothing else is left')
  t.equal(await readFile(other, 'utf8'), 'two')
  await writeFile(file('plain'), '')
  await t.rejects(saveBody(file('plain'), message, utf8('one')), { code: 'DATA_UNWRITABLE' })
})

t.test('what others wrote cannot steer a terminal', (t) => {
  t.equal(printable('a\tb\nc'), 'a\tb\nc')
  t.equal(printable('\u001b[2J\r\u202eevil\u009b'), '\\u{1b}[2J\\u{d}\\u{202e}evil\\u{9b}')
  t.equal(errorLine(new ProtocolError('USAGE', 'one\ntwo')), 'splitcast: one two [USAGE]')
  t.equal(errorLine(new Error('no code')), 'splitcast: no code')
  t.equal(
    columns([
      ['a', 'bc'],
      ['def', 'g'],
    ]),
    'a    bc\ndef  g',
  )
  t.equal(counted(1, 'proxy', 'proxies'), '1 proxy')
  t.equal(counted(0, 'datagram'), '0 datagrams')
  t.equal(reportError(Object.assign(new Error('gone'), { code: 'EPIPE' }), false), exitCodes.ok)
  t.end()
})

t.test('commands to a node and its answers are checked at both ends', (t) => {
  const accepts = (schema: { safeParse(value: unknown): { success: boolean } }, value: unknown) =>
    schema.safeParse(value).success
  const send = { group: 'g', bodyBase64: 'aGVsbG8=' }
  t.ok(accepts(calls.send.request, send))
  t.notOk(accepts(calls.send.request, { ...send, bodyBase64: 'no base64!' }))
  t.notOk(accepts(calls.send.request, { ...send, padding: 'loud' }))
  t.notOk(accepts(calls.send.request, { group: 'g' }))
  t.notOk(accepts(calls.join.request, { passphrase: 1 }))
  const stream = '9c858901-8a57-4791-81fe-4c455b099bc9'
  const sequences = (count: number) => ({ stream, sequences: Array.from({ length: count }, (_, index) => index) })
  t.ok(accepts(calls.acknowledge.request, sequences(limits.controlUnconfirmed)))
  t.notOk(accepts(calls.acknowledge.request, sequences(limits.controlUnconfirmed + 1)))
  t.notOk(accepts(streams.messages.item, { sequence: -1, message: {} }))
  t.ok(accepts(streamLine, { refusal: { code: 'GROUP_UNKNOWN', message: 'no' } }))
  t.notOk(accepts(refusal, { code: 'NO_SUCH_CODE', message: 'no' }))
  t.notOk(accepts(refusal, { code: 'toString', message: 'no' }))
  t.end()
})

t.test('every command explains itself with an example, in lines that fit a terminal', (t) => {
  const all = (command: Command): Command[] => [command, ...command.commands.flatMap(all)]
  const [program, ...commands] = all(buildProgram()).map((command) => {
    let help = ''
    command.configureOutput({ writeOut: (text) => (help += text), getOutHelpWidth: () => 80 })
    command.outputHelp()
    const wide = help.split('\n').filter((line) => line.length > 80)
    t.strictSame(wide, [], command.name())
    return { name: command.name(), help }
  })
  t.match(program?.help, /wrong passphrase, a\n {7}directory in use\n/)
  t.ok(commands.length >= 14)
  for (const { name, help } of commands) t.match(help, /Examples?:\n {2}\(?.*splitcast /, name)
  t.end()
})

t.test('a ready file that cannot be written is refused before anything starts', async (t) => {
  for (const name of ['.', 'none/ready']) {
    await t.rejects(forgetReadyFile(file(name)), { code: 'DATA_UNWRITABLE', message: /--ready-file/ }, name)
  }
  await writeFile(file('ready'), 'of an earlier run')
  await forgetReadyFile(file('ready'))
  t.notOk((await readdir(directory)).includes('ready'))
})

t.test('help is of the command that is named, also of one within another', async (t) => {
  const help = async (...names: string[]) => {
    let shown = ''
    const all = (command: Command): void => {
      command.configureOutput({ writeOut: (text) => (shown += text) })
      command.commands.forEach(all)
    }
    const program = buildProgram()
    all(program)
    await t.rejects(program.parseAsync(names, { from: 'user' }), { code: 'commander.help' })
    return shown.split('\n', 1)[0]
  }
  t.equal(await help('help'), 'Usage: splitcast [options] [command]')
  for (const names of [
    ['help', 'group', 'join'],
    ['group', 'help', 'join'],
    ['group', 'join', '--help'],
  ]) {
    t.equal(await help(...names), 'Usage: splitcast group join [options]')
  }
  for (const names of [
    ['help', 'group', 'nope'],
    ['group', 'help', 'nope'],
    ['help', 'id', 'nope'],
  ]) {
    await t.rejects(buildProgram().parseAsync(names, { from: 'user' }), { code: 'USAGE', message: /nope/ })
  }
})

t.test('what others are told of later waits for the server, or for two proxies besides the own one', (t) => {
  const directory = (...proxies: string[]) => ({ proxies }) as NodeStatus['directory']
  const own = { id: 'a' } as NodeStatus['proxy']
  t.match(heldUpBy({ connected: false, directory: directory('b', 'c'), proxy: null }), /the server/)
  t.match(heldUpBy({ connected: true, directory: null, proxy: null }), /the server/)
  t.match(heldUpBy({ connected: true, directory: directory('b'), proxy: null }), /2 proxies$/)
  t.match(heldUpBy({ connected: true, directory: directory('a', 'b'), proxy: own }), /besides that of this node/)
  t.equal(heldUpBy({ connected: true, directory: directory('b', 'c'), proxy: null }), undefined)
  t.equal(heldUpBy({ connected: true, directory: directory('a', 'b', 'c'), proxy: own }), undefined)
  t.end()
})

t.test('the tools of this project refuse bad input as the command does', (t) => {
  const wrongSeeds = [['--seed', 'x'], ['--seed'], ['--sed', '1'], ['x']]
  const wrong = {
    'test/audit': wrongSeeds,
    'test/sim': wrongSeeds,
    bench: [
      ['overhead', 'nope'],
      ['report', '--frm'],
    ],
  }
  for (const [tool, attempts] of Object.entries(wrong)) {
    const main = fileURLToPath(new URL(`../../${tool}/main.js`, import.meta.url))
    for (const args of attempts) {
      const { status, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: 'utf8' })
      t.equal(status, 2, `${tool} ${args.join(' ')}`)
      t.match(stderr, /^splitcast: [^\n]+ \[USAGE\]\n$/)
    }
  }
  t.end()
})

t.test('the manual names every exit code, error code and drop code, with its meaning', (t) => {
  for (const [name, code] of Object.entries(exitCodes)) {
    const row = `| ${code} | ${exitMeanings[name as keyof typeof exitCodes]} |`
    t.ok(manual.includes(row), row)
  }
  for (const [code, name] of Object.entries(exitOf)) {
    t.match(manual, new RegExp(`^\\| \`${code}\` \\| ${exitCodes[name]} \\| \\S.* \\| \\S.* \\|$`, 'm'), code)
  }
  for (const [code, meaning] of Object.entries(dropCodes)) {
    t.ok(manual.includes(`| \`${code}\` | ${meaning} |`), code)
  }
  const environmentNames = ['SPLITCAST_DATA', 'SPLITCAST_PASSPHRASE_FILE', 'XDG_STATE_HOME', 'CREDENTIALS_DIRECTORY']
  const named = [...manual.matchAll(/^\| `([A-Z_]+)` \|/gm)].map(([, code]) => code)
  t.strictSame(
    named.sort(),
    [...Object.keys(exitOf), ...Object.keys(dropCodes), ...environmentNames].sort(),
    'and names none that is not there',
  )
  t.end()
})

t.test('a datagram that cannot be sent is counted, and ends nothing', async (t) => {
  const socket = await openUdp({ host: '127.0.0.1', port: 0 })
  t.teardown(() => socket.close())
  const nowhere = [
    { host: '127.0.0.1', port: 0 },
    { host: '127.0.0.1', port: 65_536 },
    { host: '2001:db8::1', port: 9 },
    { host: '255.255.255.255', port: 9 },
    { host: 'no address', port: 9 },
  ]
  for (const to of nowhere) socket.send(to, new Uint8Array(5))
  await socket.drained()
  t.equal(socket.sendErrors(), nowhere.length)
  t.ok(Object.keys(socket.sendErrorCodes()).length >= 3, `counted by code: ${Object.keys(socket.sendErrorCodes())}`)
  const got = new Promise<Uint8Array>((resolve) => socket.onDatagram((_, bytes) => resolve(bytes)))
  socket.send(socket.address, Uint8Array.of(7))
  t.strictSame(Uint8Array.from(await got), Uint8Array.of(7))
})

t.test('a datagram too large for any packet is counted under its code', async (t) => {
  const socket = await openUdp({ host: '127.0.0.1', port: 0 })
  t.teardown(() => socket.close())
  socket.send(socket.address, new Uint8Array(70_000))
  await socket.drained()
  t.strictSame(socket.sendErrorCodes(), { EMSGSIZE: 1 })
})

t.test('what the kernel has no room for is lost, and memory does not grow', async (t) => {
  const socket = await openUdp({ host: '127.0.0.1', port: 0 })
  t.teardown(() => socket.close())
  const datagram = new Uint8Array(32 * 1024)
  // Handed over in one go, before the kernel can have taken any: at the bound, and one past it.
  for (let i = 0; i < 129; i++) socket.send({ host: '127.0.0.1', port: 9 }, datagram)
  t.strictSame(socket.sendErrorCodes(), { ENOBUFS: 1 })
  await socket.drained()
})

t.test('4 MiB are asked for to receive into, and a kernel that grants less is named with its limit', async (t) => {
  const socket = await openUdp({ host: '127.0.0.1', port: 0 })
  t.teardown(() => socket.close())
  const { receiveBufferBytes, receiveBufferWantedBytes } = socket
  t.equal(receiveBufferWantedBytes, 4 * 1024 * 1024)
  const limit = Number(readFileSync('/proc/sys/net/core/rmem_max', 'utf8'))
  t.equal(receiveBufferBytes, Math.min(receiveBufferWantedBytes, limit))
  const warned = (bytes: number) => {
    const lines: unknown[][] = []
    const log = { warn: (...line: unknown[]) => void lines.push(line) }
    warnOfSmallBuffer(log, { receiveBufferBytes: bytes, receiveBufferWantedBytes })
    return lines
  }
  t.strictSame(warned(receiveBufferWantedBytes), [])
  t.match(warned(receiveBufferWantedBytes - 1), [[{ receiveBufferWantedBytes }, /raise net\.core\.rmem_max/]])
})

t.test('a socket moves to another port, unless its port was asked for', async (t) => {
  const socket = await openUdp({ host: '127.0.0.1', port: 0 })
  t.teardown(() => socket.close())
  const before = socket.address
  const got = new Promise<Uint8Array>((resolve) => socket.onDatagram((_, bytes) => resolve(bytes)))
  t.equal(await socket.rebind(), true)
  t.not(socket.address.port, before.port)
  socket.send(socket.address, Uint8Array.of(7))
  t.strictSame(Uint8Array.from(await got), Uint8Array.of(7), 'and goes on listening there')
  const fixed = await openUdp({ host: '127.0.0.1', port: before.port })
  t.teardown(() => fixed.close())
  t.equal(await fixed.rebind(), false)
  t.equal(fixed.address.port, before.port)
})

t.test('a log tells an event so often, then how many lines it left out', async (t) => {
  const lines: unknown[] = []
  const line = (detail: unknown, event: unknown) => lines.push([event, detail])
  const notices = new Notices({ debug: line, info: line, warn: line, error: line } as unknown as Log)
  const take = (now: number, event: string) => notices.take(now, { type: 'notice', level: 'info', event })
  for (let i = 0; i < LINES_PER_PERIOD + 5; i++) take(1000 + i, 'refused')
  t.equal(lines.length, LINES_PER_PERIOD)
  take(1100, 'other')
  t.strictSame(lines.at(-1), ['other', {}], 'each event on its own')
  take(1000 + 60_000, 'refused')
  t.strictSame(lines.slice(-2), [
    ['lines left out', { event: 'refused', leftOut: 5 }],
    ['refused', {}],
  ])
  const before = lines.length
  for (let i = 0; i < LINES_PER_PERIOD + 5; i++) take(500, 'refused')
  t.equal(lines.length, before + LINES_PER_PERIOD, 'a clock set back silences nothing for long')
})

t.test('a passphrase file that others can read is warned of', async (t) => {
  const captured = t.capture(process.stderr, 'write', () => true)
  await writeFile(file('open'), 'secret enough\n')
  await chmod(file('open'), 0o644)
  t.equal(await passphraseFromFile(file('open')), 'secret enough')
  await chmod(file('open'), 0o600)
  await passphraseFromFile(file('open'))
  const written = captured().map(({ args }) => String(args[0]))
  t.equal(written.length, 1)
  t.match(written[0], /warning.*chmod 600/)
})

t.test('a list of members is a tree of who invited whom', async (t) => {
  const id = (digit: string) => digit.repeat(16)
  const member = (
    digit: string,
    inviter: string,
    name: string | null,
    changes: Partial<MemberReply> = {},
  ): MemberReply => ({
    id: id(digit),
    name,
    role: 'member',
    inviter: id(inviter),
    since: '2026-11-22T10:00:00.000Z',
    self: false,
    ...changes,
  })
  const tree = memberTree([
    member('a', 'a', 'anna', { role: 'creator' }),
    member('b', 'a', null, { self: true }),
    member('c', 'a', 'cleo'),
    member('d', 'b', 'da\u001bn'),
    member('e', 'f', null),
  ])
  t.strictSame(tree.split('\n'), [
    `anna           ${id('a')}  2026-11-22  created the group`,
    `  this device  ${id('b')}  2026-11-22`,
    `    da\\u{1b}n  ${id('d')}  2026-11-22`,
    `  cleo         ${id('c')}  2026-11-22`,
    `-              ${id('e')}  2026-11-22  invited by ${id('f')}`,
  ])
  const digits = (i: number) => `${i}`.padStart(16, '0')
  const chain = Array.from({ length: 5000 }, (_, i) =>
    member('a', 'a', null, { id: digits(i), inviter: digits(i - (i && 1)) }),
  )
  const lines = memberTree(chain).split('\n')
  t.equal(lines.length, 5000)
  t.match(lines[4999], new RegExp(`^ {32}- +${digits(4999)}`), 'a long chain stays on the screen')
})

t.test('the state of a node says what is up, since when, and what comes next', (t) => {
  const none = { datagrams: 0, payloadBytes: 0 }
  const links = { sent: none, received: none, sentHandshake: none, sentAckOnly: none, sentRetransmitted: none }
  const now = Date.parse('2026-03-04T12:00:00Z')
  const before = (seconds: number) => new Date(now - 1000 * seconds).toISOString()
  const status: NodeStatus = {
    kind: 'node',
    ...{ pid: 1, core: 'fused', id: '00'.repeat(8), address: 'cast1x', localAddress: { host: '::1', port: 1 } },
    ...{ sealed: true, connected: false, groups: [], unopened: 0, inbox: 0, outgoing: 0, unproven: 0, drops: {} },
    ...{ sendErrors: {}, cover: null },
    serverLink: { upSince: null, retryAt: before(-7), reconnects: 2, roundTripMs: null },
    directory: {
      version: 9,
      issuedAt: before(26 * 3600),
      validUntil: before(125),
      proxies: [1, 2, 3, 4, 5, 6].map((n) => `${n}`.repeat(16)),
      fingerprint: 'abandon ability able',
      announced: { same: 0, other: [] },
    },
    firstProxies: [],
    links: { server: links, proxies: links },
    proxy: null,
  }
  const rows = (changed: Partial<NodeStatus>) =>
    new Map(statusRows({ ...status, ...changed }, now) as [string, string][])
  t.equal(rows({}).get('role'), 'device')
  t.equal(rows({}).get('data'), 'under a passphrase')
  t.equal(rows({}).get('server'), 'not connected, tried again in 7 s, reconnected 2 times')
  t.equal(rows({}).get('directory'), '6 proxies; version 9, 1 day 2 h old, out of date for 2 min 5 s')
  const more = (changed: Partial<NodeStatus>) =>
    statusRows({ ...status, ...changed }, now).flatMap(([name, text]) => (name === '' ? [text] : []))
  t.match(more({}), [/^(\d{16} ){4}and 2 others$/, 'fingerprint: abandon ability able'])
  const silent = { name: 'friends', members: 3, departures: 0, epoch: 0, listDigest: '0'.repeat(64) }
  t.match(
    more({ groups: [silent, { ...silent, name: 'chess', unheardSince: '2026-03-01T10:00:00.000Z' }] }).at(-1),
    /^chess: nothing from any other member since 2026-03-01; see "group members"$/,
  )
  t.match(silenceText('chess', '2026-03-01T10:00:00.000Z'), /since 2026-03-01: [\s\S]*"splitcast group leave chess"/)
  const other = [{ id: 'a'.repeat(16), at: before(60) }]
  t.match(
    more({
      directory: { ...(status.directory as NonNullable<NodeStatus['directory']>), announced: { same: 3, other } },
    }),
    [
      /others/,
      /fingerprint/,
      'of those that members announced 3 were given here as well',
      `NOT given here: the one that ${'a'.repeat(16)} announced ${before(60)}`,
    ],
  )
  t.equal(rows({ directory: null }).get('directory'), 'none yet')
  t.equal(rows({}).get('first proxies'), 'none drawn yet')
  t.equal(rows({ firstProxies: null }).get('first proxies'), 'all that are listed')
  const first = ['usable', 'unlisted'] as const
  t.equal(
    rows({ firstProxies: first.map((state, i) => ({ id: `${i}`.repeat(16), until: before(-90_000), state })) }).get(
      'first proxies',
    ),
    `${'0'.repeat(16)} (for 1 day 1 h), ${'1'.repeat(16)} (for 1 day 1 h, not listed)`,
  )
  const up = { upSince: before(3600), retryAt: null, reconnects: 0, roundTripMs: 41.27 }
  t.equal(rows({ connected: true, serverLink: up }).get('server'), 'connected for 1 h, round trip 41 ms')
  t.equal(rows({ serverLink: { ...up, upSince: null } }).get('server'), 'not connected, being tried')
  t.end()
})
