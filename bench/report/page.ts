/** The report as one HTML file that loads nothing: text, tables and drawings, for a phone, a desk and paper. */
import type { SubjectRun } from '../subject.js'
import { anonymity } from './anonymity.js'
import { SERIES_COLOURS } from './chart.js'
import { html, Markup } from './html.js'
import { jobs, latency, throughput } from './network.js'
import { lastOf } from './rows.js'
import { type Section, sections, summary } from './sections.js'

const ALL: readonly Section[] = [
  ...sections.slice(0, 2),
  { id: 'jobs', heading: 'Workers', subject: 'jobs', body: jobs },
  { id: 'throughput', heading: 'Throughput', subject: 'throughput', body: throughput },
  { id: 'latency', heading: 'Latency', subject: 'latency', body: latency },
  { id: 'anonymity', heading: 'Anonymity', subject: 'anonymity', body: anonymity },
  ...sections.slice(2),
]

/** Dark enough on white, light enough on dark, and never the only sign of what a line is. */
const LIGHT = ['#1453b8', '#b0471b', '#1f7a4a', '#80429c', '#7a6200', '#a32a5a', '#2b7480', '#5a5a5a']
const DARK = ['#7fb2ff', '#f3a27a', '#6fd09b', '#d3a0ea', '#dcc557', '#f490b5', '#79cbd8', '#b9b9b9']

/** Of several runs of a subject the last is shown. */
export function page(runs: readonly SubjectRun[]): string {
  const shown = ALL.map((section) => ({ ...section, run: lastOf(runs, section.subject) }))
  const latest = shown.flatMap(({ run }) => (run === undefined ? [] : [run]))
  const links = shown.map(({ id, heading }) => html`<li><a href="#${id}">${heading}</a></li>`)
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<title>splitcast: measurements</title>
<style>${new Markup(STYLE)}</style>
</head>
<body>
<header>
<h1>splitcast: measurements</h1>
<p>Made by <code>npm run bench -- report</code>. Times are medians of rounds in which the contestants take turns; ratios compare
within a round, so they say more than times, which are those of one machine.</p>
<nav aria-label="Sections"><ul><li><a href="#ratios">Ratios</a></li>${links}</ul></nav>
</header>
<main>
<section id="ratios"><h2>Ratios</h2>${summary(latest)}</section>
${shown.map(sectionOf)}
</main>
</body>
</html>
`.text
}

function sectionOf({ id, heading, subject, body, run }: Section & { readonly run: SubjectRun | undefined }): Markup {
  if (run === undefined) {
    return html`<section id="${id}"><h2>${heading}</h2><p>Not part of this run: <code>npm run bench -- ${subject}</code>.</p></section>\n`
  }
  const { machine, node, v8, fieldBuild, notes } = run
  return html`<section id="${id}"><h2>${heading}</h2>
<p class="where">${machine}; Node ${node}, V8 ${v8}; core ${fieldBuild}.${notes.map((note) => ` Note: ${note}.`)}</p>
${body(run)}
</section>
`
}

function variables(colours: readonly string[]): string {
  return colours
    .slice(0, SERIES_COLOURS)
    .map((colour, i) => `--series-${i}: ${colour};`)
    .join(' ')
}

const STYLE = `
:root { color-scheme: light; --text: #1a1a1a; --page: #ffffff; --quiet: #555555; --line: #c9c9c9; --link: #1453b8; ${variables(LIGHT)} }
@media screen and (prefers-color-scheme: dark) {
  :root { color-scheme: dark; --text: #e8e8e8; --page: #16181c; --quiet: #aaaaaa; --line: #45484e; --link: #7fb2ff; ${variables(DARK)} }
}
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1rem; max-width: 62rem; font: 1rem/1.5 system-ui, sans-serif; color: var(--text); background: var(--page); }
h1 { font-size: 1.6rem; line-height: 1.2; }
h2 { margin-top: 2.5rem; font-size: 1.25rem; border-bottom: 1px solid var(--line); }
a { color: var(--link); }
nav ul { display: flex; flex-wrap: wrap; gap: 0.25rem 1rem; padding: 0; list-style: none; }
.where, figcaption, caption { color: var(--quiet); font-size: 0.875rem; }
figure { margin: 1rem 0; max-width: 40rem; }
figure svg { width: 100%; height: auto; overflow: visible; }
.scroll { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: 0.875rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding-bottom: 0.25rem; }
th, td { padding: 0.2rem 0.75rem 0.2rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
tbody th { font-weight: normal; min-width: 6rem; }
td.number { text-align: right; }
@media print {
  body { max-width: none; padding: 0; font-size: 10pt; }
  nav { display: none; }
  .scroll { overflow: visible; }
  table { font-size: 8pt; }
  figure { max-width: 12cm; }
  figure, tr, h2 { break-inside: avoid; }
  h2, caption { break-after: avoid; }
}
`
