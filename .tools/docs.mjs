/**
 * Tool setting, no part of the product: writes docs/WIRE.md out of the wire tables of the built code.
 */
import { writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const { describeWire } = await import(join(root, 'dist', 'src', 'wire', 'describe.js'))
writeFileSync(join(root, 'docs', 'WIRE.md'), describeWire())
