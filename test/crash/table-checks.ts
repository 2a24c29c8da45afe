// Whether the tables of a round are sound at rest, whatever rows they hold: the logs have no gap, every reader reads the same, a
// glob over costs_hourly is right, and costs_hourly is what flows say up to the version that was rolled up. The oracle are readers
// that are not the product's, and the entries of the logs themselves.
import type { StorePlace } from '../lab/product.ts';
import type { SeaweedFs } from '../support/seaweedfs.ts';
import { type LogEntry, type Sums, type TableName, TableReaders } from '../support/table-sums.ts';

/** Differences that are told of each comparison. */
const TOLD_MAX = 5;
/** The application that says how far the roll-up got. */
const ROLL_UP = 'flowtoll-roll-up';
const TABLES: readonly TableName[] = ['flows', 'costs_hourly'];

/** What is not as it should be; empty when all is. @param at.folder of the cluster, bucket first */
export async function checkTables(at: {
  readonly server: SeaweedFs;
  readonly folder: string;
  readonly reading: StorePlace;
}): Promise<string[]> {
  const readers = await TableReaders.open(at);
  try {
    const problems: string[] = [];
    for (const table of TABLES) problems.push(...(await checkLog(readers, table)));
    // Nobody reads such a log.
    if (problems.length > 0) return problems;
    for (const table of TABLES) problems.push(...(await checkReaders(readers, table)));
    if (problems.length > 0) return problems;
    const [globbed, scanned] = [await readers.glob('costs_hourly'), await readers.deltaScan('costs_hourly')];
    problems.push(...differences('a glob over costs_hourly', globbed, 'its log', scanned));
    problems.push(...(await checkRollUp(readers)));
    return problems;
  } finally {
    readers.close();
  }
}

async function checkLog(readers: TableReaders, table: TableName): Promise<string[]> {
  const { entries, checkpoints } = await readers.log(table);
  return gaps(
    table,
    entries.map(({ version }) => version),
    checkpoints,
  );
}

async function checkReaders(readers: TableReaders, table: TableName): Promise<string[]> {
  const { entries } = await readers.log(table);
  const problems: string[] = [];
  const byDeltaRs = await readers.deltaRs(table);
  const newest = entries.at(-1)?.version;
  if (byDeltaRs.version !== newest) {
    problems.push(`${table}: delta-rs reads version ${byDeltaRs.version} of a log that ends at ${newest}`);
  }
  if (byDeltaRs.sums.length === 0) problems.push(`${table}: no rows`);
  const scanned = await readers.deltaScan(table);
  problems.push(...differences(`${table} by delta_scan`, scanned, 'delta-rs', byDeltaRs.sums));
  problems.push(...differences(`${table} by flowtoll sql`, await readers.flowtoll(table), 'delta-rs', byDeltaRs.sums));
  return problems;
}

/** Versions follow one another, from 0 or from a checkpoint on. */
function gaps(table: TableName, versions: readonly number[], checkpoints: readonly number[]): string[] {
  const [first = 0] = versions;
  const problems = versions.flatMap((version, i) =>
    version === first + i ? [] : [`${table}: the log has ${version} in the place of ${first + i}`],
  );
  if (first > 0 && !checkpoints.some((version) => version >= first && version <= versions.at(-1)!)) {
    problems.push(`${table}: the log begins at ${first} without a checkpoint`);
  }
  return problems.slice(0, TOLD_MAX);
}

async function checkRollUp(readers: TableReaders): Promise<string[]> {
  const { entries: costs, checkpoints } = await readers.log('costs_hourly');
  const newest = checkpoints.at(-1);
  const before = newest === undefined ? undefined : await readers.transaction('costs_hourly', newest, ROLL_UP);
  const rolledUp = Math.max(before ?? -1, ...costs.flatMap((entry) => actionsOf(entry)).flatMap(rolledUpVersion));
  const notRolledUp = (await readers.log('flows')).entries
    .filter(({ version }) => version > rolledUp)
    .flatMap((entry) => actionsOf(entry))
    .flatMap(({ add }) => (add?.dataChange === true ? [add.path] : []));
  const problems = rolledUp < 0 ? ['costs_hourly: nothing was rolled up'] : [];
  const [expected, found] = [await readers.hours(), await readers.hoursWith(notRolledUp)];
  return [...problems, ...differences(`costs_hourly and flows after version ${rolledUp}`, found, 'flows', expected)];
}

/** What is read of an action. */
interface Action {
  readonly add?: { readonly path: string; readonly dataChange: boolean };
  readonly txn?: { readonly appId: string; readonly version: number };
}

const actionsOf = ({ text }: LogEntry): Action[] =>
  text
    .split('\n')
    .filter(Boolean)
    .map((line) => JSON.parse(line) as Action);

const rolledUpVersion = ({ txn }: Action): number[] => (txn?.appId === ROLL_UP ? [txn.version] : []);

function differences(name: string, found: Sums, by: string, expected: Sums): string[] {
  const only = (these: Sums, those: Sums, who: string): string[] => {
    const known = new Set(those);
    return these.filter((line) => !known.has(line)).map((line) => `only ${who}: ${line}`);
  };
  const lines = [...only(found, expected, name), ...only(expected, found, by)];
  if (lines.length === 0) return [];
  return [`${name} differs from ${by} in ${lines.length} lines`, ...lines.slice(0, TOLD_MAX)];
}
