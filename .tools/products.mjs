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
const HALF_BIAS = FUSED_BIAS.map((value) => value / 2n)
const NO_BIAS = FUSED_BIAS.map(() => 0n)
const INTEGER_WIDTHS = Array.from({ length: 10 }, (_, k) => (k % 2 === 0 ? 26 : 25))
const INTEGER_BIAS = biasOf(INTEGER_WIDTHS, 1n << 36n)

/** The limb products of each column, the lowest first. */
function productsByColumn(limbs, squaring) {
  return Array.from({ length: 2 * limbs - 1 }, (_, k) => {
    const pairs = []
    for (let i = Math.max(0, k - limbs + 1); i <= Math.min(k, limbs - 1); i++) {
      if (!squaring || 2 * i <= k) pairs.push([i, k - i])
    }
    return [k, pairs]
  })
}

// ---- Fused multiply-add: five limbs of 51 bits, each a float; products are split exactly by rounding (see fused.ts).

/**
 * What columns 0 to 4 start with: what the bit patterns of products' halves add besides their value, taken off
 * beforehand, and `bias`. What columns 5 to 9 would start with is in it, 19 times: all sums are taken mod 2^64.
 */
function starts(squaring, bias) {
  const sums = Array(10).fill(0n)
  for (const [k, pairs] of productsByColumn(FUSED.limbs, squaring)) {
    for (const _ of pairs) {
      sums[k] -= bitsOf(FUSED.low)
      sums[k + 1] -= bitsOf(FUSED.high)
    }
  }
  return bias.map((value, k) => sums[k] + 19n * sums[k + 5] + value)
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
    ['MULTIPLY_START', starts(false, FUSED_BIAS)],
    ['MULTIPLY_TWICE_START', starts(false, HALF_BIAS)],
    ['MULTIPLY_WIDE_START', starts(false, NO_BIAS)],
    ['SQUARE_START', starts(true, FUSED_BIAS)],
    ['SQUARE_TWICE_START', starts(true, HALF_BIAS)],
    ['SQUARE_WIDE_START', starts(true, NO_BIAS)],
  ]
  const exported = new Set(['HIGH', 'LOW'])
  return rows
    .map(
      ([name, values]) =>
        `${exported.has(name) ? 'export ' : ''}const ${name} = memory.data<u64>([${values.map(wrapped).join(', ')}], 16)\n`,
    )
    .join('')
}

/**
 * A product, column after column from the lowest, as few registers hold more than one at a time and engines keep to this
 * order. A column has the upper halves of the column before (`next`) and the lower halves of its own; columns 0 to 4
 * wait in memory for what folds back from 5 to 9, and as limb k is not read past column k + 4, `out` may be an operand.
 * `end(k)` is what becomes of `c`, the column complete: one of the ends below.
 */
function fusedProduct(squaring, start, end) {
  const out = ['const high = v128.load64_splat(HIGH)', 'const both = v128.load64_splat(HIGH_AND_LOW)', ...end.before]
  out.push('let h: v128', 'let next: v128', 'let c: v128')
  const loaded = new Set()
  const load = (name) => {
    if (loaded.has(name)) return
    loaded.add(name)
    const twice = name[0] === 'd'
    if (twice) load(`a${name[1]}`)
    const limb = twice ? `f64x2.add(a${name[1]}, a${name[1]})` : `v128.load(${name[0]}, ${16 * name[1]})`
    out.push(`const ${name} = ${limb}`)
  }
  for (const [k, pairs] of productsByColumn(FUSED.limbs, squaring)) {
    const first = `v128.load64_splat(${start} + ${8 * k})`
    out.push(`c = ${k === 0 ? first : k < 5 ? `i64x2.add(next, ${first})` : 'next'}`)
    for (const [i, j] of pairs) {
      const [x, y] = squaring ? [i === j ? `a${i}` : `d${i}`, `a${j}`] : [`a${i}`, `b${j}`]
      load(x)
      load(y)
      out.push(`h = f64x2.relaxed_madd(${x}, ${y}, high)`)
      out.push(`next = ${i === pairs[0][0] ? 'h' : 'i64x2.add(next, h)'}`)
      out.push(`c = i64x2.add(c, f64x2.relaxed_madd(${x}, ${y}, f64x2.sub(both, h)))`)
    }
    out.push(...(k < 5 ? [`v128.store(COLUMNS, c, ${16 * k})`] : foldAndEnd(k - 5, 'c', end)))
  }
  return [...out, ...foldAndEnd(4, 'next', end)]
}

const foldAndEnd = (k, high, end) => [
  `c = i64x2.add(v128.load(COLUMNS, ${16 * k}), ${times19(high)})`,
  ...end.column(k),
]

const times19 = (x) => `i64x2.add(i64x2.add(${x}, i64x2.shl(${x}, 1)), i64x2.shl(${x}, 4))`

