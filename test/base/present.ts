/** A value that a test needs in order to go on: what is missing ends the test. */
export function present<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('a value was expected')
  return value
}
