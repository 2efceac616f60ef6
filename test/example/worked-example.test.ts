/** The worked example of PROTOCOL.md holds, for the WASM core and for the libsodium twin alike. */
import { readFileSync } from 'node:fs'
import t from 'tap'
import { fromUtf8 } from '../../src/base/bytes.js'
import { labels } from '../../src/base/labels.js'
import { loadCrypto } from '../../src/driver/crypto.js'
import { descramble } from '../../src/group/content.js'
import { content as contentFormat } from '../../src/wire/content.js'
import { createTwin } from '../oracle/twin.js'
import { describeExample, HEADING, workedExample } from './worked-example.js'

const protocol = readFileSync(new URL('../../../docs/PROTOCOL.md', import.meta.url), 'utf8')

for (const [name, crypto] of [
  ['WASM core', await loadCrypto()],
  ['libsodium twin', await createTwin()],
] as const) {
  t.test(`PROTOCOL.md shows what the ${name} computes`, (t) => {
    const example = workedExample(crypto)
    const section = protocol.slice(protocol.indexOf(HEADING))
    t.equal(section, describeExample(example), 'run `npm run docs` after a change that is meant')

    const descrambled = descramble(crypto, [example.groupPrivateKey], example.payload)
    const context = { label: labels.content, associated: new Uint8Array(0), symmetric: example.groupSymmetric }
    const opened = descrambled && crypto.open(example.groupPrivateKey, context, descrambled.content)
    const parsed = opened && contentFormat.parse(opened)
    t.equal(parsed?.ok && fromUtf8(parsed.value.body), 'hello', 'T reads the body')
    t.end()
  })
}
