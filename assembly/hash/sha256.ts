/**
 * SHA-256 (FIPS 180-4 section 6.2) of one message, and HMAC-SHA256 (RFC 2104) under a 32-byte key.
 */
import { HASH_SCRATCH } from '../layout'

const STATE: usize = HASH_SCRATCH
const SCHEDULE: usize = HASH_SCRATCH + 32
const LAST: usize = HASH_SCRATCH + 288
const PADDED_KEY: usize = HASH_SCRATCH + 416

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

function compress(block: usize): void {
  for (let i: usize = 0; i < 64; i += 4) store<u32>(SCHEDULE + i, bswap<u32>(load<u32>(block + i)))
  for (let at = SCHEDULE + 64; at < SCHEDULE + 256; at += 4) {
    const w2 = load<u32>(at - 8)
    const w15 = load<u32>(at - 60)
    const sigma1 = rotr<u32>(w2, 17) ^ rotr<u32>(w2, 19) ^ (w2 >> 10)
    const sigma0 = rotr<u32>(w15, 7) ^ rotr<u32>(w15, 18) ^ (w15 >> 3)
    store<u32>(at, sigma1 + load<u32>(at - 28) + sigma0 + load<u32>(at - 64))
  }
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
