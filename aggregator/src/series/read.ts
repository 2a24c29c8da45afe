// A file of series → sets of series. Every problem is named at once, with its place.
import { readFileSync } from 'node:fs';
import { parseText } from '../document/parse-text.ts';
import { type DocumentKind, Problems } from '../document/problems.ts';
import { FlowtollError } from '../model/errors.ts';
import { LIMIT_DEFAULT, type SeriesFile, seriesSchema } from './format.ts';
import { LABEL_NAMES, type SeriesLabel, seriesLabel } from './labels.ts';
import type { SeriesSetConfig } from './set.ts';

const SERIES_FILE: DocumentKind = { name: 'series file', code: 'SERIES_INVALID', page: 'docs/prometheus.md' };

/** Everybody has this one: there are few zones. */
const INTERZONE = {
  name: 'interzone',
  labels: ['zone', 'peer_zone'],
  measures: ['bytes', 'cost'],
  classes: ['cross-zone'],
  limit: 1000,
} satisfies SeriesFile['sets'][number];

/** What there is where nobody says something else. The dashboards of the chart ask for these. */
const DEFAULT_SETS: SeriesFile['sets'] = [
  { name: 'namespace', labels: ['namespace', 'traffic_class'], limit: 1000 },
  {
    name: 'workload',
    labels: ['namespace', 'workload', 'peer_namespace', 'peer_workload', 'traffic_class'],
    limit: 2000,
  },
];

/** Names of others: the set that everybody has, and what agents' metrics begin with. */
const TAKEN = /^(interzone$|agent(_|$))/;

/** Without a file. */
export function defaultSeries(): SeriesSetConfig[] {
  return [INTERZONE, ...DEFAULT_SETS].map((set) =>
    setConfig(
      set,
      set.labels.map((name) => seriesLabel(name)!),
    ),
  );
}

/** Reads a file of series, YAML or JSON. Throws SERIES_INVALID, listing every problem. */
export function loadSeriesFile(path: string): SeriesSetConfig[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    const advice = 'check the path and its permissions';
    throw new FlowtollError('SERIES_INVALID', `series file ${path} cannot be read: ${reason}; ${advice}`, { cause });
  }
  return parseSeries(text, path);
}

/** Parses the text of such a file; `file` names it in errors. The set of traffic between zones comes first. */
export function parseSeries(text: string, file: string): SeriesSetConfig[] {
  const problems = new Problems(SERIES_FILE);
  const raw = parseText(text, problems);
  const checked = raw && seriesSchema.safeParse(raw);
  if (checked?.success === false) problems.addIssues([], checked.error);
  const configs = seriesSets(checked?.success ? checked.data.sets : [], problems);
  problems.throwIfAny(file);
  return configs;
}

/** The sets that such a list says, that of traffic between zones first; what is wrong with it is added to the problems. */
export function seriesSets(sets: SeriesFile['sets'], problems: Pick<Problems, 'add'>): SeriesSetConfig[] {
  const configs = sets.map((set, index) => {
    checkName(set.name, index, sets, problems);
    return setConfig(set, checkLabels(set.labels, index, problems));
  });
  return [
    setConfig(
      INTERZONE,
      INTERZONE.labels.map((name) => seriesLabel(name)!),
    ),
    ...configs,
  ];
}

function setConfig(set: SeriesFile['sets'][number], labels: readonly SeriesLabel[]): SeriesSetConfig {
  return {
    name: set.name,
    labels,
    measures: set.measures ?? ['bytes', 'cost'],
    classes: set.classes && new Set(set.classes),
    limit: set.limit ?? LIMIT_DEFAULT,
  };
}

function checkName(name: string, index: number, sets: SeriesFile['sets'], problems: Pick<Problems, 'add'>): void {
  const earlier = sets.findIndex((set) => set.name === name);
  if (earlier < index) {
    problems.add(
      ['sets', index, 'name'],
      `${JSON.stringify(name)} is the name of sets[${earlier}], too: one metric would count each row twice; give another name`,
    );
  }
  if (TAKEN.test(name)) {
    problems.add(['sets', index, 'name'], `${JSON.stringify(name)} begins as other metrics do; give another name`);
  }
}

function checkLabels(texts: readonly string[], index: number, problems: Pick<Problems, 'add'>): SeriesLabel[] {
  const names = new Set<string>();
  return texts.flatMap((text, at) => {
    const label = seriesLabel(text);
    const path = ['sets', index, 'labels', at];
    if (label === undefined) {
      problems.add(path, `${JSON.stringify(text)} is none of ${LABEL_NAMES.join(', ')}, label:KEY`);
      return [];
    }
    if (names.has(label.name)) problems.add(path, `${label.name} is there twice; remove one`);
    names.add(label.name);
    return [label];
  });
}
