// Filters and groups against an oracle: conditions are evaluated here row by row, on the test's own trees, and what the product
// reads as text and asks DuckDB for has to be the same rows. Each row counts 2^i connections, so a sum says which rows are in it.
import { tmpdir } from 'node:os';
import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { parseGroupings } from '../grouping.ts';
import { parseGroups } from '../groups/read.ts';
import { createReport } from '../report.ts';
import { QuerySession } from '../session.ts';
import { parseRowFilter } from './row-filter.ts';

interface Row {
  readonly isLost: boolean;
  /** Values by column of the table; labels by `label:NAME`. */
  readonly values: Readonly<Record<string, string | null>>;
  readonly port: number | null;
  readonly txBytes: number;
}

type Tree =
  | {
      readonly kind: 'compare';
      readonly column: string;
      readonly values: readonly string[];
      readonly isNegated: boolean;
    }
  | { readonly kind: 'glob'; readonly column: string; readonly glob: string; readonly isNegated: boolean }
  | { readonly kind: 'null'; readonly column: string; readonly isNegated: boolean }
  | { readonly kind: 'not'; readonly of: Tree }
  | { readonly kind: 'and' | 'or'; readonly of: readonly Tree[] };

interface Group {
  readonly name: string;
  readonly where: Tree;
}

const REST = '(rest)';

// --- The oracle.

/** True, false, or undefined: nobody knows. */
type Truth = boolean | undefined;

function isMet(tree: Tree, row: Row, groups: readonly Group[]): Truth {
  switch (tree.kind) {
    case 'not':
      return opposite(isMet(tree.of, row, groups));
    case 'and':
    case 'or': {
      const truths = tree.of.map((part) => isMet(part, row, groups));
      const decisive = tree.kind === 'or';
      if (truths.includes(decisive)) return decisive;
      return truths.includes(undefined) ? undefined : !decisive;
    }
    default: {
      const truth = tree.column === 'group' ? groupMatches(tree, row, groups) : valueMatches(tree, row);
      return tree.isNegated ? opposite(truth) : truth;
    }
  }
}

const opposite = (truth: Truth): Truth => (truth === undefined ? undefined : !truth);

type Leaf = Extract<Tree, { column: string }>;

function valueMatches(leaf: Leaf, row: Row): Truth {
  const value = valueIn(leaf.column, row);
  if (value === null) return row.isLost ? undefined : leaf.kind === 'null';
  const matches = textMatches(leaf, value);
  return row.isLost && leaf.column === 'class' && leaf.kind !== 'null' && !matches ? undefined : matches;
}

function groupMatches(leaf: Leaf, row: Row, groups: readonly Group[]): Truth {
  const answers = new Set(groupsOf(row, groups).map((name) => textMatches(leaf, name)));
  return answers.size === 1 ? [...answers][0] : undefined;
}

/** The groups that may have the row: one, but for what was lost. */
function groupsOf(row: Row, groups: readonly Group[]): string[] {
  const possible: string[] = [];
  for (const { name, where } of groups) {
    const truth = isMet(where, row, []);
    if (truth !== false) possible.push(name);
    if (truth === true) return possible;
  }
  return [...possible, REST];
}

function textMatches(leaf: Leaf, text: string): boolean {
  if (leaf.kind === 'null') return false;
  return leaf.kind === 'glob' ? globMatches([...leaf.glob], [...text]) : leaf.values.includes(text);
}

function globMatches([first, ...rest]: readonly string[], text: readonly string[]): boolean {
  if (first === undefined) return text.length === 0;
  if (first === '*')
    return globMatches(rest, text) || (text.length > 0 && globMatches([first, ...rest], text.slice(1)));
  return text.length > 0 && (first === '?' || first === text[0]) && globMatches(rest, text.slice(1));
}

