/**
 * Whether every write of the past is still there. LevelDB passes over a damaged stretch of its log without a word, and goes
 * on behind it. So each batch puts a number in the place of the one before: a batch that is missing in the middle leaves
 * two. A file beside it says how many batches there were at least: fewer means that the end is missing.
 */
import { hash } from 'node:crypto'
import { closeSync, constants, fdatasyncSync, openSync, readFileSync, writeSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { ClassicLevel } from 'classic-level'

/** Below all names of entries. */
const PREFIX = '\u0000batch/'
const PREFIX_END = '\u0000batch0'
const MARK_FILE = 'written'
const DIGITS = 16
const NO_VALUE = new Uint8Array(0)

export type Level = ClassicLevel<string, Uint8Array>
export type Operation =
  | { readonly type: 'put'; readonly key: string; readonly value: Uint8Array }
  | { readonly type: 'del'; readonly key: string }

export interface JournalFindings {
  /** In what way writes are missing; `undefined` where none is. */
  readonly lost: string | undefined
  /** Whether LevelDB could not read the end of its log, which is what a power cut leaves of a write under way. */
  readonly tornEnd: boolean
}

export class Journal {
  private readonly mark: number
  private stale: string[]
  private number: number

  /** Goes on behind the numbers that stand in the store. */
  constructor(directory: string, numbers: readonly number[]) {
    this.number = Math.max(markedNumber(directory), ...numbers)
    this.stale = numbers.map(keyOf)
    this.mark = openSync(join(directory, MARK_FILE), constants.O_RDWR | constants.O_CREAT, 0o600)
  }

  /** What goes with the next batch. */
  next(): Operation[] {
    const outdated = this.stale.map((key): Operation => ({ type: 'del', key }))
    return [...outdated, { type: 'put', key: keyOf(this.number + 1), value: NO_VALUE }]
  }

  /** That batch is durable. The mark is not synced: a crash of this process does not lose it, and a lower one does no harm. */
  written(): void {
    this.number++
    this.stale = [keyOf(this.number)]
    writeSync(this.mark, markText(this.number), 0)
  }

  close(): void {
    fdatasyncSync(this.mark)
    closeSync(this.mark)
  }
}

/** The numbers that stand in the store: one, or none where nothing was written. */
export async function batchNumbers(level: Level): Promise<number[]> {
  const keys = await level.keys({ gte: PREFIX, lt: PREFIX_END }).all()
  return keys.map((key) => Number(key.slice(PREFIX.length)))
}

/** Of a store that has just been opened. */
export async function examine(directory: string, numbers: readonly number[]): Promise<JournalFindings> {
  // LevelDB's own diary: where it cannot be read, nothing is known of a torn end, and the numbers decide.
  const log = await readFile(join(directory, 'LOG'), 'utf8').catch(() => '')
  return { lost: missing(numbers, markedNumber(directory)), tornEnd: /dropping \d+ bytes/.test(log) }
}

function missing(numbers: readonly number[], marked: number): string | undefined {
  if (numbers.length > 1) return 'writes in the middle are missing'
  const [number = 0] = numbers
  return number < marked ? `the last writes are missing, from ${number + 1} of ${marked}` : undefined
}

function keyOf(number: number): string {
  return `${PREFIX}${String(number).padStart(DIGITS, '0')}`
}

function markText(number: number): string {
  const digits = String(number).padStart(DIGITS, '0')
  return `${digits} ${checkOf(digits)}\n`
}

/** 0 where there is no mark, or half of one. */
function markedNumber(directory: string): number {
  let text: string
  try {
    text = readFileSync(join(directory, MARK_FILE), 'utf8')
  } catch {
    return 0
  }
  const [digits = '', check] = text.trimEnd().split(' ')
  return check === checkOf(digits) ? Number(digits) : 0
}

function checkOf(digits: string): string {
  return hash('sha256', digits, 'hex').slice(0, 8)
}
