/**
 * SHA-256 (FIPS 180-4 section 6.2) of one message, HMAC-SHA256 (RFC 2104) under a 32-byte key, and SHA-256 of four messages
 * of 64 bytes at once, each in its own 32-bit lane.
 */
import { HASH_SCRATCH, LANES_SCRATCH } from '../layout'

const STATE: usize = HASH_SCRATCH
const SCHEDULE: usize = HASH_SCRATCH + 32
const LAST: usize = HASH_SCRATCH + 288
const PADDED_KEY: usize = HASH_SCRATCH + 416
/** 64 words of schedule in four lanes, then the state. */
const LANES_SCHEDULE: usize = LANES_SCRATCH
const LANES_STATE: usize = LANES_SCRATCH + 0x400

/** FIPS 180-4 section 5.3.3: first 32 bits of the fractional parts of the square roots of the first 8 primes. */
const INITIAL = memory.data<u32>([
  0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c, 0x1f83d9ab, 0x5be0cd19,
])

/** FIPS 180-4 section 4.2.2: first 32 bits of the fractional parts of the cube roots of the first 64 primes. */
const ROUND = memory.data<u32>([
  0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b, 0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98,
  0x12835b01, 0x243185be, 0x550c7dc3, 0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786,
  0x0fc19dc6, 0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d, 0xb00327c8,
  0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85, 0x2e1b2138, 0x4d2c6dfc, 0x53380d13,
  0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85, 0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819,
  0xd6990624, 0xf40e3585, 0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
  0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa, 0xa4506ceb, 0xbef9a3f7,
  0xc67178f2,
])

/** out = SHA-256 of a message. */
export function hash(out: usize, message: usize, messageBytes: i32): void {
  memory.copy(STATE, INITIAL, 32)
  finish(out, message, messageBytes, 0)
}

/** out = HMAC-SHA256 of a message under a 32-byte key. `out` may be the message. */
export function hmac(out: usize, key: usize, message: usize, messageBytes: i32): void {
  padKey(key, 0x3636363636363636)
  finish(out, message, messageBytes, 64)
  padKey(key, 0x5c5c5c5c5c5c5c5c)
  finish(out, out, 32, 64)
}

/** STATE after the one block that the padded key makes. */
function padKey(key: usize, pad: u64): void {
  for (let i: usize = 0; i < 64; i += 8) store<u64>(PADDED_KEY + i, i < 32 ? load<u64>(key + i) ^ pad : pad)
  memory.copy(STATE, INITIAL, 32)
  compress(PADDED_KEY)
}

/** Goes on from STATE, which has taken in `before` bytes, to the end of the message, and writes the digest. */
function finish(out: usize, message: usize, messageBytes: i32, before: i32): void {
  const whole = messageBytes & ~63
  for (let at: usize = 0; at < <usize>whole; at += 64) compress(message + at)
  const rest = messageBytes - whole
  const lastBytes: usize = rest < 56 ? 64 : 128
  memory.fill(LAST, 0, 128)
  memory.copy(LAST, message + whole, rest)
  store<u8>(LAST + rest, 0x80)
  store<u64>(LAST + lastBytes - 8, bswap<u64>((<u64>before + <u64>messageBytes) << 3))
  for (let at: usize = 0; at < lastBytes; at += 64) compress(LAST + at)
  for (let i: usize = 0; i < 32; i += 4) store<u32>(out + i, bswap<u32>(load<u32>(STATE + i)))
}

/** Fills the schedule from its first 16 words on (FIPS 180-4 section 6.2.2, step 1). */
function schedule(): void {
  for (let at = SCHEDULE + 64; at < SCHEDULE + 256; at += 4) {
    const w2 = load<u32>(at - 8)
    const w15 = load<u32>(at - 60)
    const sigma1 = rotr<u32>(w2, 17) ^ rotr<u32>(w2, 19) ^ (w2 >> 10)
    const sigma0 = rotr<u32>(w15, 7) ^ rotr<u32>(w15, 18) ^ (w15 >> 3)
    store<u32>(at, sigma1 + load<u32>(at - 28) + sigma0 + load<u32>(at - 64))
  }
}

