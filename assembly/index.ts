/**
 * The exported ABI of the core, and nothing else: calls that do a whole batch each, and the addresses and capacities
 * the host needs. Every call returns a status (status.ts); what it reads and writes stands beside its definition.
 * The module imports nothing, allocates nothing, and builds the generator's comb when it starts.
 */
import { constantsHold, GENERATOR } from './curve/constants'
import { buildComb } from './curve/multiply'
import { COMB_GENERATOR, PAGES, START } from './layout'

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
export { addPoints, addScalars, identityPoint, multiplyPoint, publicPoint, reduceWide } from './points'
export { aeadOpen, aeadSeal, chachaBlock, openAny, requestKey, seal } from './seal'
export { makeSlots } from './slots'
export { payloadPoints, prepareRequest, prepareServer, split, tokens } from './split'

// The compiler lays its constants below START, and asconfig.json declares the memory: both must agree with layout.ts.
if (__heap_base > START || memory.size() < PAGES) unreachable()
if (!ASC_NO_ASSERT) assert(constantsHold())
buildComb(COMB_GENERATOR, GENERATOR)
