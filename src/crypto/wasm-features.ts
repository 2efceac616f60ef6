/** What this machine's WebAssembly can do, where a build of the core depends on it. */
declare const WebAssembly: { validate(bytes: Uint8Array): boolean }

/** The least module that uses `f64x2.relaxed_madd`: a function without parameters that gives the fused 0 * 0 + 0. */
const RELAXED_MADD = Uint8Array.of(
  ...[0x00, 0x61, 0x73, 0x6d, 0x01, 0x00, 0x00, 0x00],
  // Types: () -> v128. Functions: one, of that type.
  ...[0x01, 0x05, 0x01, 0x60, 0x00, 0x01, 0x7b],
  ...[0x03, 0x02, 0x01, 0x00],
  // Code: i32.const 0, i8x16.splat three times, then f64x2.relaxed_madd (0xfd 0x107).
  ...[0x0a, 0x13, 0x01, 0x11, 0x00],
  ...[0x41, 0x00, 0xfd, 0x0f, 0x41, 0x00, 0xfd, 0x0f, 0x41, 0x00, 0xfd, 0x0f],
  ...[0xfd, 0x87, 0x02, 0x0b],
)

/** Whether relaxed SIMD can be compiled now; on Node 20 that takes a flag of V8, which may be set while it runs. */
export function hasRelaxedSimd(): boolean {
  return WebAssembly.validate(RELAXED_MADD)
}
