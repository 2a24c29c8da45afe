// Counters that go on: what is kept with the position is all that the next process needs, and a slice that comes again says the same.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { FlowRow } from '../../model/flow-row.ts';
import { parseSeries } from '../../series/read.ts';
import { arbitraryFlowRow, flowRow } from '../../table/flow-row.testing.ts';
import { rowColumnsOf } from '../row-columns.testing.ts';
import { RunningSums } from './running-sums.ts';

const INTERVAL_MS = 60_000;

function sets(...texts: object[]) {
  return parseSeries(JSON.stringify({ version: 1, sets: texts }), 'test');
}
const BY_NAMESPACE = { name: 'w', labels: ['namespace'], measures: ['bytes', 'packets', 'connections', 'cost'] };

/** One slice after another, each by a process of its own. */
function deliver(
  configs: ReturnType<typeof sets>,
  slices: readonly { readonly rows: readonly FlowRow[]; readonly committedMs: number }[],
) {
  let state: string | undefined;
  return slices.map(({ rows, committedMs }) => {
    const before = state;
    const once = () => {
      const sums = new RunningSums(configs, INTERVAL_MS, before);
      sums.add(rowColumnsOf(rows));
      const closed = sums.close({ committedMs });
      return { ...closed, state: sums.state({ committedMs }) };
    };
    const first = once();
    // A crash before the position was kept: the same again.
    expect(once()).toEqual(first);
    state = first.state;
    return { times: first.times, series: first.sets.find(({ config }) => config.name === 'w')!.series };
  });
}

const shop = (values: Partial<FlowRow>): FlowRow => flowRow({ namespace: 'shop', trafficClass: 'internet', ...values });

describe('running sums', () => {
  test('go on over processes, and know what is new and since when', () => {
    const [first, second, third] = deliver(sets(BY_NAMESPACE), [
      { committedMs: 1_000_000, rows: [shop({ txBytes: 5, txCost: 7n }), shop({ txBytes: 1 })] },
      { committedMs: 1_030_000, rows: [shop({ namespace: 'data', txBytes: 3 })] },
      { committedMs: 9_000_000, rows: [shop({ txBytes: 4, txCost: 1n })] },
    ]);
    expect(first).toMatchObject({
      times: { fromMs: 940_000, atMs: 1_000_000 },
      series: [{ values: ['shop'], total: { txBytes: 6, cost: 7n }, slice: { txBytes: 6 }, sinceMs: 940_000 }],
    });
    expect(second).toMatchObject({
      times: { fromMs: 1_000_000, atMs: 1_030_000 },
      series: [
        { values: ['shop'], total: { txBytes: 6, cost: 7n }, slice: undefined, sinceMs: 940_000 },
        { values: ['data'], total: { txBytes: 3, cost: undefined }, slice: { txBytes: 3 }, sinceMs: 1_000_000 },
      ],
    });
    // What comes after hours is not said to have begun hours ago.
    expect(third!.times).toEqual({ fromMs: 8_940_000, atMs: 9_000_000 });
    expect(third!.series[0]).toMatchObject({ total: { txBytes: 10, cost: 8n }, slice: { txBytes: 4, cost: 1n } });
  });

  test('one version that is two slices has two times', () => {
    const slice = { committedMs: 1_000_000, rows: [shop({ txBytes: 1 })] };
    const [first, second] = deliver(sets(BY_NAMESPACE), [slice, slice]);
    expect(first!.times.atMs).toBe(1_000_000);
    expect(second!.times).toEqual({ fromMs: 1_000_000, atMs: 1_000_001 });
  });

  test('begin anew where the set is another one now, and only there', () => {
    const before = new RunningSums(sets(BY_NAMESPACE, { name: 'z', labels: ['zone'] }), INTERVAL_MS, undefined);
    before.add(rowColumnsOf([shop({ zone: 'a', txBytes: 5 })]));
    const state = before.state({ committedMs: 1000 });
    const after = new RunningSums(
      sets({ ...BY_NAMESPACE, labels: ['workload'] }, { name: 'z', labels: ['zone'] }),
      INTERVAL_MS,
      state,
    );
    after.add(rowColumnsOf([shop({ zone: 'a', txBytes: 1, workload: 'web' })]));
    const totals = after
      .close({ committedMs: 2000 })
      .sets.map(({ config, series }) => [config.name, series.map(({ values, total }) => [values, total.txBytes])]);
    expect(totals).toEqual([
      ['interzone', []],
      ['w', [[['web'], 1]]],
      ['z', [[['a'], 6]]],
    ]);
  });

  test('are the sums of all rows at any limit, and slices are what they grow by', () => {
    const rows = fc.array(fc.array(arbitraryFlowRow, { maxLength: 6 }), { minLength: 1, maxLength: 6 });
    fc.assert(
      fc.property(rows, fc.integer({ min: 1, max: 5 }), (slices, limit) => {
        const said = deliver(
          sets({ ...BY_NAMESPACE, labels: ['namespace', 'peer_name', 'port', 'label:a'], limit }),
          slices.map((rows, i) => ({ rows, committedMs: 1_000_000 + i })),
        );
        const costOf = (row: FlowRow) => (row.txCost ?? 0n) + (row.rxCost ?? 0n) + (row.processingCost ?? 0n);
        const counted = (rows: readonly FlowRow[]) =>
          rows
            .filter(({ trafficClass }) => !/^(lost|encapsulation)$/.test(trafficClass))
            .reduce((sum, row) => sum + costOf(row), 0n);
        let total = 0n;
        for (const [i, { series }] of said.entries()) {
          expect(series.length).toBeLessThanOrEqual(limit);
          const here = counted(slices[i]!);
          total += here;
          expect(series.reduce((sum, { total }) => sum + (total.cost ?? 0n), 0n)).toBe(total);
          expect(series.reduce((sum, { slice }) => sum + (slice?.cost ?? 0n), 0n)).toBe(here);
        }
      }),
      { numRuns: 100 },
    );
  });

  test('10,000 series are a small state', () => {
    const sums = new RunningSums(sets({ ...BY_NAMESPACE, labels: ['namespace', 'workload'] }), INTERVAL_MS, undefined);
    const rows = Array.from({ length: 10_000 }, (_, i) =>
      shop({
        namespace: `namespace-${i % 100}`,
        workload: `workload-${i}`,
        txBytes: i * 1000,
        rxBytes: i,
        txCost: 12345n,
      }),
    );
    sums.add(rowColumnsOf(rows));
    expect(sums.state({ committedMs: 1000 }).length).toBeLessThan(400_000);
  });
});
