// Who the API server says has which address, and whether the rows of the table say the same.
import type { LabCluster } from '../lab/cluster.ts';
import { type ApiNames, nameDifferences, namedRows } from '../lab/kubernetes/names.ts';
import { table } from './progress.ts';

/** How many differences are worth reading. */
const LINES_MAX = 20;

/** Prints both; gives the number of differences. */
export async function printNames(store: string, cluster: LabCluster, names: ApiNames): Promise<number> {
  const rows = await namedRows(store);
  const count = (has: (row: (typeof rows)[number]) => boolean): string =>
    String(rows.filter(has).reduce((sum, row) => sum + row.rows, 0));
  const text = (value: string | null): string => value ?? '-';
  table(
    ['address', 'namespace', 'pod', 'workload', 'node', 'zone', 'rows'],
    [...names.sides]
      .map(([address, { namespace, pod, workloadKind, workload, node, zone }]) => [
        ...[address, text(namespace), text(pod), workload === null ? '-' : `${workloadKind} ${workload}`],
        ...[text(node), text(zone), count(({ ip, peerIp }) => ip === address || peerIp === address)],
      ])
      .sort((a, b) => `${a[4]} ${a[2]}`.localeCompare(`${b[4]} ${b[2]}`)),
  );
  process.stdout.write('\n');
  table(
    ['service', 'addresses', 'rows through it'],
    names.services
      .map(({ name, addresses }) => [name, addresses.join(', '), count(({ service }) => service === name)])
      .filter(([, , rowCount]) => rowCount !== '0'),
  );
  const differences = nameDifferences(cluster, names, rows);
  const all = count(() => true);
  process.stdout.write(
    differences.length === 0
      ? `\n  Both sides of all ${all} rows have the names that the API server has, and so have the services.\n`
      : `\n  ${differences.length} names differ:\n${differences
          .slice(0, LINES_MAX)
          .map((line) => `  ${line}\n`)
          .join('')}`,
  );
  return differences.length;
}
