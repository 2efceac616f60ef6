/** Published vectors, read from test/vectors; SOURCES.md names where each comes from. */
import { readFileSync } from 'node:fs'

// Tests run from dist/test/vectors; the vectors stay where they are.
const directory = new URL('../../../test/vectors/', import.meta.url)

/** The vectors of one file, as the caller says they are shaped. */
export function loadVectors<T>(name: string): T {
  return JSON.parse(readFileSync(new URL(name, directory), 'utf8')) as T
}