function compress(block: usize): void {
  for (let i: usize = 0; i < 64; i += 4) store<u32>(SCHEDULE + i, bswap<u32>(load<u32>(block + i)))
  schedule()
  let a = load<u32>(STATE)
  let b = load<u32>(STATE, 4)
  let c = load<u32>(STATE, 8)
  let d = load<u32>(STATE, 12)
  let e = load<u32>(STATE, 16)
  let f = load<u32>(STATE, 20)
  let g = load<u32>(STATE, 24)
  let h = load<u32>(STATE, 28)
  for (let i: usize = 0; i < 256; i += 4) {
    const sum1 = rotr<u32>(e, 6) ^ rotr<u32>(e, 11) ^ rotr<u32>(e, 25)
    const choice = g ^ (e & (f ^ g))
    const t1 = h + sum1 + choice + load<u32>(ROUND + i) + load<u32>(SCHEDULE + i)
    const sum0 = rotr<u32>(a, 2) ^ rotr<u32>(a, 13) ^ rotr<u32>(a, 22)
    const majority = (a & b) | (c & (a | b))
    h = g
    g = f
    f = e
    e = d + t1
    d = c
    c = b
    b = a
    a = t1 + sum0 + majority
  }
  store<u32>(STATE, load<u32>(STATE) + a)
  store<u32>(STATE, load<u32>(STATE, 4) + b, 4)
  store<u32>(STATE, load<u32>(STATE, 8) + c, 8)
  store<u32>(STATE, load<u32>(STATE, 12) + d, 12)
  store<u32>(STATE, load<u32>(STATE, 16) + e, 16)
  store<u32>(STATE, load<u32>(STATE, 20) + f, 20)
  store<u32>(STATE, load<u32>(STATE, 24) + g, 24)
  store<u32>(STATE, load<u32>(STATE, 28) + h, 28)
}

/** Schedule of the second block of every 64-byte message, with the rounds' constants added, in four lanes. */
const SECOND = memory.data(1024, 16)
prepareSecond()

function prepareSecond(): void {
  memory.fill(SCHEDULE, 0, 64)
  store<u32>(SCHEDULE, 0x80000000)
  store<u32>(SCHEDULE, 512, 60)
  schedule()
  for (let i: usize = 0; i < 64; i++) {
    v128.store(SECOND + 16 * i, i32x4.splat(load<u32>(SCHEDULE + 4 * i) + load<u32>(ROUND + 4 * i)))
  }
}

/** out = the digests, one after the other, of four 64-byte messages that stand one after the other. */
export function hash64x4(out: usize, messages: usize): void {
  for (let i: usize = 0; i < 8; i++) v128.store(LANES_STATE + 16 * i, v128.load32_splat(INITIAL + 4 * i))
  for (let i: usize = 0; i < 4; i++) loadLanes(LANES_SCHEDULE + 64 * i, messages + 16 * i)
  for (let at = LANES_SCHEDULE + 256; at < LANES_SCHEDULE + 1024; at += 16) {
    const sum = i32x4.add(v128.load(at - 112), v128.load(at - 256))
    v128.store(at, i32x4.add(sum, i32x4.add(sigma1(v128.load(at - 32)), sigma0(v128.load(at - 240)))))
  }
  for (let i: usize = 0; i < 64; i++) {
    const at = LANES_SCHEDULE + 16 * i
    v128.store(at, i32x4.add(v128.load(at), v128.load32_splat(ROUND + 4 * i)))
  }
  compressLanes(LANES_SCHEDULE)
  compressLanes(SECOND)
  storeLanes(out, LANES_STATE)
  storeLanes(out + 16, LANES_STATE + 64)
}

/** As compress, on LANES_STATE; `words` is the schedule with the rounds' constants added. */
function compressLanes(words: usize): void {
  let a = v128.load(LANES_STATE)
  let b = v128.load(LANES_STATE, 16)
  let c = v128.load(LANES_STATE, 32)
  let d = v128.load(LANES_STATE, 48)
  let e = v128.load(LANES_STATE, 64)
  let f = v128.load(LANES_STATE, 80)
  let g = v128.load(LANES_STATE, 96)
  let h = v128.load(LANES_STATE, 112)
  let t: v128
  let sum: v128
  // Eight rounds a turn: the words stand where they were again, and none has moved. A round waits for e of the one before
  // it, so what does not need that sum is added first.
  for (let at = words, end = words + 1024; at < end; at += 128) {
    t = i32x4.add(i32x4.add(h, v128.load(at)), choice(e, f, g))
    sum = sum1(e)
    d = i32x4.add(i32x4.add(d, t), sum)
    h = i32x4.add(i32x4.add(i32x4.add(t, sum), majority(a, b, c)), sum0(a))
    t = i32x4.add(i32x4.add(g, v128.load(at, 16)), choice(d, e, f))
    sum = sum1(d)
    c = i32x4.add(i32x4.add(c, t), sum)
    g = i32x4.add(i32x4.add(i32x4.add(t, sum), majority(h, a, b)), sum0(h))
    t = i32x4.add(i32x4.add(f, v128.load(at, 32)), choice(c, d, e))
    sum = sum1(c)
    b = i32x4.add(i32x4.add(b, t), sum)
    f = i32x4.add(i32x4.add(i32x4.add(t, sum), majority(g, h, a)), sum0(g))
    t = i32x4.add(i32x4.add(e, v128.load(at, 48)), choice(b, c, d))
    sum = sum1(b)
    a = i32x4.add(i32x4.add(a, t), sum)
    e = i32x4.add(i32x4.add(i32x4.add(t, sum), majority(f, g, h)), sum0(f))
    t = i32x4.add(i32x4.add(d, v128.load(at, 64)), choice(a, b, c))
    sum = sum1(a)
    h = i32x4.add(i32x4.add(h, t), sum)
    d = i32x4.add(i32x4.add(i32x4.add(t, sum), majority(e, f, g)), sum0(e))
    t = i32x4.add(i32x4.add(c, v128.load(at, 80)), choice(h, a, b))
    sum = sum1(h)
    g = i32x4.add(i32x4.add(g, t), sum)
    c = i32x4.add(i32x4.add(i32x4.add(t, sum), majority(d, e, f)), sum0(d))
    t = i32x4.add(i32x4.add(b, v128.load(at, 96)), choice(g, h, a))
    sum = sum1(g)
    f = i32x4.add(i32x4.add(f, t), sum)
    b = i32x4.add(i32x4.add(i32x4.add(t, sum), majority(c, d, e)), sum0(c))
    t = i32x4.add(i32x4.add(a, v128.load(at, 112)), choice(f, g, h))
    sum = sum1(f)
    e = i32x4.add(i32x4.add(e, t), sum)
    a = i32x4.add(i32x4.add(i32x4.add(t, sum), majority(b, c, d)), sum0(b))
  }
  addTo(LANES_STATE, a)
  addTo(LANES_STATE + 16, b)
  addTo(LANES_STATE + 32, c)
  addTo(LANES_STATE + 48, d)
  addTo(LANES_STATE + 64, e)
  addTo(LANES_STATE + 80, f)
  addTo(LANES_STATE + 96, g)
  addTo(LANES_STATE + 112, h)
}

