// Metrics as lists of what there is and how it is read, in the Prometheus text format 0.0.4
// (prometheus.io/docs/instrumenting/exposition_formats). Values are read when somebody asks: what counts, counts anyway.
import { Histogram } from './histogram.ts';

/** One metric of a process. `S` is what all of its metrics are read from. */
export interface Metric<S> {
  /** With the unit in it; counters end in "_total". */
  readonly name: string;
  readonly type: 'counter' | 'gauge' | 'histogram';
  /** What one is, in words: "bytes", "seconds", "batches". */
  readonly unit: string;
  /** One sentence. */
  readonly help: string;
  /** Name of the label, where there is one; several: keys are their values, joined by LABEL_SEPARATOR. */
  readonly label?: string | readonly string[];
  /** The value now: a number for each value of the label where there is one; undefined where it is not known. */
  readonly read: (
    source: S,
  ) => number | undefined | ReadonlyMap<string, number> | Readonly<Record<string, number>> | Histogram;
}

/** Between the values of several labels; it is in no value. */
export const LABEL_SEPARATOR = '\n';

/** Content type of `metricsText`. */
export const METRICS_CONTENT_TYPE = 'text/plain; version=0.0.4; charset=utf-8';

/** The metrics as text. */
export function metricsText<S>(metrics: readonly Metric<S>[], source: S): string {
  return metrics.map((metric) => oneMetric(metric, source)).join('');
}

/** The metrics as a table in Markdown. */
export function metricsTable(metrics: readonly Metric<never>[]): string {
  const rows = metrics.map(({ name, type, unit, help, label }) => {
    const labelled = label === undefined ? `\`${name}\`` : `\`${name}{${namesOf(label).join(', ')}}\``;
    return `| ${labelled} | ${type} | ${unit} | ${help} |`;
  });
  return ['| metric | type | unit | meaning |', '|---|---|---|---|', ...rows, ''].join('\n');
}

/** Of the process itself; the names are the ones that every client library uses. */
export const PROCESS_METRICS: readonly Metric<unknown>[] = [
  {
    name: 'process_cpu_seconds_total',
    type: 'counter',
    unit: 'seconds',
    help: 'CPU time of the process, user and system.',
    read: () => {
      const { user, system } = process.cpuUsage();
      return (user + system) / 1e6;
    },
  },
  {
    name: 'process_resident_memory_bytes',
    type: 'gauge',
    unit: 'bytes',
    help: 'Memory of the process that is in RAM.',
    read: () => process.memoryUsage.rss(),
  },
  {
    name: 'process_start_time_seconds',
    type: 'gauge',
    unit: 'seconds',
    help: 'When the process began, seconds since the Unix epoch.',
    read: () => performance.timeOrigin / 1000,
  },
];

function oneMetric<S>({ name, type, help, label, read }: Metric<S>, source: S): string {
  const value = read(source);
  if (value === undefined) return '';
  const head = `# HELP ${name} ${escapeHelp(help)}\n# TYPE ${name} ${type}\n`;
  if (typeof value === 'number') return `${head}${name} ${numberText(value)}\n`;
  if (value instanceof Histogram) return head + histogramLines(name, value);
  const entries = value instanceof Map ? [...value] : Object.entries(value);
  const names = namesOf(label!);
  return head + entries.map(([key, count]) => `${name}{${labelsText(names, key)}} ${numberText(count)}\n`).join('');
}

function namesOf(label: string | readonly string[]): readonly string[] {
  return typeof label === 'string' ? [label] : label;
}

function labelsText(names: readonly string[], key: string): string {
  const values = names.length === 1 ? [key] : key.split(LABEL_SEPARATOR);
  return names.map((name, i) => `${name}="${escapeLabel(values[i] ?? '')}"`).join(',');
}

function histogramLines(name: string, { bounds, counts, sum }: Histogram): string {
  let cumulative = 0;
  const lines = [...bounds, Number.POSITIVE_INFINITY].map((bound, i) => {
    cumulative += counts[i]!;
    return `${name}_bucket{le="${numberText(bound)}"} ${cumulative}\n`;
  });
  return `${lines.join('')}${name}_sum ${numberText(sum)}\n${name}_count ${cumulative}\n`;
}

function numberText(value: number): string {
  if (value === Number.POSITIVE_INFINITY) return '+Inf';
  return value === Number.NEGATIVE_INFINITY ? '-Inf' : String(value);
}

function escapeHelp(text: string): string {
  return text.replaceAll('\\', '\\\\').replaceAll('\n', '\\n');
}

function escapeLabel(text: string): string {
  return escapeHelp(text).replaceAll('"', '\\"');
}
