/**
 * The memory map of the core: every byte it ever uses has its place here, so nothing is allocated after start.
 * Constants of the code (memory.data) lie below START; the host reads and writes from ARGUMENTS on, at the addresses
 * that index.ts exports. Capacities are checked by the host before a call and once more by the call.
 */

/** First byte not taken by memory.data segments; index.ts checks this at start. */
export const START: usize = 0x4000

/** Two field elements, one in each 64-bit lane of five vectors. */
export const ELEMENT_BYTES: usize = 80
/** Two elements before carries: as many columns as the build with more of them has, ten. */
export const WIDE_BYTES: usize = 160
/** Two points: X, Y, Z, T, or the four coordinates of a table entry. */
export const POINT_BYTES: usize = 4 * ELEMENT_BYTES

// Labels, written once by the host: 12 bytes each, 16 apart.
export const LABELS: usize = START
export const LABEL_SLOT_OFFSET: usize = LABELS
export const LABEL_SCRAMBLE_SCALAR: usize = LABELS + 16
export const LABEL_COPY_SCALAR: usize = LABELS + 32
export const LABEL_SLOT_KEYS: usize = LABELS + 48
export const LABEL_SCRAMBLE: usize = LABELS + 64
export const LABEL_COPY: usize = LABELS + 80
export const LABEL_RECEIPT: usize = LABELS + 96
/** 12 zero bytes and more, never written. */
export const ZEROS: usize = LABELS + 128

// Arguments of fixed size. KEY to THIRD_POINT hold secrets, and points that tell one message or group from others: they
// are wiped after each call that reads them.
export const ARGUMENTS: usize = START + 0x100
export const KEY: usize = ARGUMENTS
export const SYMMETRIC: usize = ARGUMENTS + 32
export const ENTROPY: usize = ARGUMENTS + 64
export const SECRET: usize = ARGUMENTS + 192
export const SECOND_SECRET: usize = ARGUMENTS + 224
export const NONCE: usize = ARGUMENTS + 256
export const POINT: usize = ARGUMENTS + 272
export const SECOND_POINT: usize = ARGUMENTS + 304
export const THIRD_POINT: usize = ARGUMENTS + 336
export const SECRET_ARGUMENTS_BYTES: usize = 368
export const WINDOWS: usize = ARGUMENTS + 384
/** Result of fixed size; wiped by the host once it has taken it. */
export const RESULT: usize = START + 0x400
export const RESULT_BYTES: usize = 512

// Scratch, all of it wiped by seal.ts:wipe. Each file takes its own room, so that no two calls on one path meet.
export const SCRATCH: usize = START + 0x800
export const AEAD_SCRATCH: usize = SCRATCH
export const AEAD_SCRATCH_BYTES: usize = 0x900
export const HASH_SCRATCH: usize = AEAD_SCRATCH + AEAD_SCRATCH_BYTES
/** Schedule and state of four hashes at once. */
export const LANES_SCRATCH: usize = HASH_SCRATCH + 0x200
export const FIELD_SCRATCH: usize = LANES_SCRATCH + 0x480
/** Pairs of elements of which square roots are drawn at once. */
export const ROOTS_CAPACITY: usize = 8
const FIELD_SCRATCH_BYTES: usize = 3 * WIDE_BYTES + (4 * ROOTS_CAPACITY + 1) * ELEMENT_BYTES
/** Columns of one product while it is formed. */
export const PRODUCT_SCRATCH: usize = FIELD_SCRATCH + FIELD_SCRATCH_BYTES
export const EDWARDS_SCRATCH: usize = PRODUCT_SCRATCH + ELEMENT_BYTES
export const RISTRETTO_SCRATCH: usize = EDWARDS_SCRATCH + 0x600
export const ROOT_SCRATCH: usize = RISTRETTO_SCRATCH + 0x500 + 5 * ROOTS_CAPACITY * ELEMENT_BYTES
export const SCALAR_SCRATCH: usize = ROOT_SCRATCH + (2 * ROOTS_CAPACITY + 2) * ELEMENT_BYTES
export const DIGITS_SCRATCH: usize = SCALAR_SCRATCH + 0x200
export const WINDOW_SCRATCH: usize = DIGITS_SCRATCH + 0x80
export const LOOKUP_SCRATCH: usize = WINDOW_SCRATCH + 0xf00
/** Pairs of points that are encoded at once. */
export const ENCODE_CAPACITY: i32 = 40
export const LOOKUP_CAPACITY: usize = 0x2c00
export const ENCODE_SCRATCH: usize = LOOKUP_SCRATCH + LOOKUP_CAPACITY
// Whole operations never run inside one another, but for parts of seal.ts and the slots' permutation.
export const SEAL_SCRATCH: usize = ENCODE_SCRATCH + 7 * ELEMENT_BYTES * <usize>ENCODE_CAPACITY
export const SEAL_SCRATCH_CAPACITY: usize = 0x1800
export const PERMUTE_SCRATCH: usize = SEAL_SCRATCH + SEAL_SCRATCH_CAPACITY
export const SPLIT_SCRATCH: usize = PERMUTE_SCRATCH + 0x80
export const SLOT_SCRATCH: usize = SPLIT_SCRATCH
export const OPEN_SCRATCH: usize = SPLIT_SCRATCH
export const POINT_SCRATCH: usize = SPLIT_SCRATCH
export const OPERATION_CAPACITY: usize = 0x6000
const SCRATCH_END: usize = SPLIT_SCRATCH + OPERATION_CAPACITY
export const SCRATCH_BYTES: usize = SCRATCH_END - SCRATCH

