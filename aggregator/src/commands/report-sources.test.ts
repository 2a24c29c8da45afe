// A report reads hourly sums where it can. It says the same as over `flows` alone, whatever is rolled up: here for arbitrary rows,
// commits, times of upkeep, keys, filters and periods. What differs is said: rows that are rolled up begin and end on the hour.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { FlowRow } from '../model/flow-row.ts';
import { parseRowFilter } from '../query/filter/row-filter.ts';
import { parseGroupings } from '../query/grouping.ts';
import { parseGroups } from '../query/groups/read.ts';
import { KEY_NAMES } from '../query/keys.ts';
import { createReport, type Report, type ReportOptions } from '../query/report.ts';
import { canUseHourlyRows, flowRows, hourlyRows, REMAINING_ROWS } from '../query/report-rows.ts';
import { openDirectoryStore } from '../store/directory-store.ts';
import { FLOW_COLUMNS } from '../table/columns.ts';
import { DeltaLog } from '../table/delta-log.ts';
import { arbitraryFlowRow, flowRow } from '../table/flow-row.testing.ts';
import { flowTableRoot, openFlowTable } from '../table/flow-table.ts';
import { COST_TABLE_COLUMNS } from '../table/schema.ts';
import { merge } from '../upkeep/compaction.ts';
import { maintain } from '../upkeep/maintain.ts';
import { Rewriter } from '../upkeep/rewriter.ts';
import { openTables } from './tables-source.ts';

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
const HOUR_US = 1000n * BigInt(HOUR_MS);
/** 2026-01-31T22:30:00Z. */
const BEGIN_MS = Date.UTC(2026, 0, 31, 22, 30);
const COLUMNS = COST_TABLE_COLUMNS.map(({ name }) => name);

let directory: string;
let nowMs: number;
let sequence: number;
const clock = () => nowMs;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'flowtoll-report-sources-'));
  await empty();
});
afterEach(() => rm(directory, { recursive: true, force: true }));

async function empty(): Promise<void> {
  await rm(directory, { recursive: true, force: true });
  nowMs = BEGIN_MS;
  sequence = 0;
}

async function commit(rows: readonly FlowRow[]): Promise<void> {
  const table = await openFlowTable(await openDirectoryStore(directory), { cluster: 'demo', clock });
  await table.commit([{ epoch: 'a', sequence: ++sequence }], (_, buffer) => {
    for (const row of rows) buffer.append(row);
  });
  await table.close();
}

async function upkeep(): Promise<void> {
  const options = { cluster: 'demo', clock, keepFlowsMs: 30 * DAY_MS, keepCostsMs: 400 * DAY_MS };
  await maintain(await openDirectoryStore(directory), options);
}

/** What another program does that knows nothing of roll-ups (OPTIMIZE): the files of each day become one. */
async function optimize(): Promise<void> {
  const store = await openDirectoryStore(directory);
  const log = new DeltaLog(store, flowTableRoot('demo'), clock);
  await log.refresh();
  const rewriter = await Rewriter.open(store.scratchDirectory);
  try {
    for (const [date, files] of Map.groupBy(log.files.values(), (file) => file.partitionValues['date']!)) {
      if (files.length > 1) await merge({ store, log, rewriter }, { date: date!, files }, FLOW_COLUMNS, clock);
    }
  } finally {
    rewriter.close();
  }
}

/** Over hourly sums and what they lack, and over `flows` alone. */
async function bothReports(options: ReportOptions): Promise<{ hourly: Report; flows: Report; remaining: number }> {
  const flags = { store: directory, cluster: [], cache: directory, cacheSize: 0 };
  const tables = await openTables({ flags, remark: () => undefined, withRemaining: true });
  try {
    return {
      hourly: await createReport(tables.session, options, hourlyRows(options, COLUMNS)),
      flows: await createReport(tables.session, options, flowRows(options)),
      remaining: tables.session.tables.find(({ name }) => name === REMAINING_ROWS)!.files.length,
    };
  } finally {
    await tables.close();
  }
}

/** Without the bounds of the rows: those of hours lie around those of flows, and within an hour of them. */
function figures({ firstWindowStartUs, lastWindowEndUs, ...rest }: Report) {
  return { ...rest, hasRows: firstWindowStartUs !== null && lastWindowEndUs !== null };
}

const KEYS = KEY_NAMES.filter((name) => !parseGroupings(name)[0]!.needsFlows);

const groups = parseGroups(
  'version: 1\ngroups: [{ name: named, where: namespace is not null and class!=internet }, { name: b, where: kind=node }]',
  'groups.yaml',
);

/** Rows as the pipeline makes them: no negative cost, windows that end after they begin; sums that fit. */
const rows = fc.array(
  arbitraryFlowRow.map((row): FlowRow => {
    const small = (cost: bigint | null) => (cost === null ? null : (cost < 0n ? -cost : cost) / 1000n);
    return {
      ...row,
      cluster: 'demo',
      windowEndUs: row.windowStartUs + 60_000_000,
      txCost: small(row.txCost),
      rxCost: small(row.rxCost),
      processingCost: small(row.processingCost),
    };
  }),
  { maxLength: 25 },
);

const instant = fc.option(
  fc.oneof(
    fc.integer({ min: -30, max: 30 }).map((hours) => BEGIN_MS - HOUR_MS / 2 + hours * HOUR_MS),
    fc.integer({ min: -30 * HOUR_MS, max: 30 * HOUR_MS }).map((ms) => BEGIN_MS + ms),
  ),
  { nil: undefined },
);

