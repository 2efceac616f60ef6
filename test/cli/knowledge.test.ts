/** The demo's judge: finds what is outside a row, notices a hook that is dead, and lets no unknown format pass. */
import t from 'tap'
import type { Learnt } from '../../src/cli/demo/host-protocol.js'
import { judge, judgeBesides, judgeCopies, type TruthName } from '../../src/cli/demo/knowledge.js'

const truths = new Map<string, TruthName>([
  ['aa', 'address of S'],
  ['bb', 'id of a proxy'],
  ['cc', 'body'],
  ['dd', 'identity key of S'],
])
const SENDER = 9

function read(role: Learnt['role'], fields: Learnt['fields'], overflow = false): Learnt {
  return { role, node: 1, fields, times: {}, overflow }
}

const honestP1 = { 'forward link.source': ['aa'], 'forward.nextHop': ['bb'], 'forward.message': ['00'] }

t.test('what belongs to a row is learnt, and is no fault', async (t) => {
  const { p1 } = judge([read('proxy', honestP1)], truths, SENDER)
  t.strictSame(p1.learnt, ['address of S', 'id of a proxy'])
  t.strictSame(p1.faults, [])
})

t.test('a true value outside the row is a fault, wherever it stood', async (t) => {
  const { p1 } = judge([read('proxy', { ...honestP1, 'forward.extension': ['cc'] })], truths, SENDER)
  t.strictSame(p1.faults, ['node 1 read the body in forward.extension'])
})

t.test('a value of the row that nobody read is a fault: the hook may be dead', async (t) => {
  const { p1, cs } = judge([read('proxy', { 'forward.nextHop': ['bb'] })], truths, SENDER)
  t.match(p1.faults, ['nobody read the address of S, which this role has to read'])
  t.equal(cs.faults.length, 3, 'and a role without any report has read nothing')
})

t.test('a report that overflowed proves nothing', async (t) => {
  const { p1 } = judge([read('proxy', honestP1, true)], truths, SENDER)
  t.match(p1.faults, [/more than could be kept/])
})

t.test('copies that look alike at CS are a fault', async (t) => {
  const fields = { 'copy.sealed': ['1', '2'], 'copy opened.ephemeral': ['3', '4'], 'copy opened.payload': ['5', '6'] }
  t.strictSame(judgeCopies([read('server', fields)], 2), [])
  const alike = judgeCopies([read('server', { ...fields, 'copy opened.payload': ['5'] })], 2)
  t.match(alike, [/CS read 1 different values of copy opened.payload in 2 copies/])
})

t.test('a format of no row is a fault, and so is a secret beside the rows', async (t) => {
  t.strictSame(judgeBesides([read('proxy', { ...honestP1, 'gossip.text': ['00'] })], truths), [
    'node 1 read gossip.text, which belongs to no row',
  ])
  t.strictSame(judgeBesides([read('server', { 'identity proof.identityKey': ['dd'] })], truths), [])
  t.strictSame(judgeBesides([read('server', { 'identity proof.accessCode': ['cc'] })], truths), [
    'node 1 read the body in identity proof.accessCode',
  ])
})
