// The dashboards of the chart as tests and the docs need them: panels with their questions and queries.
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const FOLDER = join(import.meta.dirname, '..', '..', 'charts', 'flowtoll', 'dashboards');

export interface Panel {
  readonly title: string;
  /** The question that it answers. */
  readonly description: string;
  readonly targets: readonly { readonly expr: string }[];
}

export interface Dashboard {
  readonly file: string;
  readonly uid: string;
  readonly title: string;
  readonly description: string;
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly definition?: string }[] };
}

/** In the order in which people look at them. */
const ORDER = ['overview', 'cross-zone', 'internet', 'workload', 'health'];

export function dashboards(): Dashboard[] {
  const files = readdirSync(FOLDER).filter((file) => file.endsWith('.json'));
  const rank = (file: string) => (ORDER.indexOf(file.replace('.json', '')) + ORDER.length + 1) % (ORDER.length + 1);
  return files
    .sort((a, b) => rank(a) - rank(b) || a.localeCompare(b))
    .map((file) => ({ ...(JSON.parse(readFileSync(join(FOLDER, file), 'utf8')) as Omit<Dashboard, 'file'>), file }));
}
