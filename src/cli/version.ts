/** The version of this program, as its package states it. */
import { readFileSync } from 'node:fs'
import { z } from 'zod'

export function ownVersion(): string {
  const file = new URL('../../../package.json', import.meta.url)
  return z.object({ version: z.string() }).parse(JSON.parse(readFileSync(file, 'utf8'))).version
}
