/**
 * Scalars as signed odd digits. Bits b_i of a number m of n bits, read as 1 for set and -1 for clear, stand for
 * 2m - (2^n - 1). So with m = (k + 2^n - 1) / 2 mod l, any w bits in a row are a digit of [k]P that is odd and in
 * -(2^w - 1)..2^w - 1: never zero, without carries, and its sign is its highest bit. Constant time.
 */
import { DIGITS_SCRATCH } from '../layout'
import { ORDER } from './constants'

const SHIFTED: usize = DIGITS_SCRATCH

/** (2^n - 1) / 2 mod l for n of 256, 255 and 258: as many bits as the windows of 4, 5 and 6 bits below have. */
const OFFSETS = memory.data<u8>([
  0x8e, 0x4a, 0xcc, 0x46, 0xba, 0x18, 0x76, 0x6b, 0xb8, 0xe7, 0xbe, 0x39, 0xfa, 0xad, 0x77, 0x63, 0xff, 0xff, 0xff,
  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x07, 0x42, 0x9a, 0xa3, 0xba, 0x23, 0xa5,
  0xbf, 0xcb, 0x11, 0x5b, 0x9d, 0xc5, 0x74, 0x95, 0xf3, 0xb6, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
  0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x07, 0x56, 0x6c, 0xc0, 0x8f, 0x41, 0xce, 0xbc, 0x29, 0xa0, 0x33, 0x88, 0xf2,
  0x1a, 0x41, 0x90, 0x6e, 0xfd, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
  0x07,
])

/** Digits of `width` bits, 4 to 6, that a scalar has. */
export function windowsOf(width: i32): i32 {
  return (255 + width - 1) / width
}

/**
 * Writes the raw digits of a scalar below l, one byte each, `stride` bytes apart, the lowest first. `halved` takes half
 * of the scalar mod l in its place.
 */
export function writeDigits(digits: usize, stride: usize, scalar: usize, width: i32, halved: bool): void {
  halve(SHIFTED, scalar, halved ? 2 : 1)
  addModOrder(SHIFTED, OFFSETS + 32 * <usize>(width - 4))
  store<u64>(SHIFTED + 32, 0)
  const mask = (1 << width) - 1
  const windows = windowsOf(width)
  let bit = 0
  let at = digits
  for (let i = 0; i < windows; i++) {
    store<u8>(at, (<i32>load<u16>(SHIFTED + (bit >> 3)) >> (bit & 7)) & mask)
    bit += width
    at += stride
  }
}

/** out = scalar / 2^times mod l, times 1 or 2: l = 1 mod 4, so adding the scalar's negative times l clears low bits. */
function halve(out: usize, scalar: usize, times: u64): void {
  const k0 = load<u64>(scalar)
  const factor = (0 - k0) & ((1 << times) - 1)
  let carry: u64 = 0
  for (let i: usize = 0; i < 32; i += 8) {
    const product = factor * load<u64>(ORDER + i) // the top bits of a limb of l are clear where factor could overflow it
    const high = factorHigh(factor, load<u64>(ORDER + i))
    const word = load<u64>(scalar + i)
    const sum = word + product
    const total = sum + carry
    store<u64>(out + i, total)
    carry = high + carryOf(word, product, sum) + carryOf(sum, carry, total)
  }
  for (let i: usize = 0; i < 24; i += 8) {
    store<u64>(out + i, (load<u64>(out + i) >> times) | (load<u64>(out + i, 8) << (64 - times)))
  }
  store<u64>(out, load<u64>(out, 24) >> times, 24)
}

/** The upper 64 bits of factor times a limb, factor 0 to 3. */
function factorHigh(factor: u64, limb: u64): u64 {
  return (factor * (limb >> 32) + ((factor * (limb & 0xffffffff)) >> 32)) >> 32
}

/** a = a + b mod l, both below l. */
function addModOrder(a: usize, b: usize): void {
  let carry: u64 = 0
  for (let i: usize = 0; i < 32; i += 8) {
    const x = load<u64>(a + i)
    const y = load<u64>(b + i)
    const sum = x + y
    const total = sum + carry
    carry = carryOf(x, y, sum) + carryOf(sum, carry, total)
    store<u64>(a + i, total)
  }
  // The sum is below 2l < 2^254, so no carry is left. l is taken off, and put back where that went below zero.
  let borrow: u64 = 0
  for (let i: usize = 0; i < 32; i += 8) {
    const x = load<u64>(a + i)
    const y = load<u64>(ORDER + i)
    const difference = x - y
    const total = difference - borrow
    borrow = borrowOf(x, y, difference) | borrowOf(difference, borrow, total)
    store<u64>(a + i, total)
  }
  const below = 0 - borrow
  carry = 0
  for (let i: usize = 0; i < 32; i += 8) {
    const x = load<u64>(a + i)
    const y = load<u64>(ORDER + i) & below
    const sum = x + y
    const total = sum + carry
    carry = carryOf(x, y, sum) + carryOf(sum, carry, total)
    store<u64>(a + i, total)
  }
}

/** The carry of sum = x + y, without a comparison, which could become a branch. */
function carryOf(x: u64, y: u64, sum: u64): u64 {
  return ((x & y) | ((x | y) & ~sum)) >> 63
}

/** The borrow of difference = x - y. */
function borrowOf(x: u64, y: u64, difference: u64): u64 {
  return ((~x & y) | (~(x ^ y) & difference)) >> 63
}
