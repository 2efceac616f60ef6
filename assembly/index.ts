/**
 * The exported ABI of the core, and nothing else: calls that do a whole batch each, and the addresses and capacities
 * the host needs. Every call returns a status (status.ts); what it reads and writes stands beside its definition.
 * The module imports nothing, allocates nothing, and builds the generator's comb when it starts.
 */
import { buildComb, LASTING_WIDTH, LOOKUP_BYTES } from './curve/comb'
import { CONSTANTS_BYTES, constantsHold, GENERATOR, prepareConstants } from './curve/constants'
import { holds } from './curve/field'
import {
  COMB_GENERATOR,
  CONSTANTS_CAPACITY,
  LOOKUP_CAPACITY,
  OPERATION_CAPACITY,
  PAGES,
  SEAL_SCRATCH_CAPACITY,
  START,
} from './layout'
import { OPEN_SCRATCH_BYTES } from './open'
import { POINT_SCRATCH_BYTES } from './points'
import { SEAL_SCRATCH_BYTES } from './seal'
import { SLOT_SCRATCH_BYTES } from './slots'
import { SPLIT_SCRATCH_BYTES } from './split'

export {
  ASSOCIATED,
  ASSOCIATED_CAPACITY,
  CONTENT,
  CONTENT_CAPACITY,
  ENTROPY,
  KEY,
  LABELS,
  LENGTHS,
  LENGTHS_CAPACITY,
  NONCE,
  OUTPUT,
  OUTPUT_CAPACITY,
  PARTS,
  POINT,
  RECEIPT_KEYS,
  RESULT,
  SECOND_POINT,
  SECOND_SECRET,
  SECRET,
  SECRETS,
  SECRETS_CAPACITY,
  SLOTS,
  SYMMETRIC,
  TEXT,
  TEXT_CAPACITY,
  THIRD_POINT,
  WINDOWS,
  WINDOWS_CAPACITY,
} from './layout'
export { openCopies, RECORD_BYTES } from './open'
export { openPacket, PACKET_HEAD_BYTES, sealPacket } from './packets'
export { addPoints, addScalars, identityPoint, multiplyPoint, publicPoints, reduceWide } from './points'
export { aeadOpen, aeadSeal, chachaBlock, openAny, requestKey, seal } from './seal'
export { makeSlots } from './slots'
export { forgetRequest, payloadPoints, prepareRequest, prepareServer, split, tokens } from './split'

export { holds }

// The compiler lays its constants below START, and asconfig.json declares the memory: both must agree with layout.ts,
// and so must what each file puts into the room that it has there.
if (__heap_base > START || memory.size() < PAGES) unreachable()
if (CONSTANTS_BYTES > CONSTANTS_CAPACITY || LOOKUP_BYTES > LOOKUP_CAPACITY) unreachable()
if (SEAL_SCRATCH_BYTES > SEAL_SCRATCH_CAPACITY) unreachable()
if (max(SPLIT_SCRATCH_BYTES, SLOT_SCRATCH_BYTES) > OPERATION_CAPACITY) unreachable()
if (max(OPEN_SCRATCH_BYTES, POINT_SCRATCH_BYTES) > OPERATION_CAPACITY) unreachable()
prepareConstants()
if (!ASC_NO_ASSERT && holds()) assert(constantsHold())
buildComb(COMB_GENERATOR, GENERATOR, LASTING_WIDTH, 1, 1)
