/**
 * Link packets (PROTOCOL.md sections 10.2 and 10.3), a whole datagram a call: AEAD over the frames, mask over the number.
 * KEY holds the packet key and, behind it in SYMMETRIC, the mask key; both are wiped after the call. The datagram is at
 * TEXT. Numbers and the session's index are handed in as they read in big endian.
 */
import { decrypt, encrypt, TAG_BYTES } from './aead/aead'
import { block, STREAM } from './aead/chacha20'
import { AEAD_SCRATCH, AEAD_SCRATCH_BYTES, KEY, NONCE, SYMMETRIC, TEXT, TEXT_CAPACITY } from './layout'
import { CAPACITY, NOT_OPENED, OK } from './status'

/** Version 1, kind packet. */
const HEAD: u8 = 0x14
/** Head and index, which the AEAD covers too. */
const ASSOCIATED_BYTES: i32 = 5
/** Bytes of a packet before its sealed frames. */
export const PACKET_HEAD_BYTES: i32 = 9

/** Makes a packet of the frames at TEXT + PACKET_HEAD_BYTES. */
export function sealPacket(index: u32, number: u32, framesBytes: i32): i32 {
  if (<u32>framesBytes > <u32>(TEXT_CAPACITY - PACKET_HEAD_BYTES - TAG_BYTES)) return CAPACITY
  writeHead(index)
  writeNonce(number)
  encrypt(TEXT + PACKET_HEAD_BYTES, framesBytes, KEY, NONCE, TEXT, ASSOCIATED_BYTES)
  store<u32>(TEXT, bswap<u32>(number) ^ mask(), 5)
  wipeKeys()
  return OK
}

/** Opens the sealed frames at TEXT + PACKET_HEAD_BYTES in place. Returns the number, which is below 2^31. */
export function openPacket(index: u32, maskedNumber: u32, sealedBytes: i32): i32 {
  if (<u32>sealedBytes > <u32>(TEXT_CAPACITY - PACKET_HEAD_BYTES)) return CAPACITY
  const number = sealedBytes < TAG_BYTES ? NOT_OPENED : <i32>(maskedNumber ^ bswap<u32>(mask()))
  const opened = number >= 0 && openFrames(index, number, sealedBytes - TAG_BYTES)
  wipeKeys()
  return opened ? number : NOT_OPENED
}

function openFrames(index: u32, number: u32, framesBytes: i32): bool {
  writeHead(index)
  writeNonce(number)
  return decrypt(TEXT + PACKET_HEAD_BYTES, framesBytes, KEY, NONCE, TEXT, ASSOCIATED_BYTES)
}

function writeHead(index: u32): void {
  store<u8>(TEXT, HEAD)
  store<u32>(TEXT, bswap<u32>(index), 1)
}

function writeNonce(number: u32): void {
  store<u64>(NONCE, 0)
  store<u32>(NONCE, bswap<u32>(number), 8)
}

/** The first 4 bytes of the block that the first 16 of the sealed frames select. */
function mask(): u32 {
  const sample = TEXT + PACKET_HEAD_BYTES
  block(STREAM, SYMMETRIC, load<u32>(sample), sample + 4)
  return load<u32>(STREAM)
}

/** Packets come by the thousand: only what the call touched is wiped. */
function wipeKeys(): void {
  memory.fill(AEAD_SCRATCH, 0, AEAD_SCRATCH_BYTES)
  memory.fill(KEY, 0, 64)
}
