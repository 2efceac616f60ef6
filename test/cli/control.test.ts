/** The control socket by itself, with real sockets and handlers of the test's own: bounds, refusals, and who goes away when. */
import { existsSync, writeFileSync } from 'node:fs'
import { stat } from 'node:fs/promises'
import { request } from 'node:http'
import { connect } from 'node:net'
import { join } from 'node:path'
import t from 'tap'
import { ProtocolError } from '../../src/base/errors.js'
import { limits } from '../../src/base/limits.js'
import { controlClient } from '../../src/cli/control/client.js'
import { controlPath } from '../../src/cli/control/path.js'
import { type Handlers, serveControl } from '../../src/cli/control/server.js'
import { openDataDirectory } from '../../src/driver/data-directory.js'
import { eventually, temporaryDirectory } from './processes.js'

const limit = { requestBytes: 1000, connections: 3 }

/** A control socket on a directory of its own, closed when the test ends. */
async function serve(t: { teardown(close: () => void): unknown }, handlers: Partial<Handlers>) {
  const data = await temporaryDirectory()
  await openDataDirectory(data, 'node')
  const path = controlPath(data)
  const server = await serveControl({ path, handlers: { calls: {}, streams: {}, ...handlers }, limit })
  const close = () => {
    server.refuse()
    server.close()
  }
  t.teardown(close)
  return { data, path, close, client: controlClient(data) }
}

/** Whatever HTTP request; resolves with status and body. */
function http(socketPath: string, method: string, path: string, body: string): Promise<[number | undefined, string]> {
  return new Promise((resolve, reject) => {
    const sent = request({ socketPath, method, path, agent: false }, (response) => {
      let text = ''
      response.setEncoding('utf8').on('data', (chunk) => {
        text += chunk
      })
      response.on('end', () => resolve([response.statusCode, text]))
    })
    sent.on('error', reject)
    sent.end(body)
  })
}

const group = { name: 'g', members: 1 }

t.test('a socket path may be as long as the system takes, and not one byte longer', (t) => {
  const most = process.platform === 'linux' ? 107 : 103
  const directory = (lengthBytes: number) => `/${'x'.repeat(lengthBytes - '//control.sock'.length)}`
  t.equal(Buffer.byteLength(controlPath(directory(most))), most)
  t.throws(() => controlPath(directory(most + 1)), { code: 'CONTROL_PATH_LONG', message: /--data/ })
  t.throws(() => controlPath(`/${'ä'.repeat(50)}`), { code: 'CONTROL_PATH_LONG' }, 'bytes count, not characters')
  t.end()
})

t.test('a call is answered, and a refusal travels with its code', async (t) => {
  const { client, path } = await serve(t, {
    calls: {
      createGroup: async ({ name }) => {
        if (name === 'taken') throw new ProtocolError('GROUP_EXISTS', 'choose another')
        if (name === 'bug') throw new TypeError('a defect')
        return { name, members: 1 }
      },
    },
  })
  t.strictSame(await client.call('createGroup', { name: 'g' }), group)
  const long = { name: 'x'.repeat(4 * limits.nameBytes + 1) }
  await t.rejects(client.call('createGroup', long), { code: 'USAGE', message: /^name is longer/ })
  await t.rejects(client.call('createGroup', { name: 'taken' }), { code: 'GROUP_EXISTS', message: 'choose another' })
  await t.rejects(client.call('createGroup', { name: 'bug' }), { code: 'CONTROL_REFUSED', message: /a defect/ })
  t.equal((await stat(path)).mode & 0o777, 0o600, 'the socket is private')
})

t.test('what it does not understand is refused', async (t) => {
  const { client, path } = await serve(t, { calls: { createGroup: async () => group } })
  await t.rejects(client.call('groups', {}), { code: 'CONTROL_REFUSED' }, 'a command of the other kind of node')
  await t.rejects(client.stream('invitations', {}).next(), { code: 'CONTROL_REFUSED' })
  const good = JSON.stringify({ name: 'g' })
  t.equal((await http(path, 'POST', '/v1/createGroup', good))[0], 200)
  for (const [method, target, body] of [
    ['GET', '/v1/createGroup', ''],
    ['POST', '/v2/createGroup', good],
    ['POST', '/v1/noSuchThing', good],
    ['POST', '/v1/toString', good],
    ['POST', '/v1/createGroup', ''],
    ['POST', '/v1/createGroup', '{"name":'],
    ['POST', '/v1/createGroup', '{"name":7}'],
    ['POST', '/v1/createGroup', '[]'],
  ] as const) {
    const [status, text] = await http(path, method, target, body)
    t.equal(status, 400, `${method} ${target} ${body}`)
    t.equal(JSON.parse(text).code, 'CONTROL_REFUSED')
  }
})

t.test('a request may have as many bytes as its limit, and not one more', async (t) => {
  const { path } = await serve(t, { calls: { createGroup: async () => group } })
  const bare = JSON.stringify({ name: 'g' })
  const padded = bare + ' '.repeat(limit.requestBytes - bare.length)
  t.equal((await http(path, 'POST', '/v1/createGroup', padded))[0], 200)
  const [status, text] = await http(path, 'POST', '/v1/createGroup', `${padded} `)
  t.equal(status, 400)
  t.match(JSON.parse(text), { code: 'CONTROL_REFUSED', message: /1000 bytes/ })
})