/** One round of carries in all limbs at once, then back to balanced floats. `names` are results and their columns. */
function fusedCarry(names, column) {
  const limb = (value, carry) => `f64x2.sub(v128.or(i64x2.add(${value}, ${carry}), exponent), balance)`
  return {
    before: names.flatMap(([, c]) => [
      `let ${c}Low: v128`,
      `let ${c}Carry: v128`,
      ...(c === 'c' ? [] : [`let ${c}: v128`]),
    ]),
    column: (k) => [
      ...(k > 0
        ? []
        : [
            'const mask = v128.load64_splat(LIMB_MASK)',
            'const exponent = v128.load64_splat(EXPONENT)',
            'const balance = v128.load64_splat(BALANCE)',
          ]),
      ...column(k),
      ...names.flatMap(([result, c]) => [
        k === 0
          ? `${c}Low = v128.and(${c}, mask)`
          : `v128.store(${result}, ${limb(`v128.and(${c}, mask)`, `${c}Carry`)}, ${16 * k})`,
        `${c}Carry = i64x2.shr_u(${c}, 51)`,
        ...(k === 4 ? [`v128.store(${result}, ${limb(`${c}Low`, times19(`${c}Carry`))})`] : []),
      ]),
    ],
  }
}

const wideAt = (k) => `v128.load(wide, ${16 * k})`
const both = [
  ['sum', 's'],
  ['difference', 'd'],
]
/** What becomes of a column: see the functions they end, below. */
const ends = {
  narrow: fusedCarry([['out', 'c']], () => []),
  twice: fusedCarry([['out', 'c']], () => ['c = i64x2.add(c, c)']),
  twiceLess: fusedCarry([['out', 'c']], (k) => [`c = i64x2.sub(i64x2.add(c, c), ${wideAt(k)})`]),
  wide: { before: [], column: (k) => [`v128.store(out, c, ${16 * k})`] },
  combine: fusedCarry(both, (k) => [`s = i64x2.add(c, ${wideAt(k)})`, `d = i64x2.sub(c, ${wideAt(k)})`]),
  combineWide: fusedCarry(both, (k) => [
    `s = i64x2.add(c, ${wideAt(k)})`,
    `d = i64x2.sub(c, ${wideAt(k)})`,
    `v128.store(wide, i64x2.sub(d, v128.load64_splat(BIAS + ${8 * k})), ${16 * k})`,
  ]),
}

const storeColumns = (count) => Array.from({ length: count }, (_, k) => `v128.store(out, c${k}, ${16 * k})`)

const fn = (comment, name, parameters, lines) =>
  `\n/** ${comment} */\nexport function ${name}(${parameters}): void {\n${lines.map((line) => `  ${line}\n`).join('')}}\n`

const narrowOf = (operation) => {
  const end = fusedCarry([['out', 'c']], (k) => {
    const [a, b] = ['a', 'b'].map((name) => `v128.load(${name}, ${16 * k})`)
    const value = operation === '' ? a : `i64x2.${operation}(${a}, ${b})`
    return [`c = i64x2.add(${value}, v128.load64_splat(BIAS + ${8 * k}))`]
  })
  return [...end.before, 'let c: v128', ...[0, 1, 2, 3, 4].flatMap(end.column)]
}

/** All products there are, in either build: comment, name, parameters, whether it is a square, and what it ends in. */
const PRODUCTS = [
  ['out = a b. Takes 2R and R.', 'multiply', 'out: usize, a: usize, b: usize', false, 'narrow'],
  ['out = 2 a b. Takes R.', 'multiplyTwice', 'out: usize, a: usize, b: usize', false, 'twice'],
  ['out = a^2. Takes R.', 'square', 'out: usize, a: usize', true, 'narrow'],
  ['out = 2 a^2 - wide. Takes R.', 'squareTwiceLess', 'out: usize, a: usize, wide: usize', true, 'twiceLess'],
  ['Wide out = a b. Takes 2R and R.', 'multiplyWide', 'out: usize, a: usize, b: usize', false, 'wide'],
  ['Wide out = a^2. Takes R.', 'squareWide', 'out: usize, a: usize', true, 'wide'],
  [
    'sum = a b + wide, difference = a b - wide. Takes 2R and R.',
    'multiplyCombine',
    'sum: usize, difference: usize, wide: usize, a: usize, b: usize',
    false,
    'combine',
  ],
  [
    'sum = a^2 + wide, difference = a^2 - wide, which stays in wide too. Takes R.',
    'squareCombine',
    'sum: usize, difference: usize, wide: usize, a: usize',
    true,
    'combineWide',
  ],
]

const STARTS = { narrow: '', twice: '_TWICE', twiceLess: '_TWICE', wide: '_WIDE', combine: '', combineWide: '' }

