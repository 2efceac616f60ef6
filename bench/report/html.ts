/** Just enough to write HTML safely: a template that escapes what is put into it, and tables. */

/** Text that is HTML already. */
export class Markup {
  readonly text: string

  constructor(text: string) {
    this.text = text
  }
}

type Part = Markup | string | number | undefined | readonly Part[]

/** Strings put in are escaped, markup is not, lists are joined. */
export function html(strings: TemplateStringsArray, ...parts: readonly Part[]): Markup {
  return new Markup(strings.map((string, i) => `${string}${render(parts[i])}`).join(''))
}

function render(part: Part): string {
  if (part === undefined) return ''
  if (part instanceof Markup) return part.text
  if (Array.isArray(part)) return part.map(render).join('')
  return String(part).replace(/[&<>"']/g, (character) => `&#${character.codePointAt(0)};`)
}

export interface Column<Row> {
  readonly heading: string
  /** Numbers are set to the right, text to the left. */
  readonly cell: (row: Row) => string | number | Markup | undefined
}

/** A table that scrolls by itself where it is wider than the screen; its first column names the rows. */
export function table<Row>(caption: string, columns: readonly Column<Row>[], rows: readonly Row[]): Markup {
  const heads = columns.map(({ heading }) => html`<th scope="col">${heading}</th>`)
  return html`<div class="scroll" role="region" aria-label="${caption}" tabindex="0"><table>
<caption>${caption}</caption>
<thead><tr>${heads}</tr></thead>
<tbody>${rows.map((row) => html`<tr>${columns.map(({ cell }, i) => cellOf(cell(row), i === 0))}</tr>\n`)}</tbody>
</table></div>\n`
}

function cellOf(value: string | number | Markup | undefined, isFirst: boolean): Markup {
  const shown = typeof value === 'number' ? new Markup(numberText(value)) : value
  if (isFirst) return html`<th scope="row">${shown}</th>`
  return typeof value === 'number' ? html`<td class="number">${shown}</td>` : html`<td>${shown}</td>`
}

/** Whole numbers in full; others with three significant digits, or as many as stand before the point. */
export function numberText(value: number): string {
  const digits = Number.isInteger(value) ? 0 : Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))))
  return value.toLocaleString('en', {
    minimumFractionDigits: Math.min(digits, 4),
    maximumFractionDigits: Math.min(digits, 4),
  })
}
