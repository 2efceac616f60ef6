/**
 * The data directory and the clock. Nothing is made or changed: what a start would refuse is found by looking, and what the
 * network says of the time by asking the node that runs there, if one does.
 */
import { constants } from 'node:fs'
import { access, readdir, stat, statfs } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import { ProtocolError } from '../../base/errors.js'
import { inspectDataDirectory } from '../../driver/data-directory.js'
import type { DataKind } from '../../driver/identity-file.js'
import { controlClient } from '../control/client.js'
import { controlPath } from '../control/path.js'
import type { NodeStatus, ServerStatus } from '../control/protocol.js'
import { type Examined, type Finding, problem, reasonOf, warning } from './finding.js'

type Status = NodeStatus | ServerStatus

const LEAST_FREE_BYTES = 256 * 2 ** 20
/** What clocks of two file systems may differ by. */
const CLOCK_TOLERANCE_MS = 60_000
const STATUS_TIMEOUT_MS = 3000

export interface DataFacts {
  readonly path: string
  readonly exists: boolean
  /** Null where nothing has been started on it. */
  readonly kind: DataKind | null
  /** Whether a node or server answers on it now. */
  readonly running: boolean
  /** Whether no other user can look into it; null where it is not there. */
  readonly private: boolean | null
  /** Whether it can be written, or made. */
  readonly writable: boolean
  readonly freeBytes: number | null
  readonly now: string
  /** Until when the network directory of the running node is valid; null where there is none to ask. */
  readonly directoryValidUntil: string | null
}

export async function examineData(given: string): Promise<Examined<DataFacts>> {
  const path = resolve(given)
  const found = await stat(path).catch(() => undefined)
  const exists = found !== undefined
  const findings: Finding[] = []
  const kind = await kindOf(path, findings)
  const standing = exists ? path : await nearestAncestor(path)
  const writable = await canWrite(standing)
  if (!writable && findings.length === 0)
    findings.push(problem(`${standing} cannot be written; check its owner and mode, or name another with --data`))
  const isPrivate = found === undefined ? null : (found.mode & 0o077) === 0
  if (isPrivate === false && kind !== null) {
    findings.push(warning(`other users can look into ${path}; chmod 700 it, as the next start will`))
  }
  const freeBytes = await freeBytesOf(standing)
  if (freeBytes !== null && freeBytes < LEAST_FREE_BYTES)
    findings.push(warning(`only ${Math.round(freeBytes / 2 ** 20)} MiB are free for ${path}; make room`))
  const status = kind === null ? undefined : await statusOf(path, findings)
  if (kind !== null) findings.push(...(await lateFiles(path)))
  if (status?.kind === 'node') findings.push(...networkFindings(status))
  const directoryValidUntil = (status?.kind === 'node' && status.directory?.validUntil) || null
  const running = status !== undefined
  const now = new Date().toISOString()
  return {
    facts: { path, exists, kind, running, private: isPrivate, writable, freeBytes, now, directoryValidUntil },
    findings,
  }
}

/** Whose directory it is; adds what a start would refuse it for. */
async function kindOf(path: string, findings: Finding[]): Promise<DataKind | null> {
  try {
    controlPath(path)
    return (await inspectDataDirectory(path))?.kind ?? null
  } catch (error) {
    findings.push(problem(reasonOf(error)))
    return null
  }
}

/** The directory in which the missing ones would be made. */
async function nearestAncestor(path: string): Promise<string> {
  const parent = dirname(path)
  if (parent === path || (await stat(parent).catch(() => undefined)) !== undefined) return parent
  return await nearestAncestor(parent)
}

async function canWrite(path: string): Promise<boolean> {
  return await access(path, constants.W_OK | constants.X_OK).then(
    () => true,
    () => false,
  )
}

async function freeBytesOf(path: string): Promise<number | null> {
  return await statfs(path).then(
    ({ bavail, bsize }) => bavail * bsize,
    () => null,
  )
}

/** What the node there says of itself, if one runs. */
async function statusOf(path: string, findings: Finding[]): Promise<Status | undefined> {
  try {
    return await controlClient(path, AbortSignal.timeout(STATUS_TIMEOUT_MS)).call('status', {})
  } catch (error) {
    if (error instanceof ProtocolError && error.code === 'CONTROL_UNREACHABLE') return undefined
    const reason = error instanceof ProtocolError && error.code !== 'ABORTED' ? ` (${reasonOf(error)})` : ''
    findings.push(warning(`what runs on ${path} does not answer${reason}; stop it and start it again`))
    return undefined
  }
}

/** Files from the future: the clock has been set back, or is wrong. */
async function lateFiles(path: string): Promise<Finding[]> {
  const names = await readdir(path).catch((): string[] => [])
  const times = await Promise.all(
    names.map((name) =>
      stat(join(path, name)).then(
        ({ mtimeMs }) => mtimeMs,
        () => 0,
      ),
    ),
  )
  const latest = Math.max(0, ...times)
  if (latest <= Date.now() + CLOCK_TOLERANCE_MS) return []
  const when = new Date(latest).toISOString()
  return [warning(`files in ${path} are of ${when}, later than this clock: set the clock right, it has been set back`)]
}

function networkFindings({ connected, directory, drops }: NodeStatus): Finding[] {
  const expired = drops['DIRECTORY_EXPIRED'] ?? 0
  const outlived = directory !== null && Date.parse(directory.validUntil) < Date.now()
  return [
    ...(connected ? [] : [warning('the node has no connection to its server; check the network and the card')]),
    ...(connected && (outlived || (directory === null && expired > 0))
      ? [warning('by this clock the directory that the server signs is out of date: compare the clock with the server')]
      : []),
  ]
}
