// Aligned text for terminals. Values come as text; control characters in them never reach the terminal.

export interface TextColumn {
  readonly title: string;
  /** `point` aligns decimal points. */
  readonly align: 'left' | 'right' | 'point';
}

/** Lines of the table: titles, rows, and after a rule the footer rows. No space at the end of a line. */
export function renderTable(
  columns: readonly TextColumn[],
  rows: readonly (readonly string[])[],
  footer: readonly (readonly string[])[] = [],
): string[] {
  const cells = [...rows, ...footer].map((row) => row.map(printable));
  // Statements, which may be somebody else's, say what titles are.
  const titles = columns.map(({ title }) => printable(title));
  const aligned = columns.map((column, i) =>
    alignColumn(
      column,
      cells.map((row) => row[i] ?? ''),
    ),
  );
  const widths = aligned.map((texts, i) => Math.max(widthOf(titles[i]!), ...texts.map(widthOf)));
  const line = (texts: readonly string[]) =>
    texts
      .map((text, i) => (columns[i]!.align === 'left' ? padEnd(text, widths[i]!) : padStart(text, widths[i]!)))
      .join('  ')
      .trimEnd();
  const lines = cells.map((_, r) => line(aligned.map((texts) => texts[r]!)));
  const rule = widths.map((width) => '─'.repeat(width)).join('  ');
  return [
    line(titles),
    rule,
    ...lines.slice(0, rows.length),
    ...(footer.length > 0 ? [rule] : []),
    ...lines.slice(rows.length),
  ];
}

function alignColumn(column: TextColumn, texts: readonly string[]): string[] {
  if (column.align !== 'point') {
    return [...texts];
  }
  const decimals = texts.map((text) => (text.includes('.') ? text.length - text.indexOf('.') : 0));
  const most = Math.max(0, ...decimals);
  return texts.map((text, i) => text + ' '.repeat(most - decimals[i]!));
}

/** The text with what would move the cursor or colour the screen spelled out. */
export function printable(text: string): string {
  return text.replace(/[\p{Cc}\p{Cf}\p{Zl}\p{Zp}]/gu, (character) => {
    return `\\u{${character.codePointAt(0)!.toString(16)}}`;
  });
}

const segmenter = new Intl.Segmenter('en', { granularity: 'grapheme' });

/** Columns that the text takes on a terminal, without regard to double-width scripts. */
function widthOf(text: string): number {
  let width = 0;
  for (const _ of segmenter.segment(text)) {
    width++;
  }
  return width;
}

function padEnd(text: string, width: number): string {
  return text + ' '.repeat(Math.max(0, width - widthOf(text)));
}

function padStart(text: string, width: number): string {
  return ' '.repeat(Math.max(0, width - widthOf(text))) + text;
}
