/** The example of the README runs as it stands there. */
import { execFile } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import t from 'tap'
import { cleanEnvironment } from '../environment.js'

const readme = readFileSync(new URL('../../../README.md', import.meta.url), 'utf8')
const library = new URL('../../src/index.js', import.meta.url).href

t.test(
  'the library example sends a message and prints it, in fewer than thirty lines',
  { timeout: 90_000 },
  async (t) => {
    const example = /```js\n([\s\S]*?)```/.exec(readme)?.[1] ?? ''
    t.ok(example.trim().split('\n').length < 30)
    const directory = mkdtempSync(join(tmpdir(), 'splitcast-readme-'))
    t.teardown(() => rmSync(directory, { recursive: true }))
    t.match(example, "from 'splitcast'")
    writeFileSync(join(directory, 'example.mjs'), example.replace("'splitcast'", JSON.stringify(library)))
    const { stdout } = await promisify(execFile)(process.execPath, ['example.mjs'], {
      cwd: directory,
      env: cleanEnvironment(),
      timeout: 60_000,
    })
    t.equal(stdout, 'proven stored for 1 of 1\nfamily true hello\n')
  },
)
