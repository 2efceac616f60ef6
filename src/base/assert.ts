/**
 * States what the code around it relies on. A failed assertion is a defect of this program, never of its input:
 * input is parsed, and what does not parse is a drop or a `ProtocolError`.
 */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new Error(`internal assertion failed: ${message}`)
}
