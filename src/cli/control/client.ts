/**
 * The commands' end of the control socket: calls and streams to the node that runs on a data directory. Where none runs,
 * the error says what to start.
 */
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { resolve as absolute } from 'node:path'
import type { z } from 'zod'
import { ProtocolError } from '../../base/errors.js'
import { limits } from '../../base/limits.js'
import { readDataDirectory } from '../../driver/data-directory.js'
import { controlPath } from './path.js'
import {
  type CallName,
  type CallReply,
  type CallRequest,
  CONTROL_VERSION,
  calls,
  refusal,
  type StreamItem,
  type StreamName,
  type StreamRequest,
  streamLine,
  streams,
} from './protocol.js'

export interface ControlClient {
  call<N extends CallName>(name: N, request: CallRequest<N>): Promise<CallReply<N>>
  /** Ends when the node ends it; leaving the loop early aborts it there. */
  stream<N extends StreamName>(name: N, request: StreamRequest<N>): AsyncGenerator<StreamItem<N>, void, undefined>
}

/** Speaks to the node on `data` until `signal` is aborted, which makes what is under way fail with ABORTED. */
export function controlClient(data: string, signal?: AbortSignal): ControlClient {
  const path = controlPath(data)
  const post = async (name: string, schema: z.ZodType, body: unknown) => {
    checkRequest(schema, body)
    return await open({ path, data, name, body, signal })
  }

  return {
    async call(name, request) {
      const response = await post(name, calls[name].request, request)
      const text = await readAll(response, signal)
      if (response.statusCode !== 200) throw refusalFrom(text)
      return parse<unknown>(calls[name].reply, text) as CallReply<typeof name>
    },

    async *stream(name, request) {
      const response = await post(name, streams[name].request, request)
      try {
        if (response.statusCode !== 200) throw refusalFrom(await readAll(response, signal))
        for await (const text of lines(response, signal)) {
          const line = parse(streamLine, text)
          if ('refusal' in line) throw new ProtocolError(line.refusal.code, line.refusal.message)
          yield parse<unknown>(streams[name].item, JSON.stringify(line.item)) as StreamItem<typeof name>
        }
      } finally {
        response.destroy()
      }
    },
  }
}

interface Post {
  readonly path: string
  readonly data: string
  readonly name: string
  readonly body: unknown
  readonly signal: AbortSignal | undefined
}

function open({ path, data, name, body, signal }: Post): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const request = httpRequest(
      {
        socketPath: path,
        method: 'POST',
        path: `/v${CONTROL_VERSION}/${name}`,
        headers: { 'content-type': 'application/json' },
        agent: false,
        ...(signal && { signal }),
      },
      resolve,
    )
    request.on('error', (error) => {
      unreachable(error, data, signal).then(reject, reject)
    })
    request.end(JSON.stringify(body))
  })
}

async function unreachable(
  error: NodeJS.ErrnoException,
  data: string,
  signal: AbortSignal | undefined,
): Promise<ProtocolError> {
  if (signal?.aborted) return abortedBy(signal)
  const directory = absolute(data)
  if (error.code === 'EACCES') {
    return new ProtocolError(
      'CONTROL_UNREACHABLE',
      `the node on ${directory} belongs to another user; run this as that user, or name another with --data`,
    )
  }
  if (error.code === 'ECONNRESET' || error.code === 'EPIPE') return ended()
  // A directory that is not there, or is damaged, is the more useful thing to hear about.
  const { kind } = await readDataDirectory(directory)
  return new ProtocolError(
    'CONTROL_UNREACHABLE',
    `no ${kind} runs on ${directory}; start one with splitcast ${kind}, or name another with --data`,
  )
}

/** The bytes of a reply, or of a stream as they come; bounded by whoever reads them. */
async function* chunksOf(response: IncomingMessage, signal: AbortSignal | undefined): AsyncGenerator<Buffer> {
  try {
    for await (const chunk of response) yield chunk as Buffer
  } catch {
    throw signal?.aborted ? abortedBy(signal) : ended()
  }
}

async function readAll(response: IncomingMessage, signal: AbortSignal | undefined): Promise<string> {
  const chunks: Buffer[] = []
  let lengthBytes = 0
  for await (const chunk of chunksOf(response, signal)) {
    lengthBytes += chunk.length
    if (lengthBytes > limits.controlReplyBytes) throw otherRelease()
    chunks.push(chunk)
  }
  return Buffer.concat(chunks).toString('utf8')
}

async function* lines(response: IncomingMessage, signal: AbortSignal | undefined): AsyncGenerator<string> {
  let parts: Buffer[] = []
  let heldBytes = 0
  for await (const chunk of chunksOf(response, signal)) {
    let from = 0
    for (let end = chunk.indexOf(0x0a); end >= 0; end = chunk.indexOf(0x0a, from)) {
      yield Buffer.concat([...parts, chunk.subarray(from, end)]).toString('utf8')
      parts = []
      heldBytes = 0
      from = end + 1
    }
    parts.push(chunk.subarray(from))
    heldBytes += chunk.length - from
    if (heldBytes > limits.controlReplyBytes) throw otherRelease()
  }
}

function refusalFrom(text: string): ProtocolError {
  const { code, message } = parse(refusal, text)
  return new ProtocolError(code, message)
}

function parse<T>(schema: z.ZodType<T>, text: string): T {
  let json: unknown
  try {
    json = JSON.parse(text)
  } catch {
    throw otherRelease()
  }
  const parsed = schema.safeParse(json)
  if (!parsed.success) throw otherRelease()
  return parsed.data
}

/** What the node would not take is the user's to hear of, and no matter of releases. */
function checkRequest(schema: z.ZodType, body: unknown): void {
  const issue = schema.safeParse(body).error?.issues[0]
  if (issue === undefined) return
  throw new ProtocolError('USAGE', `${issue.path.join('.')} is longer than can be meant; shorten what was typed there`)
}

function otherRelease(): ProtocolError {
  return new ProtocolError(
    'CONTROL_REFUSED',
    'the running node answers in another way than this release expects; stop it and start it again',
  )
}

function ended(): ProtocolError {
  return new ProtocolError('CLOSED', 'the node has stopped')
}

function abortedBy(signal: AbortSignal): ProtocolError {
  return signal.reason instanceof ProtocolError ? signal.reason : new ProtocolError('ABORTED', 'interrupted')
}
