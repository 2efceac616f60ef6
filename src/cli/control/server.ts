/**
 * The running node's end of the control socket: HTTP over a unix socket, one request a command, bounded in size and
 * number. A command whose client goes away is aborted. What a request does is its handler's; see protocol.ts.
 */
import { chmod, rm } from 'node:fs/promises'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import { fromUtf8 } from '../../base/bytes.js'
import { ProtocolError } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import {
  type CallName,
  type CallReply,
  type CallRequest,
  CONTROL_VERSION,
  calls,
  isCallName,
  isStreamName,
  type StreamItem,
  type StreamName,
  type StreamRequest,
  streams,
} from './protocol.js'

/** What a node of some kind answers; commands it does not know are refused. */
export interface Handlers {
  readonly calls: { readonly [N in CallName]?: (request: CallRequest<N>, signal: AbortSignal) => Promise<CallReply<N>> }
  readonly streams: {
    readonly [N in StreamName]?: (request: StreamRequest<N>, signal: AbortSignal) => AsyncIterable<StreamItem<N>>
  }
}

export interface ControlServer {
  /** Takes no more commands and removes the socket file, while the store is still held: afterwards it could be another's. */
  refuse(): void
  /** Cuts off the commands that are left; a `stop` stream ends here. */
  close(): void
}

export interface ControlOptions {
  /** From `controlPath`. */
  readonly path: string
  readonly handlers: Handlers
  readonly limit?: { readonly requestBytes: number; readonly connections: number }
}

/**
 * Listens on the path. Call it while holding the data directory's store: then no other node can be listening there, and
 * a socket file that exists is what a crash left behind.
 */
export async function serveControl(options: ControlOptions): Promise<ControlServer> {
  const { path, handlers } = options
  const limit = options.limit ?? { requestBytes: limits.controlRequestBytes, connections: limits.controlConnections }
  let underWay = 0
  const server = createServer((request, response) => {
    underWay++
    response.once('close', () => underWay--)
    const work = underWay > limit.connections ? refuseBusy() : answer(handlers, limit.requestBytes, request, response)
    work.catch((error: unknown) => fail(response, error))
  })
  // Those beyond the commands under way get an answer that says so; past as many again, connections are cut.
  server.maxConnections = 2 * limit.connections
  await rm(path, { force: true })
  await listen(server, path)
  await chmod(path, 0o600)
  return { refuse: () => server.close(), close: () => server.closeAllConnections() }
}

async function refuseBusy(): Promise<void> {
  throw new ProtocolError('CONTROL_REFUSED', 'the node has too many commands under way; try again when some have ended')
}

async function answer(
  handlers: Handlers,
  maxBytes: number,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const gone = new AbortController()
  response.once('close', () => gone.abort())
  const name = commandOf(request)
  const json = await readJson(request, maxBytes)
  if (isCallName(name)) await answerCall(handlers, name, json, response, gone.signal)
  else if (isStreamName(name)) await answerStream(handlers, name, json, response, gone.signal)
  else throw otherRelease()
}

async function answerCall<N extends CallName>(
  handlers: Handlers,
  name: N,
  json: unknown,
  response: ServerResponse,
  signal: AbortSignal,
): Promise<void> {
  const handler = handlers.calls[name]
  if (handler === undefined) throw notHere(name)
  const reply = await handler(parseRequest(calls[name].request, json) as CallRequest<N>, signal)
  response.writeHead(200, { 'content-type': 'application/json' })
  response.end(JSON.stringify(reply))
}

async function answerStream<N extends StreamName>(
  handlers: Handlers,
  name: N,
  json: unknown,
  response: ServerResponse,
  signal: AbortSignal,
): Promise<void> {
  const handler = handlers.streams[name]
  if (handler === undefined) throw notHere(name)
  const items = handler(parseRequest(streams[name].request, json) as StreamRequest<N>, signal)
  response.writeHead(200, { 'content-type': 'application/x-ndjson' })
  response.flushHeaders()
  for await (const item of items) {
    await writeLine(response, { item }, signal)
    // Nobody reads any more; a source that never pauses would otherwise go on for ever.
    if (signal.aborted) return
  }
  response.end()
}

/** Resolves once there is room for more: a slow reader slows its stream, and costs no memory. */
async function writeLine(response: ServerResponse, line: unknown, signal: AbortSignal): Promise<void> {
  if (signal.aborted || response.write(`${JSON.stringify(line)}\n`)) return
  await new Promise<void>((resolve) => {
    const done = () => {
      response.off('drain', done)
      signal.removeEventListener('abort', done)
      resolve()
    }
    response.once('drain', done)
    signal.addEventListener('abort', done, { once: true })
  })
}

function fail(response: ServerResponse, error: unknown): void {
  if (response.destroyed) return
  const refusal = refusalOf(error)
  if (response.headersSent) {
    response.end(`${JSON.stringify({ refusal })}\n`)
    return
  }
  response.writeHead(400, { 'content-type': 'application/json', connection: 'close' })
  response.end(JSON.stringify(refusal))
}

function refusalOf(error: unknown): { code: string; message: string } {
  if (error instanceof ProtocolError) return { code: error.code, message: error.message }
  // A defect of this program: the command fails, and says with what; the node goes on.
  return { code: 'CONTROL_REFUSED', message: `the node failed to do this: ${error}` }
}

function commandOf(request: IncomingMessage): string {
  const [, version, name] = /^\/v(\d+)\/([A-Za-z]+)$/.exec(request.url ?? '') ?? []
  if (request.method !== 'POST' || Number(version) !== CONTROL_VERSION || name === undefined) throw otherRelease()
  return name
}

async function readJson(request: IncomingMessage, maxBytes: number): Promise<unknown> {
  const chunks: Uint8Array[] = []
  let lengthBytes = 0
  // The rest of what is too long is left unread, not cut off: the client is to read the refusal.
  for await (const chunk of request.iterator({ destroyOnReturn: false }) as AsyncIterable<Uint8Array>) {
    lengthBytes += chunk.length
    if (lengthBytes > maxBytes) {
      throw new ProtocolError('CONTROL_REFUSED', `a command to a node has at most ${maxBytes} bytes; send less at once`)
    }
    chunks.push(chunk)
  }
  try {
    return JSON.parse(fromUtf8(Buffer.concat(chunks)) ?? '')
  } catch {
    throw otherRelease()
  }
}

function parseRequest(schema: { safeParse(json: unknown): { success: boolean; data?: unknown } }, json: unknown) {
  const parsed = schema.safeParse(json)
  if (!parsed.success) throw otherRelease()
  return parsed.data
}

function otherRelease(): ProtocolError {
  return new ProtocolError(
    'CONTROL_REFUSED',
    'the running node does not understand this command; stop it and start it with this release of splitcast',
  )
}

function notHere(name: string): ProtocolError {
  return new ProtocolError('CONTROL_REFUSED', `a server does not take this command (${name}); name a node with --data`)
}

function listen(server: Server, path: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      reject(new ProtocolError('DATA_UNWRITABLE', `cannot make the control socket ${path} (${error.code})`)),
    )
    server.listen(path, resolve)
  })
}
