/**
 * The memory map of the core: every byte it ever uses has its place here, so nothing is allocated after start.
 * Constants of the code (memory.data) lie below START; the host reads and writes from ARGUMENTS on, at the addresses
 * that index.ts exports. Capacities are checked by the host before a call and once more by the call.
 */

/** First byte not taken by memory.data segments; index.ts checks this at start. */
export const START: usize = 0x4000

/** A field element: ten 32-bit limbs and two of padding, so that it is three vectors long. */
export const ELEMENT_BYTES: usize = 48
/** A point: X, Y, Z, T, or the four coordinates of a table entry. */
export const POINT_BYTES: usize = 4 * ELEMENT_BYTES
/** Digits of a recoded scalar, one byte each. */
export const DIGITS: i32 = 64
/** The multiples 0..8 of one point. */
export const WINDOW_BYTES: usize = 9 * POINT_BYTES
/** One window for each pair of digits. */
export const COMB_BYTES: usize = 32 * WINDOW_BYTES

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

// Arguments of fixed size. KEY to SECOND_SECRET may hold secrets and are wiped after each call that reads them.
export const ARGUMENTS: usize = START + 0x100
export const KEY: usize = ARGUMENTS
export const SYMMETRIC: usize = ARGUMENTS + 32
export const ENTROPY: usize = ARGUMENTS + 64
export const SECRET: usize = ARGUMENTS + 192
export const SECOND_SECRET: usize = ARGUMENTS + 224
export const SECRET_ARGUMENTS_BYTES: usize = 256
export const NONCE: usize = ARGUMENTS + 256
export const POINT: usize = ARGUMENTS + 272
export const SECOND_POINT: usize = ARGUMENTS + 304
export const THIRD_POINT: usize = ARGUMENTS + 336
export const WINDOWS: usize = ARGUMENTS + 384
/** Result of fixed size; wiped by the host once it has taken it. */
export const RESULT: usize = START + 0x400
export const RESULT_BYTES: usize = 512

// Scratch, all of it wiped by seal.ts:wipe. Each file takes its own room, so that no two calls on one path meet.
export const SCRATCH: usize = START + 0x800
export const AEAD_SCRATCH: usize = SCRATCH
export const AEAD_SCRATCH_BYTES: usize = 0x900
export const HASH_SCRATCH: usize = SCRATCH + 0x900
export const FIELD_SCRATCH: usize = SCRATCH + 0xb00
export const EDWARDS_SCRATCH: usize = SCRATCH + 0xd00
export const RISTRETTO_SCRATCH: usize = SCRATCH + 0x1000
export const ROOT_SCRATCH: usize = SCRATCH + 0x1300
export const SCALAR_SCRATCH: usize = SCRATCH + 0x1500
export const MULTIPLY_SCRATCH: usize = SCRATCH + 0x1700
export const SEAL_SCRATCH: usize = SCRATCH + 0x1b00
export const SLOT_SCRATCH: usize = SCRATCH + 0x1f00
export const SPLIT_SCRATCH: usize = SCRATCH + 0x2100
export const WINDOW_SCRATCH: usize = SCRATCH + 0x2700
/** Schedule and state of four hashes at once. */
export const LANES_SCRATCH: usize = WINDOW_SCRATCH + WINDOW_BYTES
export const LANES_SCRATCH_BYTES: usize = 0x480
const SCRATCH_END: usize = LANES_SCRATCH + LANES_SCRATCH_BYTES
export const SCRATCH_BYTES: usize = SCRATCH_END - SCRATCH

// Combs: the generator's for good, the others for the points prepared last.
export const COMB_GENERATOR: usize = (SCRATCH_END + 0xfff) & ~0xfff
export const COMB_SERVER: usize = COMB_GENERATOR + COMB_BYTES
export const COMB_BASE: usize = COMB_SERVER + COMB_BYTES
export const COMB_GROUP: usize = COMB_BASE + COMB_BYTES
export const COMB_TRIAL: usize = COMB_GROUP + COMB_BYTES
const COMBS_END: usize = COMB_TRIAL + COMB_BYTES

/** R of the prepared request, as a table entry. */
export const PREPARED_ENTRY: usize = COMBS_END

// Tables the host fills and reads.
export const ASSOCIATED: usize = (COMBS_END + POINT_BYTES + 0xfff) & ~0xfff
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
