/**
 * A server in a process of its own that kills itself with SIGKILL as soon as its first copies are durable, or whose disk is
 * full after a few: arguments are data directory, address, and which (`killed` or `full`). Prints its network card.
 */
import { ClassicLevel } from 'classic-level'
import { openServer } from '../../src/driver/server.js'

const [data = '', listen = '', when] = process.argv.slice(2)

interface Operation {
  readonly key: string
}
type Batch = (operations: readonly Operation[], options: unknown) => Promise<void>

const level = ClassicLevel.prototype as unknown as { batch: Batch }
const { batch } = level
/** Writes with copies that the disk takes. */
const FITTING = 3
let copies = 0
level.batch = async function (this: unknown, operations, options) {
  const hasCopy = operations.some(({ key }) => key.includes('mail/'))
  if (hasCopy) copies++
  if (when === 'full' && copies > FITTING) throw new Error('IO error: No space left on device')
  await batch.call(this, operations, options)
  if (hasCopy && when === 'killed') process.kill(process.pid, 'SIGKILL')
}

const server = await openServer({ data, listen, workers: 0 })
process.stdout.write(`${server.card}\n`)
server.ended.catch(({ code, message }) => {
  process.stderr.write(`${message} [${code}]`)
  process.exitCode = 1
})
