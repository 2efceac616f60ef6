/** What of a message to another thread can change hands instead of being copied. */

/** The memory behind all byte arrays within a value, each once. The sender cannot use it any more. */
export function buffersOf(value: unknown): ArrayBuffer[] {
  const found = new Set<ArrayBuffer>()
  gather(value, found)
  return [...found]
}

function gather(value: unknown, found: Set<ArrayBuffer>): void {
  if (value instanceof Uint8Array) {
    if (value.buffer instanceof ArrayBuffer) found.add(value.buffer)
  } else if (Array.isArray(value)) {
    if (typeof value[0] === 'object') for (const each of value) gather(each, found)
  } else if (typeof value === 'object' && value !== null) {
    for (const each of Object.values(value)) gather(each, found)
  }
}
