/**
 * Real processes on separate hosts: a server and proxies outside, two devices behind a NAT each that also loses datagrams;
 * NATs that forget, a host whose system refuses to send, and a server that moves. Needs the right to make network
 * namespaces, and iptables; says so and does nothing where either is missing.
 */
import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import t from 'tap'
import { controlClient } from '../../src/cli/control/client.js'
import type { NodeStatus } from '../../src/cli/control/protocol.js'
import { printed, type Started, start, temporaryDirectory } from '../cli/processes.js'
import { Internet, obstacle } from './namespaces.js'

const NAME = 'cast.test'
const SERVER = '203.0.113.1'
const MOVED = '203.0.114.1'
const PROXIES = ['192.0.2.11', '198.51.100.12', '203.0.113.13']
/** Of one that has not been told to be a proxy; like the others' in a network of its own. */
const OPEN = '100.64.7.14'
const LOSS = 0.1
const PATIENCE_MS = 90_000
const TEST_MS = 175_000

const why = obstacle()
if (why !== undefined) t.plan(0, why)
else await all()

async function all(): Promise<void> {
  const base = await temporaryDirectory()
  const at = (name: string) => join(base, name)
  const data = (name: string) => ['--data', at(name)]
  const network = new Internet()
  const running = new Set<Started>()
  t.teardown(async () => {
    for (const { child } of running) child.kill('SIGKILL')
    await Promise.all([...running].map(({ result }) => result))
    network.close()
  })
  for (const address of [SERVER, OPEN, ...PROXIES]) network.addAddress(address)
  const [natOfAlice, natOfBob] = [network.addNat(), network.addNat()]
  network.setName(NAME, SERVER)

  function launch(namespace: string, ...words: string[]): Started {
    const started = start(words, { namespace, timeoutMs: TEST_MS })
    running.add(started)
    void started.result.then(() => running.delete(started))
    return started
  }
  const serve = (host: string) =>
    launch(network.outside, 'server', '--listen', `${host}:7000`, '--advertise', `${NAME}:7000`, ...data('server'))
  const node = (namespace: string, name: string, ...words: string[]) =>
    launch(namespace, 'node', '--network', at('server/network'), ...data(name), ...words)

  async function statusOf(name: string): Promise<NodeStatus> {
    const status = await controlClient(at(name)).call('status', {})
    if (status.kind !== 'node') throw new Error(`${name} is no node`)
    return status
  }

  async function until(what: string, holds: () => Promise<boolean> | boolean): Promise<void> {
    for (const end = Date.now() + PATIENCE_MS; Date.now() < end; ) {
      if (await holds()) return
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    throw new Error(`${what} did not happen within ${PATIENCE_MS / 1000} s`)
  }

  /** Sends, and resolves when the other has it, once. */
  async function carried(from: string, to: string, body: Buffer): Promise<boolean> {
    const bodyBase64 = body.toString('base64')
    await controlClient(at(from)).call('send', { group: 'friends', bodyBase64, padding: 'none', wait: false })
    const seconds = String(PATIENCE_MS / 1000)
    const line = await printed('listen', '--json', '--count', '1', '--timeout', seconds, ...data(to))
    return JSON.parse(line).bodyBase64 === bodyBase64
  }

  let server = serve(SERVER)
  await server.line
  await Promise.all(
    PROXIES.map((host, index) => node(network.outside, `p${index}`, '--proxy', 'on', '--listen', `${host}:7000`).line),
  )
  const carol = node(network.outside, 'carol', '--listen', `${OPEN}:7000`)
  const [alice, bob] = [node(natOfAlice.inside, 'alice'), node(natOfBob.inside, 'bob')]
  const [, bobAddress] = await Promise.all([alice.line, bob.line, carol.line])
  natOfAlice.lose(LOSS)
  natOfBob.lose(LOSS)

  await t.test('devices behind two NATs that lose datagrams make a group, and messages go both ways', async (t) => {
    await writeFile(at('secret'), 'orbit velvet canyon thirteen maple\n', { mode: 0o600 })
    const secret = ['--passphrase-file', at('secret')]
    await printed('group', 'create', 'friends', ...data('alice'))
    await printed('group', 'invite', 'friends', bobAddress as string, ...secret, ...data('alice'))
    await printed('group', 'join', '--wait', '--timeout', '60', ...secret, ...data('bob'))
    await until('the introduction', async () => (await statusOf('alice')).groups[0]?.members === 2)
    t.ok(await carried('alice', 'bob', Buffer.from('from behind a NAT')))
    t.ok(await carried('bob', 'alice', Buffer.from('and back')))
    t.match((await statusOf('alice')).localAddress, { host: /^(10\.0\.0\.2|::|0\.0\.0\.0)$/ })
  })

  await t.test('a NAT that forgets and takes other ports in the midst of a message loses none', async (t) => {
    const large = Buffer.alloc(600_000, 'large ')
    const under = carried('alice', 'bob', large)
    natOfAlice.rebind(50_000)
    t.ok(await under)
    t.ok(await carried('bob', 'alice', Buffer.from('still here')))
    t.ok(natOfAlice.mappings() > 0, 'by way of new mappings')
  })

  await t.test('a system that refuses to send, by its firewall or for want of a route, ends no node', async (t) => {
    const errors = async (code: string) => (await statusOf('alice')).sendErrors[code] ?? 0
    for (const [code, set] of [
      ['EPERM', (on: boolean) => natOfAlice.refuseSends(on)],
      ['ENETUNREACH', (on: boolean) => natOfAlice.route(!on)],
    ] as const) {
      set(true)
      const body = Buffer.from(`in spite of ${code}`)
      const under = carried('alice', 'bob', body)
      await until(code, async () => (await errors(code)) > 0)
      set(false)
      t.ok(await under, `${code} was counted, and the message came through afterwards`)
    }
    t.equal(alice.child.exitCode, null)
  })

  await t.test('a device in the open becomes a proxy on its own, and one behind a NAT does not', async (t) => {
    await until('carol to serve', async () => (await statusOf('carol')).proxy?.listed === true)
    t.match((await statusOf('carol')).proxy, { standing: { state: 'listed', reason: 'reached' } })
    await until('an answer about bob', async () => (await statusOf('bob')).proxy?.standing?.reason === 'unreached')
    t.match((await statusOf('bob')).proxy, { listed: false, standing: { state: 'candidate', reached: 0 } })
    t.equal((await statusOf('p0')).directory?.proxies.length, PROXIES.length + 1)
  })

  await t.test('a server that moves is found again by the name on its card', async (t) => {
    // A goodbye that is lost would be waited for as long as a link may be silent.
    for (const nat of [natOfAlice, natOfBob]) nat.loseNothing()
    server.child.kill('SIGTERM')
    await server.result
    network.dropAddress(SERVER)
    network.addAddress(MOVED)
    network.setName(NAME, MOVED)
    server = serve(MOVED)
    await server.line
    await until('the devices to connect', async () => {
      const statuses = await Promise.all([statusOf('alice'), statusOf('bob')])
      return statuses.every(({ connected }) => connected)
    })
    t.ok(await carried('alice', 'bob', Buffer.from('at the new address')))
  })
}
