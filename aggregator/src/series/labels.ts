// What a label of a series says of a row: a column of `flows`, or a label of the local pod. A label without a value is an empty text,
// which is no label to Prometheus. Knows columns and rows; knows no limits.
import type { FlowRow } from '../model/flow-row.ts';
import { FLOW_COLUMNS } from '../table/columns.ts';

/** One label of a set. */
export interface SeriesLabel {
  /** As Prometheus has it. */
  readonly name: string;
  /** Column of `flows` that it is read from. */
  readonly column: string;
  /** Its value; empty where the row has none. */
  of(row: FlowRow): string;
}

/** Texts of pod labels that are kept parsed; there are as many as workloads, about. */
const PARSED_MAX = 4096;
const POD_LABEL = 'label:';
const NO_LABELS: Readonly<Record<string, string>> = {};

/** The label that this text asks for; undefined when there is no such column. */
export function seriesLabel(text: string): SeriesLabel | undefined {
  if (text.startsWith(POD_LABEL) && text.length > POD_LABEL.length) return podLabel(text.slice(POD_LABEL.length));
  if (text === 'port') return { name: text, column: text, of: ({ port }) => (port === null ? '' : String(port)) };
  const column = FLOW_COLUMNS.find(({ name }) => name === text);
  if (column?.type !== 'text') return undefined;
  return { name: text, column: text, of: (row) => column.of(row) ?? '' };
}

/** For messages. */
export const LABEL_NAMES: readonly string[] = [
  ...FLOW_COLUMNS.filter(({ type }) => type === 'text').map(({ name }) => name),
  'port',
];

function podLabel(key: string): SeriesLabel {
  const parsed = new Map<string, Readonly<Record<string, string>>>();
  return {
    name: `label_${key.replaceAll(/[^a-zA-Z0-9_]/g, '_')}`,
    column: 'labels',
    of({ labels }) {
      if (labels === null) return '';
      let values = parsed.get(labels);
      if (values === undefined) {
        if (parsed.size >= PARSED_MAX) parsed.clear();
        values = { ...NO_LABELS, ...(JSON.parse(labels) as Record<string, string>) };
        parsed.set(labels, values);
      }
      return Object.hasOwn(values, key) ? values[key]! : '';
    },
  };
}
