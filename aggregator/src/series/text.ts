// Series in the Prometheus text format 0.0.4. There may be a hundred thousand lines, so the text comes in pieces: whoever sends it can do
// something else between them.
import type { FlowSeries } from './flow-series.ts';
import { amountText, metricsOf } from './metrics.ts';
import type { SeriesSet } from './set.ts';

/** Characters of a piece, about. */
const PIECE = 32_768;

/** The text, in pieces. What is counted meanwhile may be in the later ones. */
export function* seriesText({ sets }: Pick<FlowSeries, 'sets'>): Generator<string> {
  let piece = '';
  for (const line of lines(sets)) {
    piece += line;
    if (piece.length >= PIECE) {
      yield piece;
      piece = '';
    }
  }
  if (piece !== '') yield piece;
}

function* lines(sets: readonly SeriesSet[]): Generator<string> {
  for (const set of sets) {
    const { name, labels, measures } = set.config;
    for (const { suffix, help, of } of metricsOf(measures)) {
      const metric = `flowtoll_${name}_${suffix}`;
      yield `# HELP ${metric} ${help}\n# TYPE ${metric} counter\n`;
      for (const [values, sums] of set.entries()) {
        const value = of(sums);
        if (value === undefined) continue;
        // An empty label is none, and says so: else a label of the target would take its place (honor_labels).
        const text = labels.map((label, i) => `${label.name}="${escaped(values[i]!)}"`).join(',');
        yield `${metric}${text === '' ? '' : `{${text}}`} ${amountText(value)}\n`;
      }
    }
  }
}

function escaped(text: string): string {
  return /[\\\n"]/.test(text) ? text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n').replaceAll('"', '\\"') : text;
}
