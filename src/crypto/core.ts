/**
 * Which build of the core runs. Both do the same; the fused one computes field products with multiply-add of floats,
 * which is faster and right only where the machine rounds once. A core is taken after it has shown both that it does and
 * that long multiplications come out as they must, so a machine on which they do not never computes with it.
 */
import { equal, fromHex } from '../base/bytes.js'
import { ProtocolError } from '../base/errors.js'
import { type Core, compiles, instantiate, status } from './wasm.js'

/** A build of the core, by its field arithmetic. */
export type FieldBuild = 'fused' | 'integer'

/** The bytes of `splitcast.fused.wasm` and `splitcast.integer.wasm`. */
export type CoreModules = Readonly<Record<FieldBuild, Uint8Array>>

export interface ChosenCore {
  readonly core: Core
  readonly build: FieldBuild
  /** Why this build, as a sentence for people. */
  readonly reason: string
}

/** A scalar with digits of every kind, that many times the generator, and that many times the result. */
const SCALAR = fromHex('0123456789abcdeffedcba98765432100f1e2d3c4b5a69788796a5b4c3d2e10f')
const PRODUCT = fromHex('c03c8cfd0389a53275d25091a39df2f6e2358bd5177ff3e6c93bbfe86555d549')
const SECOND_PRODUCT = fromHex('5e0c8eadb5bab62e507bd29a34b5ff22f7eb85cd7f598a0402179d01106e8173')

/**
 * The fused core where this machine and engine can run it, else the one in integers. `wanted` insists on one build:
 * throws `BUILD_UNAVAILABLE` where that cannot run here.
 */
export async function chooseCore(modules: CoreModules, wanted?: FieldBuild): Promise<ChosenCore> {
  if (wanted === 'integer') {
    return { core: await integerCore(modules), build: 'integer', reason: 'it was asked for' }
  }
  const found = await fusedCore(modules)
  if (typeof found !== 'string') {
    return { core: found, build: 'fused', reason: 'multiply-add rounds once here, and the self-test holds' }
  }
  if (wanted === 'fused') throw new ProtocolError('BUILD_UNAVAILABLE', `the fused core cannot run here: ${found}`)
  return { core: await integerCore(modules), build: 'integer', reason: found }
}

async function fusedCore(modules: CoreModules): Promise<Core | string> {
  if (!compiles(modules.fused)) return 'this JavaScript engine has no relaxed SIMD'
  const core = await instantiate(modules.fused)
  if (core.calls.holds() === 0) return 'multiply-add rounds twice on this machine'
  return multipliesRightly(core) ? core : 'the self-test of the fused core failed on this machine'
}

async function integerCore(modules: CoreModules): Promise<Core> {
  const core = await instantiate(modules.integer)
  if (!multipliesRightly(core)) {
    throw new ProtocolError(
      'BUILD_UNAVAILABLE',
      'the self-test of the core failed: this machine or engine computes wrongly',
    )
  }
  return core
}

/** Fixed base and variable base: some thousand products, each of which would have to be right. */
function multipliesRightly(core: Core): boolean {
  const { at, calls } = core
  core.writeExactly(at.SECRETS, SCALAR, 32)
  if (calls.publicPoints(1) !== status.ok || !equal(core.take(at.OUTPUT, 32), PRODUCT)) return false
  core.writeExactly(at.SECRET, SCALAR, 32)
  core.writeExactly(at.POINT, PRODUCT, 32)
  return calls.multiplyPoint() === status.ok && equal(core.take(at.RESULT, 32), SECOND_PRODUCT)
}