function valueIn(column: string, { values, port }: Row): string | null {
  const value = (name: string): string | null => values[name] ?? null;
  switch (column) {
    case 'port':
      return port === null ? null : String(port);
    case 'class':
      return value('traffic_class');
    case 'kind':
      return value('local_kind');
    case 'workload':
      return value('workload') ?? (value('local_kind') === null ? null : `(${value('local_kind')})`);
    case 'peer': {
      const own = value('peer_workload') ?? (value('peer_kind') === null ? null : `(${value('peer_kind')})`);
      if (value('peer_workload') === null && value('peer_name') !== null) return value('peer_name');
      return own === null ? null : [value('peer_namespace'), own].filter((part) => part !== null).join('/');
    }
    default:
      return value(column.startsWith('label:') ? column : column.replaceAll('-', '_'));
  }
}

// --- Arbitrary rows, trees, and their text.

const NAMES = [
  ...[
    'shop',
    'shop/web',
    'shop-2',
    'SHOP',
    "it's",
    '"q"',
    'a b',
    'and',
    'null',
    'NOT',
    '',
    '*',
    'x*y',
    'x%y',
    'x_y',
    'xxy',
  ],
  ...[
    'a\\b',
    '\\',
    '😀',
    'x😀y',
    '(pod)',
    '(rest)',
    "'; DROP TABLE x; --",
    'a,b',
    'é',
    '10.0.0.0/8',
    'line\nline',
    '.*',
    '[a-z]',
  ],
];
const COLUMNS = [
  ...[
    'namespace',
    'workload',
    'peer',
    'zone',
    'kind',
    'class',
    'port',
    'pod',
    'peer-namespace',
    'peer-zone',
    'service',
  ],
  ...['label:team', "label:it's a key", 'label:a/b.c'],
];
const CLASSES = ['internet', 'cross-zone', 'lost', 'encapsulation', 'unknown'];
const KINDS = ['pod', 'node', 'internet'];

function valuesFor(column: string): readonly string[] {
  if (column === 'port') return ['0', '80', '443', '8443'];
  if (column === 'class') return CLASSES;
  if (column === 'kind') return KINDS;
  if (column === 'workload') return [...NAMES, '(node)'];
  if (column === 'peer') return [...NAMES, '(internet)', 'shop/shop', 'shop/(node)'];
  return NAMES;
}

const maybe = <T>(arbitrary: fc.Arbitrary<T>) => fc.option(arbitrary, { freq: 2 });
const name = maybe(fc.constantFrom(...NAMES));

const arbitraryRow: fc.Arbitrary<Row> = fc
  .record({
    isLost: fc.boolean(),
    trafficClass: fc.constantFrom('internet', 'cross-zone', 'unknown', 'encapsulation'),
    values: fc.record({
      ...{ namespace: name, workload: name, zone: name, pod: name, service: name },
      ...{ peer_namespace: name, peer_workload: name, peer_name: name, peer_zone: name },
      ...{ local_kind: maybe(fc.constantFrom(...KINDS)), peer_kind: maybe(fc.constantFrom(...KINDS)) },
      ...{ 'label:team': name, "label:it's a key": name, 'label:a/b.c': name },
    }),
    port: maybe(fc.constantFrom(0, 80, 443, 8443)),
    txBytes: fc.nat(1000),
  })
  .map(({ isLost, trafficClass, values, ...rest }) => ({
    ...{ isLost, ...rest },
    values: { ...values, traffic_class: isLost ? 'lost' : trafficClass },
  }));

