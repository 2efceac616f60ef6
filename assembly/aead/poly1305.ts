/**
 * Poly1305 (RFC 8439 section 2.5) in radix 2^26: five limbs, 64 bits each while they are multiplied.
 * Messages here are always whole 16-byte blocks: the AEAD pads (RFC 8439 section 2.8), so every block ends in bit 128.
 */
import { AEAD_SCRATCH } from '../layout'

// r in five limbs, the pad s, and the accumulator in five limbs.
const R: usize = AEAD_SCRATCH + 128
const PAD: usize = AEAD_SCRATCH + 168
const H: usize = AEAD_SCRATCH + 184
const MASK: u64 = 0x3ffffff

/** Starts a tag under a 32-byte one-time key. */
export function start(key: usize): void {
  const low = load<u64>(key) & 0x0ffffffc0fffffff
  const high = load<u64>(key, 8) & 0x0ffffffc0ffffffc
  store<u64>(R, low & MASK)
  store<u64>(R, (low >> 26) & MASK, 8)
  store<u64>(R, ((low >> 52) | (high << 12)) & MASK, 16)
  store<u64>(R, (high >> 14) & MASK, 24)
  store<u64>(R, high >> 40, 32)
  v128.store(PAD, v128.load(key, 16))
  memory.fill(H, 0, 40)
}

/** Takes in `bytes`, a multiple of 16. */
export function absorb(text: usize, bytes: i32): void {
  const r0 = load<u64>(R)
  const r1 = load<u64>(R, 8)
  const r2 = load<u64>(R, 16)
  const r3 = load<u64>(R, 24)
  const r4 = load<u64>(R, 32)
  const s1 = 5 * r1
  const s2 = 5 * r2
  const s3 = 5 * r3
  const s4 = 5 * r4
  let h0 = load<u64>(H)
  let h1 = load<u64>(H, 8)
  let h2 = load<u64>(H, 16)
  let h3 = load<u64>(H, 24)
  let h4 = load<u64>(H, 32)
  for (let at = text, end = text + bytes; at < end; at += 16) {
    const low = load<u64>(at)
    const high = load<u64>(at, 8)
    // Limbs of h stay below 2^26 + 2^7, so with a block's limb below 2^27.1; r below 2^26, s below 2^28.4.
    h0 += low & MASK
    h1 += (low >> 26) & MASK
    h2 += ((low >> 52) | (high << 12)) & MASK
    h3 += (high >> 14) & MASK
    h4 += (high >> 40) | 0x1000000
    // Each column is a sum of five products below 2^55.5.
    let c0 = h0 * r0 + h1 * s4 + h2 * s3 + h3 * s2 + h4 * s1
    let c1 = h0 * r1 + h1 * r0 + h2 * s4 + h3 * s3 + h4 * s2
    let c2 = h0 * r2 + h1 * r1 + h2 * r0 + h3 * s4 + h4 * s3
    let c3 = h0 * r3 + h1 * r2 + h2 * r1 + h3 * r0 + h4 * s4
    let c4 = h0 * r4 + h1 * r3 + h2 * r2 + h3 * r1 + h4 * r0
    c1 += c0 >> 26
    c2 += c1 >> 26
    c3 += c2 >> 26
    c4 += c3 >> 26
    c0 = (c0 & MASK) + 5 * (c4 >> 26)
    h0 = c0 & MASK
    h1 = (c1 & MASK) + (c0 >> 26)
    h2 = c2 & MASK
    h3 = c3 & MASK
    h4 = c4 & MASK
  }
  store<u64>(H, h0)
  store<u64>(H, h1, 8)
  store<u64>(H, h2, 16)
  store<u64>(H, h3, 24)
  store<u64>(H, h4, 32)
}

/** Writes the 16-byte tag: (h mod 2^130 - 5) + s mod 2^128. */
export function finish(tag: usize): void {
  let h0 = load<u64>(H)
  let h1 = load<u64>(H, 8)
  let h2 = load<u64>(H, 16)
  let h3 = load<u64>(H, 24)
  let h4 = load<u64>(H, 32)
  h2 += h1 >> 26
  h1 &= MASK
  h3 += h2 >> 26
  h2 &= MASK
  h4 += h3 >> 26
  h3 &= MASK
  h0 += 5 * (h4 >> 26)
  h4 &= MASK
  h1 += h0 >> 26
  h0 &= MASK
  // h < 2^130 + small. h + 5 passes 2^130 exactly where h is 2^130 - 5 or more, and then is h - (2^130 - 5).
  let carry = (h0 + 5) >> 26
  carry = (h1 + carry) >> 26
  carry = (h2 + carry) >> 26
  carry = (h3 + carry) >> 26
  carry = (h4 + carry) >> 26
  h0 += 5 * carry
  h1 += h0 >> 26
  h0 &= MASK
  h2 += h1 >> 26
  h1 &= MASK
  h3 += h2 >> 26
  h2 &= MASK
  h4 += h3 >> 26
  h3 &= MASK
  const low = h0 | (h1 << 26) | (h2 << 52)
  const high = (h2 >> 12) | (h3 << 14) | (h4 << 40)
  const sum = low + load<u64>(PAD)
  // Carry of an unsigned sum without a comparison, which could become a branch.
  const over = ((low & load<u64>(PAD)) | ((low | load<u64>(PAD)) & ~sum)) >> 63
  store<u64>(tag, sum)
  store<u64>(tag, high + load<u64>(PAD, 8) + over, 8)
}
