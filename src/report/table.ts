/** A table of texts; numbers are formatted by whoever fills it. */
export interface Table {
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly string[])[];
}

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
  /** Where a terminal is narrow, these cells are cut short, with `…` in the middle. */
  readonly shrink?: true;
}

export type TableFormat = 'text' | 'markdown' | 'csv';

const RENDER = { text: asText, markdown: asMarkdown, csv: asCsv } as const satisfies Record<
  TableFormat,
  (table: Table, width?: number) => string
>;

/** Fewest characters that a cell is cut to. */
const LEAST_WIDTH = 10;

/**
 * Renders a table: aligned text with a rule below the titles, GitHub markdown, or CSV (RFC 4180). Ends without a newline.
 * @param width columns of a terminal that text should fit into; undefined: as wide as the table is
 */
export function renderTable(table: Table, format: TableFormat = 'text', width?: number): string {
  return RENDER[format](table, width);
}

/** Characters as a terminal counts them: one per code point (tables hold no wide or combining ones). */
function width(text: string): number {
  return [...text].length;
}

function widths(table: Table): number[] {
  return table.columns.map((column, i) =>
    Math.max(width(column.title), ...table.rows.map((row) => width(row[i] ?? ''))),
  );
}

function pad(text: string, to: number, align: Column['align']): string {
  const space = ' '.repeat(to - width(text));
  return align === 'right' ? space + text : text + space;
}

/** Takes what is too much from the widest columns that may shrink, a character at a time. */
function fitted(table: Table, sizes: readonly number[], terminal: number): number[] {
  const fit = [...sizes];
  let over = fit.reduce((sum, n) => sum + n, 0) + 2 * (fit.length - 1) - terminal;
  for (; over > 0; over--) {
    let widest = -1;
    for (const [i, column] of table.columns.entries())
      if (column.shrink && fit[i] > LEAST_WIDTH && fit[i] > (fit[widest] ?? 0)) widest = i;
    if (widest < 0) break;
    fit[widest]--;
  }
  return fit;
}

function cut(text: string, to: number): string {
  const characters = [...text];
  if (characters.length <= to) return text;
  const end = Math.floor((to - 1) / 2);
  return `${characters.slice(0, to - 1 - end).join('')}…${characters.slice(characters.length - end).join('')}`;
}

function asText(table: Table, terminal?: number): string {
  const size = terminal === undefined ? widths(table) : fitted(table, widths(table), terminal);
  const line = (cells: readonly string[]): string =>
    table.columns
      .map((column, i) => pad(cut(cells[i] ?? '', size[i]), size[i], column.align))
      .join('  ')
      .trimEnd();
  return [
    line(table.columns.map((c) => c.title)),
    size.map((n) => '─'.repeat(n)).join('  '),
    ...table.rows.map(line),
  ].join('\n');
}

function asMarkdown(table: Table): string {
  const safe = (cell: string): string => cell.replaceAll('|', '\\|').replaceAll('\n', '<br>');
  const escaped = {
    columns: table.columns.map((c) => ({ ...c, title: safe(c.title) })),
    rows: table.rows.map((row) => row.map(safe)),
  };
  const size = widths(escaped).map((n) => Math.max(n, 3));
  const line = (cells: readonly string[]): string =>
    `| ${escaped.columns.map((c, i) => pad(cells[i] ?? '', size[i], c.align)).join(' | ')} |`;
  return [
    line(escaped.columns.map((c) => c.title)),
    `| ${escaped.columns.map((c, i) => (c.align === 'right' ? `${'-'.repeat(size[i] - 1)}:` : '-'.repeat(size[i]))).join(' | ')} |`,
    ...escaped.rows.map(line),
  ].join('\n');
}

function asCsv(table: Table): string {
  const cell = (text: string): string => (/[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text);
  return [table.columns.map((c) => c.title), ...table.rows].map((row) => row.map(cell).join(',')).join('\n');
}
