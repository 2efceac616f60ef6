/**
 * Tool setting, no part of the product: writes docs/WIRE.md out of the wire tables of the built code, and the worked
 * example at the end of docs/PROTOCOL.md out of what the built core computes.
 */
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = join(dirname(fileURLToPath(import.meta.url)), '..')
const built = (file) => import(join(root, 'dist', file))

const { describeWire } = await built('src/wire/describe.js')
writeFileSync(join(root, 'docs', 'WIRE.md'), describeWire())

const { describeExample, HEADING, workedExample } = await built('test/example/worked-example.js')
const { loadCrypto } = await built('src/driver/crypto.js')
const protocolFile = join(root, 'docs', 'PROTOCOL.md')
const protocol = readFileSync(protocolFile, 'utf8')
const at = protocol.indexOf(HEADING)
const before = at < 0 ? `${protocol.trimEnd()}\n\n` : protocol.slice(0, at)
writeFileSync(protocolFile, before + describeExample(workedExample(await loadCrypto())))
