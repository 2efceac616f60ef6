/** What an exported call answers: 0, or more where it says so, for success; below 0 the reason it did nothing. */

export const OK: i32 = 0
/** A length or count is past its capacity in layout.ts, which the host should have checked. */
export const CAPACITY: i32 = -1
/** A point does not decode or is the identity, or a scalar is zero. */
export const POINT_REFUSED: i32 = -2
/** No key opens the text. */
export const NOT_OPENED: i32 = -3
