/**
 * Tool setting, and the source of assembly/curve/{fused,integer}-products.ts, which the build writes: the products of
 * field elements with every limb product written out. An element is two lanes wide (assembly/curve/field.ts); each
 * function below prints one straight run of vector instructions, since a loop would reload and re-index every limb.
 */

/** The text of each products file, by the build it is for. */
export function products() {
  return { fused: fusedProducts(), integer: integerProducts() }
}

const FUSED = {
  limbs: 5,
  /** Rounds a product below 2^102 to a multiple of 2^51: the unit in the last place of [2^103, 2^104) is 2^51. */
  high: 1.5 * 2 ** 103,
  /** Turns an integer below 2^51 in size into the low bits of a float: the unit of [2^52, 2^53) is 1. */
  low: 1.5 * 2 ** 52,
}

const bitsOf = (float) => new BigUint64Array(Float64Array.of(float).buffer)[0]
const wrapped = (value) => `0x${BigInt.asUintN(64, value).toString(16)}`

const header = (what) => `/** ${what} Written by .tools/products.mjs: change it there. */\n`

/** p = 2^255 - 19 times a factor, as limbs of the widths given, and half of each limb more, so that limbs balance. */
const biasOf = (widths, factor) =>
  widths.map((width, k) => ((1n << BigInt(width)) - (k === 0 ? 19n : 1n)) * factor + (1n << BigInt(width - 1)))

const FUSED_BIAS = biasOf([51, 51, 51, 51, 51], 1n << 10n)
const INTEGER_WIDTHS = Array.from({ length: 10 }, (_, k) => (k % 2 === 0 ? 26 : 25))
const INTEGER_BIAS = biasOf(INTEGER_WIDTHS, 1n << 36n)

/** The limb products of a column, high columns first: what lies above 2^255 is then folded early and lives shortly. */
function productsByColumn(limbs, squaring, columns) {
  return columns.map((k) => {
    const pairs = []
    for (let i = Math.max(0, k - limbs + 1); i <= Math.min(k, limbs - 1); i++) {
      if (!squaring || 2 * i <= k) pairs.push([i, k - i])
    }
    return [k, pairs]
  })
}

// ---- Fused multiply-add: five limbs of 51 bits, each a float; products are split exactly by rounding (see fused.ts).

/**
 * What columns start with: what the bit patterns of products' halves add besides their value, taken off beforehand, and
 * the bias where carries follow.
 */
function starts(squaring, narrow) {
  const sums = Array(10).fill(0n)
  for (const [k, pairs] of productsByColumn(FUSED.limbs, squaring, [0, 1, 2, 3, 4, 5, 6, 7, 8])) {
    for (const _ of pairs) {
      sums[k] -= bitsOf(FUSED.low)
      sums[k + 1] -= bitsOf(FUSED.high)
    }
  }
  return narrow ? sums.map((sum, k) => sum + (FUSED_BIAS[k] ?? 0n)) : sums
}

function fusedConstants() {
  const rows = [
    ['HIGH', [bitsOf(FUSED.high)]],
    ['HIGH_AND_LOW', [bitsOf(FUSED.high + FUSED.low)]],
    ['LOW', [bitsOf(FUSED.low)]],
    ['LIMB_MASK', [(1n << 51n) - 1n]],
    ['EXPONENT', [bitsOf(2 ** 52)]],
    ['BALANCE', [bitsOf(2 ** 52 + 2 ** 50)]],
    ['BIAS', FUSED_BIAS],
    ['MULTIPLY_START', starts(false, true)],
    ['MULTIPLY_WIDE_START', starts(false, false)],
    ['SQUARE_START', starts(true, true)],
    ['SQUARE_WIDE_START', starts(true, false)],
  ]
  const exported = new Set(['HIGH', 'LOW'])
  return rows
    .map(
      ([name, values]) =>
        `${exported.has(name) ? 'export ' : ''}const ${name} = memory.data<u64>([${values.map(wrapped).join(', ')}], 16)\n`,
    )
    .join('')
}