const story = fc.record({
  commits: fc.array(
    fc.record({
      rows,
      hoursUntilNext: fc.constantFrom(0, 0, 1, 3),
      isMaintained: fc.boolean(),
      isOptimized: fc.boolean(),
    }),
    { minLength: 1, maxLength: 5 },
  ),
  by: fc.uniqueArray(fc.constantFrom(...KEYS, 'label:team', 'group'), { minLength: 1, maxLength: 4 }),
  filter: fc.constantFrom(
    undefined,
    'class in (internet, cross-zone)',
    'label:team is not null or not (kind=pod and peer-kind != internet)',
    'group=named or (peer ~ *o* and port != 80)',
  ),
  bounds: fc.tuple(instant, instant),
  top: fc.option(fc.integer({ min: 1, max: 5 }), { nil: undefined }),
});

test('any rows, rolled up or not, any keys, any period: the same figures', async () => {
  let ofHours = 0;
  await fc.assert(
    fc.asyncProperty(story, async ({ commits, by, filter, bounds, top }) => {
      await empty();
      for (const { rows, hoursUntilNext, isMaintained, isOptimized } of commits) {
        await commit(rows);
        nowMs += hoursUntilNext * HOUR_MS;
        if (isOptimized) await optimize();
        if (isMaintained) await upkeep();
      }
      const [a, b] = bounds;
      const [sinceMs, untilMs] = a !== undefined && b !== undefined && a > b ? [b, a] : [a, b];
      const options: ReportOptions = {
        by: parseGroupings(by.join(','), groups),
        filter: filter === undefined ? undefined : parseRowFilter(filter, groups),
        ...{ sinceMs, untilMs, top },
      };
      if (!canUseHourlyRows(options)) return;
      const { hourly, flows } = await bothReports(options);
      expect(figures(hourly)).toEqual(figures(flows));
      if (flows.firstWindowStartUs !== null && flows.lastWindowEndUs !== null) {
        const early = flows.firstWindowStartUs - hourly.firstWindowStartUs!;
        const late = hourly.lastWindowEndUs! - flows.lastWindowEndUs;
        expect(early >= 0n && early < HOUR_US).toBe(true);
        // A window may end after its hour.
        expect(late > -60_000_000n && late <= HOUR_US).toBe(true);
        if (early > 0n) ofHours++;
      }
    }),
    { numRuns: 40 },
  );
  expect(ofHours).toBeGreaterThan(2);
}, 120_000);

describe('what is read', () => {
  const row = (values: Partial<FlowRow> = {}) =>
    flowRow({ windowStartUs: (nowMs - 60_000) * 1000, windowEndUs: nowMs * 1000, txBytes: 1, txCost: 5n, ...values });

  test('once an hour is rolled up only what came later is read from flows', async () => {
    for (let hour = 0; hour < 3; hour++, nowMs += HOUR_MS) await commit([row(), row({ pod: 'b' })]);
    const by = parseGroupings('class');
    const all = { by, sinceMs: undefined, untilMs: undefined, top: undefined };
    expect(await bothReports(all)).toMatchObject({ remaining: 3 });
    await upkeep();
    const { remaining, hourly, flows } = await bothReports(all);
    expect(remaining).toBe(1);
    expect(hourly.total.txBytes).toBe(6n);
    expect(figures(hourly)).toEqual(figures(flows));
  });

  test('what another program merged before it was rolled up counts once, before and after', async () => {
    for (let i = 0; i < 3; i++) await commit([row(), row({ pod: 'b' })]);
    nowMs += HOUR_MS;
    await commit([row()]);
    await upkeep();
    await commit([row()]);
    await optimize();
    const all = { by: parseGroupings('class'), sinceMs: undefined, untilMs: undefined, top: undefined };
    const before = await bothReports(all);
    expect([before.hourly.total.txBytes, before.flows.total.txBytes]).toEqual([8n, 8n]);
    nowMs += HOUR_MS;
    await commit([row()]);
    await upkeep();
    const after = await bothReports(all);
    expect([after.hourly.total.txBytes, after.flows.total.txBytes]).toEqual([9n, 9n]);
  });

  test('days that flows has no more are in the report all the same', async () => {
    await commit([row()]);
    nowMs += DAY_MS;
    await commit([row()]);
    nowMs += 40 * DAY_MS;
    await commit([row()]);
    await upkeep();
    const all = { by: parseGroupings('class'), sinceMs: undefined, untilMs: undefined, top: undefined };
    const { hourly, flows } = await bothReports(all);
    expect([hourly.total.txBytes, flows.total.txBytes]).toEqual([3n, 1n]);
  });

  for (const { by, since, until, hourly } of [
    { by: 'namespace,workload,peer,class', since: undefined, until: undefined, hourly: true },
    { by: 'label:team,day', since: '2026-01-31T10:30:00Z', until: '2026-01-31T12:00:00Z', hourly: true },
    { by: 'class', since: '2026-01-31T10:30:00Z', until: '2026-01-31T11:59:00Z', hourly: false },
    { by: 'class', since: '2026-01-31T10:00:00Z', until: '2026-01-31T11:00:00Z', hourly: true },
    { by: 'class,node', since: undefined, until: undefined, hourly: false },
    { by: 'peer-ip', since: undefined, until: undefined, hourly: false },
    { by: 'minute', since: undefined, until: undefined, hourly: false },
  ]) {
    test(`--by ${by} from ${since} to ${until}: ${hourly ? 'hourly sums' : 'flows'}`, () => {
      const ms = (text: string | undefined) => (text === undefined ? undefined : Date.parse(text));
      expect(canUseHourlyRows({ by: parseGroupings(by), sinceMs: ms(since), untilMs: ms(until) })).toBe(hourly);
    });
  }
});