function arbitraryTree(columns: readonly string[], groupNames: readonly string[]): fc.Arbitrary<Tree> {
  const leaf = fc.constantFrom(...columns).chain((column): fc.Arbitrary<Tree> => {
    const value = fc.constantFrom(...(column === 'group' ? groupNames : valuesFor(column)));
    const isNegated = fc.boolean();
    const glob = fc
      .tuple(value, fc.nat(3), fc.constantFrom('*', '?', ''), fc.nat(3))
      .map(([text, at, star, length]) => [...text].toSpliced(at, length, star).join(''));
    return fc.oneof(
      {
        weight: 3,
        arbitrary: fc.record({
          kind: fc.constant('compare' as const),
          column: fc.constant(column),
          values: fc.array(value, { minLength: 1, maxLength: 3 }),
          isNegated,
        }),
      },
      {
        weight: 2,
        arbitrary: fc.record({ kind: fc.constant('glob' as const), column: fc.constant(column), glob, isNegated }),
      },
      {
        weight: 1,
        arbitrary: fc.record({ kind: fc.constant('null' as const), column: fc.constant(column), isNegated }),
      },
    );
  });
  return fc.letrec<{ tree: Tree; leaf: Tree }>((tie) => ({
    leaf,
    tree: fc.oneof(
      { maxDepth: 3, depthIdentifier: 'tree', withCrossShrink: true },
      tie('leaf'),
      fc.record({ kind: fc.constant('not' as const), of: tie('tree') }),
      fc.record({
        kind: fc.constantFrom('and' as const, 'or' as const),
        of: fc.array(tie('tree'), { minLength: 2, maxLength: 3, depthIdentifier: 'tree' }),
      }),
    ),
  })).tree;
}

/** Text of a tree; `pick` decides among the ways to write it. */
function textOf(tree: Tree, pick: (count: number) => number): string {
  const word = (text: string) => (pick(2) === 0 ? text : text.toUpperCase());
  const space = () => [' ', '  ', '\n'][pick(3)]!;
  const inner = (part: Tree, needed: boolean) => {
    const text = textOf(part, pick);
    return needed || pick(4) === 0 ? `(${['', ' '][pick(2)]}${text})` : text;
  };
  switch (tree.kind) {
    case 'not':
      return `${word('not')} ${inner(tree.of, tree.of.kind === 'and' || tree.of.kind === 'or')}`;
    case 'and':
    case 'or':
      return tree.of
        .map((part) => inner(part, part.kind === tree.kind || (tree.kind === 'and' && part.kind === 'or')))
        .join(space() + word(tree.kind) + space());
    default: {
      const column = columnText(tree.column, pick);
      if (tree.kind === 'null')
        return `${column} ${word('is')} ${tree.isNegated ? `${word('not')} ` : ''}${word('null')}`;
      const gap = ['', ' '][pick(2)]!;
      if (tree.kind === 'glob')
        return `${column}${gap}${tree.isNegated ? '!~' : '~'}${gap}${valueText(tree.glob, pick)}`;
      const [only] = tree.values;
      if (tree.values.length === 1 && pick(3) > 0)
        return `${column}${gap}${tree.isNegated ? '!=' : '='}${gap}${valueText(only!, pick)}`;
      const list = tree.values.map((value) => valueText(value, pick)).join(`,${gap}`);
      return `${column} ${tree.isNegated ? `${word('not')} ` : ''}${word('in')}${gap}(${list})`;
    }
  }
}

function columnText(column: string, pick: (count: number) => number): string {
  if (column === "label:it's a key") return pick(2) === 0 ? `label:"it's a key"` : "label:'it''s a key'";
  if (column === 'class' && pick(2) === 0) return 'traffic_class';
  if (column === 'kind' && pick(2) === 0) return 'local_kind';
  return pick(2) === 0 && !column.startsWith('label:') ? column.replaceAll('-', '_') : column;
}