function fusedColumns(squaring, narrow) {
  const out = []
  const start = `${squaring ? 'SQUARE' : 'MULTIPLY'}${narrow ? '' : '_WIDE'}_START`
  out.push('const high = v128.load64_splat(HIGH)', 'const both = v128.load64_splat(HIGH_AND_LOW)')
  for (let i = 0; i < 5; i++) out.push(`const a${i} = v128.load(a, ${16 * i})`)
  if (squaring) for (let i = 0; i < 4; i++) out.push(`const d${i} = f64x2.add(a${i}, a${i})`)
  else for (let i = 0; i < 5; i++) out.push(`const b${i} = v128.load(b, ${16 * i})`)
  for (let k = 0; k < 10; k++) out.push(`let c${k} = v128.load64_splat(${start}, ${8 * k})`)
  out.push('let h: v128')
  for (const [k, pairs] of productsByColumn(5, squaring, [8, 7, 6, 5, 4, 3, 2, 1, 0])) {
    for (const [i, j] of pairs) {
      const [x, y] = squaring ? [i === j ? `a${i}` : `d${i}`, `a${j}`] : [`a${i}`, `b${j}`]
      out.push(`h = f64x2.relaxed_madd(${x}, ${y}, high)`)
      out.push(`c${k + 1} = i64x2.add(c${k + 1}, h)`)
      out.push(`c${k} = i64x2.add(c${k}, f64x2.relaxed_madd(${x}, ${y}, f64x2.sub(both, h)))`)
    }
  }
  for (let k = 0; k < 5; k++) {
    out.push(`c${k} = i64x2.add(c${k}, ${times19(`c${k + 5}`)})`)
  }
  return out
}

const times19 = (x) => `i64x2.add(i64x2.add(${x}, i64x2.shl(${x}, 1)), i64x2.shl(${x}, 4))`

/** One round of carries in all limbs at once, then back to balanced floats. */
function fusedCarry() {
  const out = [
    'const mask = v128.load64_splat(LIMB_MASK)',
    'const exponent = v128.load64_splat(EXPONENT)',
    'const balance = v128.load64_splat(BALANCE)',
  ]
  for (let k = 0; k < 5; k++) out.push(`const q${k} = i64x2.shr_u(c${k}, 51)`)
  for (let k = 0; k < 5; k++) {
    const carry = k === 0 ? times19('q4') : `q${k - 1}`
    const limb = `v128.or(i64x2.add(v128.and(c${k}, mask), ${carry}), exponent)`
    out.push(`v128.store(out, f64x2.sub(${limb}, balance), ${16 * k})`)
  }
  return out
}

const storeColumns = (count) => Array.from({ length: count }, (_, k) => `v128.store(out, c${k}, ${16 * k})`)

const fn = (comment, name, parameters, lines) =>
  `\n/** ${comment} */\nexport function ${name}(${parameters}): void {\n${lines.map((line) => `  ${line}\n`).join('')}}\n`

const narrowOf = (operation) =>
  [0, 1, 2, 3, 4].map((k) => {
    const bias = `v128.load64_splat(BIAS, ${8 * k})`
    const a = `v128.load(a, ${16 * k})`
    const b = `v128.load(b, ${16 * k})`
    return `const c${k} = i64x2.add(${operation === '' ? a : `i64x2.${operation}(${a}, ${b})`}, ${bias})`
  })

