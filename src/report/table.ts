/** A table of texts; numbers are formatted by whoever fills it. */
export interface Table {
  readonly columns: readonly Column[];
  readonly rows: readonly (readonly string[])[];
}

export interface Column {
  readonly title: string;
  readonly align?: 'left' | 'right';
}

export type TableFormat = 'text' | 'markdown' | 'csv';

const RENDER = { text: asText, markdown: asMarkdown, csv: asCsv } as const satisfies Record<
  TableFormat,
  (table: Table) => string
>;

/** Renders a table: aligned text with a rule below the titles, GitHub markdown, or CSV (RFC 4180). Ends without a newline. */
export function renderTable(table: Table, format: TableFormat = 'text'): string {
  return RENDER[format](table);
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

function asText(table: Table): string {
  const size = widths(table);
  const line = (cells: readonly string[]): string =>
    table.columns
      .map((column, i) => pad(cells[i] ?? '', size[i], column.align))
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