/** Constants of the curve as elements, filled at start. */
export const CONSTANTS: usize = SCRATCH_END
export const CONSTANTS_CAPACITY: usize = 0x400

// Combs: a header, then entries of three coordinates; the generator's for good, the others for points prepared last.
export const COMB_HEADER_BYTES: usize = 16
/** Windows of six bits of one point, a table of 32 entries for each. */
const LASTING_COMB_BYTES: usize = 43 * 32 * 120 + COMB_HEADER_BYTES
/** Windows of five bits of two points, a table of 16 entries for each. */
const MESSAGE_COMB_BYTES: usize = 51 * 16 * 240 + COMB_HEADER_BYTES
export const COMB_GENERATOR: usize = (CONSTANTS + CONSTANTS_CAPACITY + 0xfff) & ~0xfff
export const COMB_SERVER: usize = COMB_GENERATOR + LASTING_COMB_BYTES
export const COMB_MESSAGE: usize = COMB_SERVER + LASTING_COMB_BYTES
export const COMB_TRIAL: usize = COMB_MESSAGE + MESSAGE_COMB_BYTES
/** While a comb is built: its multiples as points and a product each. */
export const COMB_SCRATCH: usize = COMB_TRIAL + MESSAGE_COMB_BYTES
const COMBS_END: usize = COMB_SCRATCH + 43 * 32 * (POINT_BYTES + ELEMENT_BYTES)

/** R of the prepared request as an affine entry: in the first lane, and in both. */
export const PREPARED_ONCE: usize = COMBS_END
export const PREPARED_TWICE: usize = PREPARED_ONCE + 3 * ELEMENT_BYTES
export const PREPARED_BYTES: usize = 6 * ELEMENT_BYTES
const PREPARED_END: usize = PREPARED_ONCE + PREPARED_BYTES

// Tables the host fills and reads.
export const ASSOCIATED: usize = (PREPARED_END + 0xfff) & ~0xfff
export const ASSOCIATED_CAPACITY: i32 = 0x10000
/** Secrets for openAny, 32 bytes each. */
export const SECRETS: usize = ASSOCIATED + <usize>ASSOCIATED_CAPACITY
export const SECRETS_CAPACITY: i32 = 512
/** Lengths of the copies of one openCopies call, 4 bytes each. */
export const LENGTHS: usize = SECRETS + 32 * <usize>SECRETS_CAPACITY
export const LENGTHS_CAPACITY: i32 = 4096
export const WINDOWS_CAPACITY: i32 = 8
/** Slots of the prepared request, or recipients of makeSlots: 10 bytes each. */
export const SLOTS: usize = LENGTHS + 4 * <usize>LENGTHS_CAPACITY
export const COPIES_CAPACITY: i32 = 4096
/** Personal parts of the prepared request. */
export const PARTS: usize = SLOTS + 10 * <usize>COPIES_CAPACITY
/** Receipt keys, 32 bytes each. */
export const RECEIPT_KEYS: usize = PARTS + 255 * <usize>COPIES_CAPACITY
/** Content of the prepared request. */
export const CONTENT: usize = RECEIPT_KEYS + 32 * <usize>COPIES_CAPACITY
export const CONTENT_CAPACITY: i32 = 0x104000
/** The one text that is sealed or opened in place, or the copies of one openCopies call. */
export const TEXT: usize = (CONTENT + <usize>CONTENT_CAPACITY + 0xf) & ~0xf
export const TEXT_CAPACITY: i32 = 0x200000
/** What a batch makes: finished copies, slots, tokens, points, opened records. */
export const OUTPUT: usize = TEXT + <usize>TEXT_CAPACITY + 64
export const OUTPUT_CAPACITY: i32 = 0x1000000
const END: usize = OUTPUT + <usize>OUTPUT_CAPACITY
/** 64 KiB pages the module declares; index.ts checks asconfig.json against it. */
export const PAGES: i32 = <i32>((END + 0xffff) >> 16)