function fusedProducts() {
  return [
    header('Products of two-lane elements by fused multiply-add; bounds and the idea in fused.ts.'),
    fusedConstants(),
    fn('out = a b. Takes 2R and R.', 'multiply', 'out: usize, a: usize, b: usize', [
      ...fusedColumns(false, true),
      ...fusedCarry(),
    ]),
    fn('out = a^2. Takes R.', 'square', 'out: usize, a: usize', [...fusedColumns(true, true), ...fusedCarry()]),
    fn('Wide out = a b. Takes 2R and R.', 'multiplyWide', 'out: usize, a: usize, b: usize', [
      ...fusedColumns(false, false),
      ...storeColumns(5),
    ]),
    fn('Wide out = a^2. Takes R.', 'squareWide', 'out: usize, a: usize', [
      ...fusedColumns(true, false),
      ...storeColumns(5),
    ]),
    fn('out = wide a.', 'narrow', 'out: usize, a: usize', [...narrowOf(''), ...fusedCarry()]),
    fn('out = wide a + wide b.', 'narrowSum', 'out: usize, a: usize, b: usize', [...narrowOf('add'), ...fusedCarry()]),
    fn('out = wide a - wide b.', 'narrowDifference', 'out: usize, a: usize, b: usize', [
      ...narrowOf('sub'),
      ...fusedCarry(),
    ]),
  ].join('')
}

// ---- Integers: ten limbs of 26 and 25 bits in turn, multiplied 32 by 32 to 64 bits.

/**
 * Names of operand vectors: the two lanes of an even limb in the low half, of the odd one after it in the high half.
 * extmul takes two low or two high halves, so where parities differ the right operand comes with its halves swapped.
 */
function integerProduct(i, j, squaring) {
  const odd = i % 2 === 1 && j % 2 === 1
  const factor = (odd ? 2 : 1) * (squaring && i !== j ? 2 : 1)
  const wrap = i + j >= 10
  const left = `a${i >> 1}${factor === 1 ? '' : `x${factor}`}`
  const right = `b${j >> 1}${wrap ? 'n' : ''}${i % 2 === j % 2 ? '' : 's'}`
  return { left, right, factor, wrap, text: `i64x2.extmul_${i % 2 === 0 ? 'low' : 'high'}_i32x4_s(${left}, ${right})` }
}

/** Lanes stand apart in memory; a limb's two lanes side by side is what extmul takes. */
const loadLimbs = (name, k) => {
  const loaded = `v128.load(${name}, ${16 * k})`
  return `i8x16.shuffle(${loaded}, ${loaded}, 0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 12, 13, 14, 15)`
}
const swapHalves = (x) => `i8x16.shuffle(${x}, ${x}, 8, 9, 10, 11, 12, 13, 14, 15, 0, 1, 2, 3, 4, 5, 6, 7)`

function integerColumns(squaring) {
  const right = squaring ? 'a' : 'b'
  const columns = []
  const wanted = new Set()
  for (let k = 0; k < 10; k++) {
    const terms = []
    for (let i = 0; i < 10; i++) {
      const j = (k - i + 10) % 10
      if (squaring && i > j) continue
      const product = integerProduct(i, j, squaring)
      wanted.add(product.left).add(product.right)
      terms.push(product.text)
    }
    columns.push(`let c${k} = ${terms.reduce((sum, term) => `i64x2.add(${sum}, ${term})`)}`)
  }
  const out = []
  for (let k = 0; k < 5; k++) out.push(`const a${k} = ${loadLimbs('a', k)}`)
  for (let k = 0; k < 5; k++) out.push(`const b${k} = ${squaring ? `a${k}` : loadLimbs(right, k)}`)
  out.push('const nineteen = v128.load32_splat(NINETEEN)')
  for (let k = 0; k < 5; k++) {
    if (wanted.has(`a${k}x2`)) out.push(`const a${k}x2 = i32x4.shl(a${k}, 1)`)
    if (wanted.has(`a${k}x4`)) out.push(`const a${k}x4 = i32x4.shl(a${k}, 2)`)
    if (wanted.has(`b${k}s`)) out.push(`const b${k}s = ${swapHalves(`b${k}`)}`)
    if (wanted.has(`b${k}n`) || wanted.has(`b${k}ns`)) out.push(`const b${k}n = i32x4.mul(b${k}, nineteen)`)
    if (wanted.has(`b${k}ns`)) out.push(`const b${k}ns = ${swapHalves(`b${k}n`)}`)
  }
  return [...out, ...columns]
}

