/**
 * Real processes that die: `kill -9` of the server at the worst moment and at any moment, and a disk that takes no more. No
 * message that its sender was told is stored is lost, and none is handed on twice (PROTOCOL.md section 7.1).
 */
import { type ChildProcess, spawn } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import t from 'tap'
import { type Device, openDevice, openProxy, type SendOutcome } from '../../src/index.js'
import { cleanEnvironment } from '../environment.js'

const fragileServer = fileURLToPath(new URL('./fragile-server.js', import.meta.url))
const GROUP = 'friends'
const PASSPHRASE = 'six words that nobody else knows'

interface ServerProcess {
  readonly child: ChildProcess
  /** The first line that it prints. */
  readonly card: Promise<string>
  readonly ended: Promise<{
    readonly code: number | null
    readonly signal: NodeJS.Signals | null
    readonly stderr: string
  }>
}

function startServer(args: readonly string[]): ServerProcess {
  const child = spawn(process.execPath, args, { env: cleanEnvironment(), stdio: ['ignore', 'pipe', 'pipe'] })
  let stderr = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    stderr += text
  })
  const card = new Promise<string>((resolve) => {
    child.stdout.setEncoding('utf8').once('data', (text: string) => resolve(text.trim()))
  })
  const ended = new Promise<Awaited<ServerProcess['ended']>>((resolve) => {
    child.on('exit', (code, signal) => resolve({ code, signal, stderr }))
  })
  return { child, card, ended }
}

/** A network whose server is a process, on an address that it keeps; the rest is in this one. */
async function network() {
  const directory = await mkdtemp(join(tmpdir(), 'splitcast-crash-'))
  const at = (name: string) => join(directory, name)
  const listen = '127.0.91.1:17000'
  let running: ServerProcess | undefined
  /** Starts the server, which there must not be; resolves once it is there. */
  const server = async (when = 'never') => {
    const started = startServer([fragileServer, at('server'), listen, when])
    running = started
    card = await started.card
    return started
  }
  const stop = async () => {
    running?.child.kill('SIGKILL')
    await running?.ended
  }
  let card = ''
  await server()
  const proxies = await Promise.all(
    [2, 3, 4].map((last) =>
      openProxy({ network: card, data: at(`proxy-${last}`), listen: `127.0.91.${last}:0`, workers: 0 }),
    ),
  )
  const [alice, bob] = await Promise.all([
    openDevice({ network: card, data: at('alice') }),
    openDevice({ network: card, data: at('bob') }),
  ])
  const received: string[] = []
  t.teardown(async () => {
    await Promise.all([alice, bob, ...proxies].map((node) => node.close()))
    await stop()
    await rm(directory, { recursive: true, force: true })
  })
  const family = await alice.groups.create(GROUP)
  const invited = await family.invite(bob.address, { passphrase: PASSPHRASE })
  for await (const invitation of bob.invitations()) {
    await invitation.join(PASSPHRASE)
    break
  }
  await invited.joined()
  await until('nothing is left of the beginning', () => alice.status().unprovenMessages === 0)
  void read(bob, received)
  return { family, received, server, stop }
}

async function read(device: Device, into: string[]): Promise<void> {
  for await (const { body, ack } of device.messages()) {
    into.push(new TextDecoder().decode(body))
    await ack()
  }
}

async function until(what: string, done: () => boolean, withinMs = 120_000): Promise<void> {
  const end = Date.now() + withinMs
  while (!done()) {
    if (Date.now() > end) throw new Error(`not within ${withinMs} ms: ${what}`)
    await pause(20)
  }
}

function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}

const utf8 = (text: string) => new TextEncoder().encode(text)
const isStored = ({ outcome }: { readonly outcome: SendOutcome | undefined }) => outcome?.stored === 1

const { family, received, server, stop } = await network()

t.test('the server is killed when a copy is on its disk, and has answered nothing', async (t) => {
  await stop()
  const fragile = await server('killed')
  let told = false
  const sent = family.send(utf8('written, not answered')).then((report) => {
    told = true
    return report
  })
  t.match(await fragile.ended, { signal: 'SIGKILL' })
  await pause(2_500)
  t.notOk(told, 'nobody was told that it is stored')
  await server()
  t.ok(isStored(await sent))
  await until('it arrives', () => received.includes('written, not answered'))
})

t.test('the server is killed now and then while messages go through', async (t) => {
  const texts = Array.from({ length: 16 }, (_, i) => `message ${i}`)
  const sends = texts.map(async (text, i) => {
    await pause(100 * i)
    return isStored(await family.send(utf8(text))) ? text : undefined
  })
  for (let kill = 0; kill < 3; kill++) {
    await pause(300 + 150 * kill)
    await stop()
    await server()
  }
  const stored = (await Promise.all(sends)).filter((text) => text !== undefined)
  await until('what is stored arrives', () => stored.every((text) => received.includes(text)))
  t.strictSame(stored, texts)
})

t.test('a server whose disk takes no more ends, and what it answered for is there', async (t) => {
  await stop()
  const small = await server('full')
  const texts = Array.from({ length: 8 }, (_, i) => `onto a full disk ${i}`)
  const sends = texts.map(async (text, i) => {
    await pause(200 * i)
    return isStored(await family.send(utf8(text))) ? text : undefined
  })
  const ended = await small.ended
  t.equal(ended.code, 1)
  t.match(ended.stderr, 'DATA_UNWRITABLE')
  await server()
  const stored = (await Promise.all(sends)).filter((text) => text !== undefined)
  await until('all arrive', () => stored.every((text) => received.includes(text)))
  t.strictSame(stored, texts)
})

t.test('after all of that each message was handed on once', async (t) => {
  await pause(1_000)
  t.equal(received.length, 1 + 16 + 8)
  t.equal(new Set(received).size, received.length)
})