function valueText(value: string, pick: (count: number) => number): string {
  const isPlain = /^[^\s'"(),=!~<>;&|]+$/.test(value) && !/^(and|or|not|in|is|null)$/i.test(value);
  if (isPlain && pick(2) === 0) return value;
  return pick(2) === 0 ? `'${value.replaceAll("'", "''")}'` : `"${value.replaceAll('"', '""')}"`;
}

/** Numbers below `count`, the same ones for the same seed. */
function picker(seed: number): (count: number) => number {
  let state = seed;
  return (count) => {
    state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0;
    return (state >>> 16) % count;
  };
}

// --- The rows as DuckDB sees them.

const TEXT_COLUMNS = [
  ...['traffic_class', 'namespace', 'workload', 'zone', 'pod', 'service', 'local_kind'],
  ...['peer_namespace', 'peer_workload', 'peer_name', 'peer_zone', 'peer_kind'],
];
const quoted = (text: string | null) => (text === null ? 'NULL' : `'${text.replaceAll("'", "''")}'`);

function rowsStatement(rows: readonly Row[]): string {
  const statements = rows.map(({ values, port, txBytes, isLost }, i) => {
    const texts = TEXT_COLUMNS.map((column) => `${quoted(values[column] ?? null)}::VARCHAR AS ${column}`);
    const labels = Object.entries(values).filter(([key, value]) => key.startsWith('label:') && value !== null);
    const entries = labels.map(([key, value]) => `${quoted(key.slice(6))}: ${quoted(value)}`).join(', ');
    const map = labels.length === 0 ? 'NULL' : `MAP {${entries}}`;
    return `SELECT ${texts.join(', ')}, ${map}::MAP(VARCHAR, VARCHAR) AS labels, ${port ?? 'NULL'}::INTEGER AS port,
      'demo' AS cluster, NULL::VARCHAR AS path, NULL::VARCHAR AS price_basis, 'local' AS initiator,
      ${isLost ? quoted('vanished') : 'NULL'}::VARCHAR AS loss_reason,
      TIMESTAMPTZ '2026-01-31 12:00:00Z' AS window_start, TIMESTAMPTZ '2026-01-31 12:01:00Z' AS window_end,
      DATE '2026-01-31' AS date, ${txBytes}::BIGINT AS tx_bytes, 0::BIGINT AS rx_bytes, ${2 ** i}::BIGINT AS connections,
      NULL::BIGINT AS lost_bytes_max, ${txBytes}::DECIMAL(18,12) AS tx_cost, 0::DECIMAL(18,12) AS rx_cost,
      NULL::DECIMAL(18,12) AS processing_cost, NULL::VARCHAR AS direction_basis`;
  });
  return statements.join(' UNION ALL ');
}

let session: QuerySession;
beforeAll(async () => {
  session = await QuerySession.open({ tables: [], root: tmpdir() });
});
afterAll(() => session.close());

/** The rows in a sum of 2^i. */
const membersOf = (sum: bigint) => Array.from({ length: 20 }, (_, i) => i).filter((i) => (sum >> BigInt(i)) & 1n);

const arbitraryGroups = fc
  .uniqueArray(fc.constantFrom('payments', 'a b', "o'hara", '100%', 'and', '😀'), { minLength: 1, maxLength: 4 })
  .chain((names) =>
    fc.tuple(...names.map((name) => arbitraryTree(COLUMNS, []).map((where): Group => ({ name, where })))),
  );

const story = fc
  .record({ rows: fc.array(arbitraryRow, { minLength: 1, maxLength: 20 }), groups: arbitraryGroups, seed: fc.nat() })
  .chain((given) =>
    fc.record({
      ...{ rows: fc.constant(given.rows), groups: fc.constant(given.groups), seed: fc.constant(given.seed) },
      filter: arbitraryTree([...COLUMNS, 'group'], [...given.groups.map(({ name }) => name), REST]),
    }),
  );

test('any filter, groups and rows: the rows that a slow reading of each row gives', async () => {
  const seen = { kept: 0, left: 0, lostKept: 0, lostLeft: 0, grouped: 0 };
  await fc.assert(
    fc.asyncProperty(story, async ({ rows, groups, filter, seed }) => {
      const pick = picker(seed);
      const file = {
        version: 1,
        rest: REST,
        groups: groups.map(({ name, where }) => ({ name, where: textOf(where, pick) })),
      };
      const allocation = parseGroups(JSON.stringify(file), 'groups.json');
      const by = parseGroupings('group', allocation);
      const rowFilter = parseRowFilter(textOf(filter, pick), allocation);
      const options = { by, filter: rowFilter, sinceMs: undefined, untilMs: undefined, top: undefined };
      const report = await createReport(session, options, rowsStatement(rows));

      const wanted = rows.flatMap((row, i) => {
        const truth = isMet(filter, row, groups);
        return (row.isLost ? truth !== false : truth === true) ? [i] : [];
      });
      const counted = wanted.filter((i) => !['lost', 'encapsulation'].includes(rows[i]!.values['traffic_class']!));
      expect(membersOf(report.total.connections)).toEqual(counted);
      expect(report.total.txBytes).toBe(BigInt(counted.reduce((sum, i) => sum + rows[i]!.txBytes, 0)));
      expect(membersOf(report.losses[0]?.entries ?? 0n)).toEqual(wanted.filter((i) => rows[i]!.isLost));

      const expected = Object.groupBy(counted, (i) => groupsOf(rows[i]!, groups)[0]!);
      const found = report.groups.map(({ keys, connections }) => [keys[0], membersOf(connections)]);
      expect(Object.fromEntries(found)).toEqual({ ...expected });
      // Each row is in exactly one group, so the sums of the groups are the total.
      const sumOf = (measure: 'txBytes' | 'cost') =>
        report.groups.reduce((sum, group) => sum + (group[measure] ?? 0n), 0n);
      expect([sumOf('txBytes'), sumOf('cost')]).toEqual([report.total.txBytes, report.total.cost ?? 0n]);

      const lost = rows.filter(({ isLost }) => isLost).length;
      const lostKept = wanted.filter((i) => rows[i]!.isLost).length;
      seen.lostKept += lostKept;
      seen.lostLeft += lost - lostKept;
      seen.kept += wanted.length - lostKept;
      seen.left += rows.length - lost - wanted.length + lostKept;
      seen.grouped += report.groups.filter(({ keys }) => keys[0] !== REST).length;
    }),
    { numRuns: 150 },
  );
  // What was drawn has both sides of everything.
  expect(Math.min(...Object.values(seen))).toBeGreaterThan(20);
}, 120_000);

describe('bounds', () => {
  const rows = rowsStatement([
    { isLost: false, values: { namespace: 'shop', traffic_class: 'internet' }, port: null, txBytes: 1 },
  ]);
  const totalOf = async (text: string, groups?: ReturnType<typeof parseGroups>) => {
    const filter = parseRowFilter(text, groups);
    const by = parseGroupings(groups === undefined ? 'class' : 'group', groups);
    return createReport(session, { by, filter, sinceMs: undefined, untilMs: undefined, top: undefined }, rows);
  };

  test('the longest filter, and the deepest', async () => {
    const long = `${'zone=a or '.repeat(990)}namespace=shop`;
    expect((await totalOf(long)).total.connections).toBe(1n);
    const deep = `${'not ('.repeat(25)}namespace=shop${')'.repeat(25)}`;
    expect((await totalOf(deep)).total.connections).toBe(0n);
  });

  test('a hundred groups, every other one wanted', async () => {
    const groups = Array.from({ length: 100 }, (_, i) => ({
      name: `g${i}`,
      where: `namespace = n${i} and zone = z or pod = p${i}`,
    }));
    const allocation = parseGroups(JSON.stringify({ version: 1, groups }), 'groups.json');
    const odd = Array.from({ length: 50 }, (_, i) => `g${2 * i + 1}`).join(', ');
    expect((await totalOf(`group in (${odd})`, allocation)).total.connections).toBe(0n);
    const { groups: found } = await totalOf(`group not in (${odd})`, allocation);
    expect(found).toMatchObject([{ keys: ['(other)'], connections: 1n }]);
  });
});
