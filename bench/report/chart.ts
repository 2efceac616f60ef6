/**
 * Line charts as SVG that stands by itself: colours come from the page's variables, so that they follow light, dark and
 * print, and every line is named at its end, so that nothing hangs on telling colours apart.
 */
import * as Plot from '@observablehq/plot'
import { parseHTML } from 'linkedom'
import { Markup } from './html.js'

export interface Point {
  readonly series: string
  readonly x: number
  readonly y: number
}

export interface Axis {
  readonly label: string
  readonly type: 'log' | 'linear'
  readonly ticks?: readonly number[]
}

export interface ChartSpec {
  /** Of the page's ids; unique in it. */
  readonly id: string
  readonly title: string
  /** What the picture shows, for those who do not see it. */
  readonly description: string
  readonly x: Axis
  readonly y: Axis
  /** Drawn in this order; a series whose name begins with ours stands out. */
  readonly points: readonly Point[]
}

const OURS = 'splitcast'
/** More of them would hide the lines. */
const MOST_DOTS = 60
const WIDTH = 480
const HEIGHT = 300
const MARGIN = { top: 24, right: 168, bottom: 44, left: 52 }
const LABEL_HEIGHT = 14
/** The page defines --series-0 and so on. */
export const SERIES_COLOURS = 8

export function chart(spec: ChartSpec): Markup {
  const { document } = parseHTML('<!doctype html><html><body></body></html>')
  const series = [...new Set(spec.points.map((point) => point.series))]
  const [low, high] = yDomain(spec)
  const figure = Plot.plot({
    document,
    ...{ width: WIDTH, height: HEIGHT, marginTop: MARGIN.top, marginRight: MARGIN.right },
    ...{ marginBottom: MARGIN.bottom, marginLeft: MARGIN.left },
    style: { fontSize: '12px', background: 'none' },
    x: scale(spec.x),
    y: { ...scale(spec.y), labelAnchor: 'top', domain: [low, high], grid: true },
    color: { domain: series, range: series.map((_, i) => `var(--series-${i % SERIES_COLOURS})`) },
    marks: [
      ...ticksOf(spec.x),
      Plot.lineY(spec.points, {
        x: 'x',
        y: 'y',
        z: 'series',
        stroke: 'series',
        strokeWidth: (d: Point) => (d.series.startsWith(OURS) ? 3 : 1.5),
      }),
      Plot.dot(spec.points.length > MOST_DOTS ? [] : spec.points, { x: 'x', y: 'y', fill: 'series', r: 2.5 }),
      Plot.text(labels(spec, [low, high]), {
        x: 'x',
        y: 'y',
        text: 'series',
        fill: 'series',
        dx: 8,
        textAnchor: 'start',
      }),
    ],
  })
  for (const [name, text] of [
    ['desc', spec.description],
    ['title', spec.title],
  ] as const) {
    const element = document.createElementNS('http://www.w3.org/2000/svg', name)
    element.setAttribute('id', `${spec.id}-${name}`)
    element.textContent = text
    figure.prepend(element)
  }
  figure.setAttribute('role', 'img')
  figure.setAttribute('aria-labelledby', `${spec.id}-title ${spec.id}-desc`)
  return new Markup(figure.outerHTML)
}

const LABELLING = { labelArrow: 'none', labelAnchor: 'center' } as const

function scale({ label, type }: Axis) {
  return { label, type, tickFormat: short, ...LABELLING }
}

/** Of a logarithmic scale's ticks Plot names only some; those given are all named. */
function ticksOf({ label, ticks }: Axis): Plot.Markish[] {
  return ticks === undefined ? [] : [Plot.axisX([...ticks], { text: short, label, ...LABELLING })]
}

/** 10,000 and more with a letter, so that labels stay narrow. */
function short(value: number): string {
  if (value >= 1e6) return `${value / 1e6}M`
  return value >= 10_000 ? `${value / 1000}k` : `${value}`
}

function yDomain({ points, y }: ChartSpec): [number, number] {
  const values = points.map((point) => point.y)
  if (y.type === 'linear') return [0, 1.05 * Math.max(...values)]
  return [10 ** Math.floor(Math.log10(Math.min(...values))), 10 ** Math.ceil(Math.log10(Math.max(...values)))]
}

/** The last point of each series, moved apart where names would stand on each other. */
export function labels(
  { points, y }: Pick<ChartSpec, 'points' | 'y'>,
  [low, high]: readonly [number, number],
): Point[] {
  const scaled = y.type === 'log' ? Math.log10 : (value: number) => value
  const back = y.type === 'log' ? (value: number) => 10 ** value : (value: number) => value
  const gap = (LABEL_HEIGHT * (scaled(high) - scaled(low))) / (HEIGHT - MARGIN.top - MARGIN.bottom)
  const right = Math.max(...points.map(({ x }) => x))
  const ends = [...new Map(points.map((point) => [point.series, point])).values()].sort((a, b) => a.y - b.y)
  const heights = ends.map((end) => scaled(end.y))
  // Up from the lowest, and down again from the top of the picture where that went beyond it.
  for (let i = 1; i < heights.length; i++) heights[i] = Math.max(heights[i] as number, (heights[i - 1] as number) + gap)
  let ceiling = scaled(high)
  for (let i = heights.length - 1; i >= 0; i--) {
    heights[i] = Math.min(heights[i] as number, ceiling)
    ceiling = (heights[i] as number) - gap
  }
  return ends.map(({ series }, i) => ({ series, x: right, y: back(heights[i] as number) }))
}