const addBias = () =>
  Array.from({ length: 10 }, (_, k) => `c${k} = i64x2.add(c${k}, v128.load64_splat(BIAS, ${8 * k}))`)

/** Two chains of carries side by side, 0 to 4 and 4 to 9; 9 returns to 0 times 19, and one step more settles it. */
function integerCarry() {
  const out = ['const even = v128.load64_splat(EVEN_MASK)', 'const odd = v128.load64_splat(ODD_MASK)', 'let q: v128']
  const step = (k) => {
    const [width, mask] = k % 2 === 0 ? [26, 'even'] : [25, 'odd']
    out.push(`q = i64x2.shr_u(c${k}, ${width})`, `c${k} = v128.and(c${k}, ${mask})`)
    const next = (k + 1) % 10
    out.push(`c${next} = i64x2.add(c${next}, ${k === 9 ? times19('q') : 'q'})`)
  }
  for (const k of [0, 4, 1, 5, 2, 6, 3, 7, 4, 8, 9, 0]) step(k)
  out.push('const low = v128.load64_splat(LOW_WORD)', 'const balance = v128.load64_splat(BALANCE)')
  for (let k = 0; k < 5; k++) {
    const pair = `v128.or(i64x2.shl(c${2 * k + 1}, 32), v128.and(c${2 * k}, low))`
    out.push(`v128.store(out, i32x4.sub(${pair}, balance), ${16 * k})`)
  }
  return out
}

const integerNarrow = (operation) =>
  Array.from({ length: 10 }, (_, k) => {
    const a = `v128.load(a, ${16 * k})`
    return `let c${k} = ${operation === '' ? a : `i64x2.${operation}(${a}, v128.load(b, ${16 * k}))`}`
  })

function integerConstants() {
  const rows = [
    ['NINETEEN', 'u32', [19n]],
    ['EVEN_MASK', 'u64', [(1n << 26n) - 1n]],
    ['ODD_MASK', 'u64', [(1n << 25n) - 1n]],
    ['LOW_WORD', 'u64', [(1n << 32n) - 1n]],
    ['BALANCE', 'u64', [(1n << 25n) | (1n << 56n)]],
    ['BIAS', 'u64', INTEGER_BIAS],
  ]
  return rows
    .map(([name, type, values]) => `const ${name} = memory.data<${type}>([${values.map(wrapped).join(', ')}], 16)\n`)
    .join('')
}

function integerProducts() {
  const finish = [...addBias(), ...integerCarry()]
  return [
    header('Products of two-lane elements in integers; bounds and the idea in integer.ts.'),
    integerConstants(),
    fn('out = a b. Takes 2R and R.', 'multiply', 'out: usize, a: usize, b: usize', [
      ...integerColumns(false),
      ...finish,
    ]),
    fn('out = a^2. Takes R.', 'square', 'out: usize, a: usize', [...integerColumns(true), ...finish]),
    fn('Wide out = a b. Takes 2R and R.', 'multiplyWide', 'out: usize, a: usize, b: usize', [
      ...integerColumns(false),
      ...storeColumns(10),
    ]),
    fn('Wide out = a^2. Takes R.', 'squareWide', 'out: usize, a: usize', [
      ...integerColumns(true),
      ...storeColumns(10),
    ]),
    fn('out = wide a.', 'narrow', 'out: usize, a: usize', [...integerNarrow(''), ...finish]),
    fn('out = wide a + wide b.', 'narrowSum', 'out: usize, a: usize, b: usize', [...integerNarrow('add'), ...finish]),
    fn('out = wide a - wide b.', 'narrowDifference', 'out: usize, a: usize, b: usize', [
      ...integerNarrow('sub'),
      ...finish,
    ]),
  ].join('')
}