const productsWith = (body) =>
  PRODUCTS.map(([comment, name, parameters, squaring, end]) => fn(comment, name, parameters, body(squaring, end)))

const narrowsWith = (body) => [
  fn('out = wide a.', 'narrow', 'out: usize, a: usize', body('')),
  fn('out = wide a + wide b.', 'narrowSum', 'out: usize, a: usize, b: usize', body('add')),
  fn('out = wide a - wide b.', 'narrowDifference', 'out: usize, a: usize, b: usize', body('sub')),
]

function fusedProducts() {
  return [
    header('Products of two-lane elements by fused multiply-add; bounds and the idea in fused.ts.'),
    "import { PRODUCT_SCRATCH } from '../layout'\n\nconst COLUMNS: usize = PRODUCT_SCRATCH\n",
    fusedConstants(),
    ...productsWith((squaring, end) =>
      fusedProduct(squaring, `${squaring ? 'SQUARE' : 'MULTIPLY'}${STARTS[end]}_START`, ends[end]),
    ),
    ...narrowsWith(narrowOf),
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

/** Two chains of carries side by side, 0 to 4 and 4 to 9; 9 returns to 0 times 19, and one step more settles it. */
function integerCarry(result, c) {
  const out = []
  for (let k = 0; k < 10; k++) out.push(`${c}${k} = i64x2.add(${c}${k}, v128.load64_splat(BIAS + ${8 * k}))`)
  const step = (k) => {
    const [width, mask] = k % 2 === 0 ? [26, 'even'] : [25, 'odd']
    out.push(`q = i64x2.shr_u(${c}${k}, ${width})`, `${c}${k} = v128.and(${c}${k}, ${mask})`)
    const next = (k + 1) % 10
    out.push(`${c}${next} = i64x2.add(${c}${next}, ${k === 9 ? times19('q') : 'q'})`)
  }
  for (const k of [0, 4, 1, 5, 2, 6, 3, 7, 4, 8, 9, 0]) step(k)
  for (let k = 0; k < 5; k++) {
    const pair = `v128.or(i64x2.shl(${c}${2 * k + 1}, 32), v128.and(${c}${2 * k}, low))`
    out.push(`v128.store(${result}, i32x4.sub(${pair}, balance), ${16 * k})`)
  }
  return out
}

const CARRY_CONSTANTS = [
  'const even = v128.load64_splat(EVEN_MASK)',
  'const odd = v128.load64_splat(ODD_MASK)',
  'const low = v128.load64_splat(LOW_WORD)',
  'const balance = v128.load64_splat(BALANCE)',
  'let q: v128',
]

const tenColumns = (line) => Array.from({ length: 10 }, (_, k) => line(k))

/** What becomes of the columns: the ends of the other build again. */
const integerEnds = {
  narrow: [...CARRY_CONSTANTS, ...integerCarry('out', 'c')],
  twice: [...tenColumns((k) => `c${k} = i64x2.add(c${k}, c${k})`), ...CARRY_CONSTANTS, ...integerCarry('out', 'c')],
  twiceLess: [
    ...tenColumns((k) => `c${k} = i64x2.sub(i64x2.add(c${k}, c${k}), ${wideAt(k)})`),
    ...CARRY_CONSTANTS,
    ...integerCarry('out', 'c'),
  ],
  wide: storeColumns(10),
  combine: [
    ...tenColumns((k) => `let s${k} = i64x2.add(c${k}, ${wideAt(k)})`),
    ...CARRY_CONSTANTS,
    ...integerCarry('sum', 's'),
    ...tenColumns((k) => `c${k} = i64x2.sub(c${k}, ${wideAt(k)})`),
    ...integerCarry('difference', 'c'),
  ],
  combineWide: [
    ...tenColumns((k) => `let s${k} = i64x2.add(c${k}, ${wideAt(k)})`),
    ...CARRY_CONSTANTS,
    ...integerCarry('sum', 's'),
    ...tenColumns((k) => `c${k} = i64x2.sub(c${k}, ${wideAt(k)})`),
    ...tenColumns((k) => `v128.store(wide, c${k}, ${16 * k})`),
    ...integerCarry('difference', 'c'),
  ],
}

const integerNarrow = (operation) => [
  ...tenColumns((k) => {
    const a = `v128.load(a, ${16 * k})`
    return `let c${k} = ${operation === '' ? a : `i64x2.${operation}(${a}, v128.load(b, ${16 * k}))`}`
  }),
  ...integerEnds.narrow,
]

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
  return [
    header('Products of two-lane elements in integers; bounds and the idea in integer.ts.'),
    integerConstants(),
    ...productsWith((squaring, end) => [...integerColumns(squaring), ...integerEnds[end]]),
    ...narrowsWith(integerNarrow),
  ].join('')
}