t.test('as many commands run at once as the limit says; one more is refused, until one has ended', async (t) => {
  const { client } = await serve(t, {
    calls: { createGroup: async () => group },
    streams: {
      async *invitations(_, signal) {
        yield { waiting: 1 }
        await new Promise((resolve) => signal.addEventListener('abort', resolve))
      },
    },
  })
  const held = Array.from({ length: limit.connections }, () => client.stream('invitations', {}))
  for (const stream of held) t.same((await stream.next()).value, { waiting: 1 })
  await t.rejects(client.call('createGroup', { name: 'g' }), { code: 'CONTROL_REFUSED', message: /too many/ })
  await held[0]?.return()
  const answer = await eventually('room', () => client.call('createGroup', { name: 'g' }).catch(() => undefined))
  t.strictSame(answer, group)
  for (const stream of held) await stream.return()
})

t.test('connections beyond twice the commands are cut', async (t) => {
  const { path } = await serve(t, {})
  const idle = Array.from({ length: 2 * limit.connections }, () => connect(path))
  t.teardown(() => {
    for (const socket of idle) socket.destroy()
  })
  await Promise.all(idle.map((socket) => new Promise((resolve) => socket.once('connect', resolve))))
  const oneMore = connect(path)
  await new Promise((resolve) => oneMore.once('close', resolve))
  t.ok(idle.every((socket) => !socket.destroyed))
})

t.test('a command whose client goes away is aborted', async (t) => {
  let aborted = 0
  const { data } = await serve(t, {
    calls: {
      createGroup: (_, signal) =>
        new Promise((_, reject) =>
          signal.addEventListener('abort', () => {
            aborted++
            reject(signal.reason)
          }),
        ),
    },
  })
  const gone = new AbortController()
  const call = controlClient(data, gone.signal).call('createGroup', { name: 'g' })
  setTimeout(() => gone.abort(new ProtocolError('TIMEOUT', 'too slow')), 50)
  await t.rejects(call, { code: 'TIMEOUT' }, 'the client hears its own reason')
  await eventually('the abort', () => aborted === 1 || undefined)
})

t.test('a stream is one item a line, ends with its source, and may end with a refusal', async (t) => {
  const { client } = await serve(t, {
    streams: {
      async *invitations() {
        for (let waiting = 1; waiting <= 3; waiting++) yield { waiting }
      },
      async *messages() {
        yield { stream: '9c858901-8a57-4791-81fe-4c455b099bc9' }
        throw new ProtocolError('GROUP_UNKNOWN', 'gone')
      },
    },
  })
  const seen: number[] = []
  for await (const { waiting } of client.stream('invitations', {})) seen.push(waiting)
  t.strictSame(seen, [1, 2, 3])
  const messages = client.stream('messages', {})
  await messages.next()
  await t.rejects(messages.next(), { code: 'GROUP_UNKNOWN' })
})

t.test('a slow reader of a stream holds its source back', async (t) => {
  let made = 0
  const { data } = await serve(t, {
    streams: {
      async *messages() {
        const bodyBase64 = Buffer.alloc(100_000).toString('base64')
        const message = {
          group: 'g',
          sender: '0'.repeat(16),
          senderName: null,
          messageId: '0'.repeat(16),
          direct: false,
        }
        for (;;) yield { sequence: made++, message: { ...message, sentAt: new Date(0).toISOString(), bodyBase64 } }
      },
    },
  })
  const stream = controlClient(data).stream('messages', {})
  await stream.next()
  // Until nothing more is made for a while; of a source that nothing holds back, more and more.
  for (let before = -1; made !== before && made < 100; ) {
    before = made
    await new Promise((resolve) => setTimeout(resolve, 200))
  }
  t.ok(made < 100, `${made} are made that nobody reads`)
  for (let i = 0; i < 200; i++) await stream.next()
  t.ok(made >= 200)
  await stream.return()
})

t.test('what a crash left behind is replaced, and a closed socket leaves nothing', async (t) => {
  const data = await temporaryDirectory()
  await openDataDirectory(data, 'node')
  const path = controlPath(data)
  writeFileSync(path, 'left behind')
  const server = await serveControl({ path, handlers: { calls: { createGroup: async () => group }, streams: {} } })
  t.strictSame(await controlClient(data).call('createGroup', { name: 'g' }), group)
  server.refuse()
  server.close()
  await eventually('the socket to go', () => !existsSync(path) || undefined)
  await t.rejects(controlClient(data).call('status', {}), { code: 'CONTROL_UNREACHABLE', message: /splitcast node/ })
  const stopped = await temporaryDirectory()
  await openDataDirectory(stopped, 'server')
  await t.rejects(controlClient(stopped).call('status', {}), {
    code: 'CONTROL_UNREACHABLE',
    message: /no server runs .* splitcast server/,
  })
})

t.test('where there is no node, the error says what is missing', async (t) => {
  const data = await temporaryDirectory()
  await t.rejects(controlClient(join(data, 'none')).call('status', {}), { code: 'DATA_MISSING' })
  await t.rejects(controlClient(data).call('status', {}), { code: 'DATA_MISSING' })
  writeFileSync(join(data, 'identity.json'), '{')
  await t.rejects(controlClient(data).call('status', {}), { code: 'DATA_DAMAGED' })
})

t.test('a node that stops in the middle of a command is told as such', async (t) => {
  const { client, close } = await serve(t, {
    calls: { createGroup: () => new Promise(() => undefined) },
    streams: {
      async *stop() {
        yield { pid: 1 }
        await new Promise(() => undefined)
      },
    },
  })
  const call = client.call('createGroup', { name: 'g' })
  const stop = client.stream('stop', {})
  t.same((await stop.next()).value, { pid: 1 })
  setTimeout(close, 50)
  await t.rejects(call, { code: 'CLOSED' })
  await t.rejects(stop.next(), { code: 'CLOSED' })
})