function sum1(e: v128): v128 {
  return v128.xor(v128.xor(rotated(e, 6), rotated(e, 11)), rotated(e, 25))
}

function choice(e: v128, f: v128, g: v128): v128 {
  return v128.xor(g, v128.and(e, v128.xor(f, g)))
}

function sum0(a: v128): v128 {
  return v128.xor(v128.xor(rotated(a, 2), rotated(a, 13)), rotated(a, 22))
}

function majority(a: v128, b: v128, c: v128): v128 {
  return v128.or(v128.and(a, b), v128.and(c, v128.or(a, b)))
}

function sigma0(words: v128): v128 {
  return v128.xor(v128.xor(rotated(words, 7), rotated(words, 18)), i32x4.shr_u(words, 3))
}

function sigma1(words: v128): v128 {
  return v128.xor(v128.xor(rotated(words, 17), rotated(words, 19)), i32x4.shr_u(words, 10))
}

/** Each word to the right. */
function rotated(words: v128, bits: i32): v128 {
  return v128.or(i32x4.shr_u(words, bits), i32x4.shl(words, 32 - bits))
}

function addTo(at: usize, words: v128): void {
  v128.store(at, i32x4.add(v128.load(at), words))
}

/** Four words of each of four messages, 64 bytes apart and big endian, as four vectors. */
function loadLanes(out: usize, messages: usize): void {
  transpose(
    out,
    16,
    bigEndian(v128.load(messages)),
    bigEndian(v128.load(messages, 64)),
    bigEndian(v128.load(messages, 128)),
    bigEndian(v128.load(messages, 192)),
  )
}

/** Four words of each of four digests, 32 bytes apart. */
function storeLanes(out: usize, words: usize): void {
  transpose(
    out,
    32,
    bigEndian(v128.load(words)),
    bigEndian(v128.load(words, 16)),
    bigEndian(v128.load(words, 32)),
    bigEndian(v128.load(words, 48)),
  )
}

function bigEndian(words: v128): v128 {
  return v128.shuffle<u8>(words, words, 3, 2, 1, 0, 7, 6, 5, 4, 11, 10, 9, 8, 15, 14, 13, 12)
}

/** Writes the columns of four rows, `stride` bytes apart. */
function transpose(out: usize, stride: usize, a: v128, b: v128, c: v128, d: v128): void {
  const lowAB = v128.shuffle<u32>(a, b, 0, 4, 1, 5)
  const lowCD = v128.shuffle<u32>(c, d, 0, 4, 1, 5)
  const highAB = v128.shuffle<u32>(a, b, 2, 6, 3, 7)
  const highCD = v128.shuffle<u32>(c, d, 2, 6, 3, 7)
  v128.store(out, v128.shuffle<u64>(lowAB, lowCD, 0, 2))
  v128.store(out + stride, v128.shuffle<u64>(lowAB, lowCD, 1, 3))
  v128.store(out + 2 * stride, v128.shuffle<u64>(highAB, highCD, 0, 2))
  v128.store(out + 3 * stride, v128.shuffle<u64>(highAB, highCD, 1, 3))
}
