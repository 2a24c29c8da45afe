// The sums are compared with a plain loop over the same rows; the text is read back by a reader of the format's grammar.
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import type { FlowRow } from '../model/flow-row.ts';
import { arbitraryFlowRow, flowRow } from '../table/flow-row.testing.ts';
import { createFlowSeries } from './flow-series.ts';
import { amountText } from './metrics.ts';
import { defaultSeries, parseSeries } from './read.ts';
import { seriesText } from './text.ts';

const SAMPLE = /^([a-z_]+)\{((?:[a-z_]+="(?:[^"\\\n]|\\[\\n"])*",?)*)\} (\S+)$/;

interface Sample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  /** As it stands there. */
  readonly value: string;
}

function parse(text: string): Sample[] {
  return text
    .trimEnd()
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const match = SAMPLE.exec(line);
      if (match === null) throw new Error(`no sample: ${line}`);
      const labels = [...match[2]!.matchAll(/([a-z_]+)="((?:[^"\\]|\\.)*)"/g)].map(([, name, value]) => [
        name!,
        value!.replaceAll(/\\(.)/g, (_, escaped: string) => (escaped === 'n' ? '\n' : escaped)),
      ]);
      return { name: match[1]!, labels: Object.fromEntries(labels), value: match[3]! };
    });
}

/** "1.25" → 1250000000000. */
function pico(text: string): bigint {
  const [, sign, whole, decimals = ''] = /^(-?)(\d+)(?:\.(\d{1,12}))?$/.exec(text) ?? [];
  if (whole === undefined) throw new Error(`no amount: ${text}`);
  return BigInt(`${sign}${whole}${decimals.padEnd(12, '0')}`);
}

function setsOf(...sets: object[]) {
  return createFlowSeries(parseSeries(JSON.stringify({ version: 1, sets }), 'test'));
}

function commit(series: ReturnType<typeof createFlowSeries>, rows: readonly FlowRow[]): void {
  const pending = series.begin();
  for (const row of rows) pending.add(row);
  pending.commit();
}

const samplesOf = (series: ReturnType<typeof createFlowSeries>): Sample[] => parse([...seriesText(series)].join(''));

const sumOf = (samples: readonly Sample[], name: string): bigint =>
  samples.filter((sample) => sample.name === name).reduce((sum, { value }) => sum + pico(value), 0n);

const ALL = ['bytes', 'packets', 'connections', 'cost'];
const web = (values: Partial<FlowRow>): FlowRow =>
  flowRow({ namespace: 'shop', workload: 'web', trafficClass: 'internet', txBytes: 1, rxBytes: 2, ...values });

describe('series of rows', () => {
  test('are summed by their labels; what has no value has no label, and money is exact', () => {
    const series = setsOf({ name: 'w', labels: ['namespace', 'peer_zone', 'label:app.x/y'], measures: ALL });
    const labels = '{"app.x/y":"a\\"b"}';
    commit(series, [
      web({ txPackets: 3, rxPackets: 4, connections: 5, txCost: 1n, rxCost: 0n, processingCost: 0n, labels }),
      web({ txCost: 10n ** 12n, rxCost: null, processingCost: 0n, labels }),
      web({ peerZone: 'a', txCost: null, rxCost: null, processingCost: 0n }),
    ]);
    const first = { namespace: 'shop', peer_zone: '', label_app_x_y: 'a"b' };
    const second = { namespace: 'shop', peer_zone: 'a', label_app_x_y: '' };
    expect(samplesOf(series)).toEqual([
      { name: 'flowtoll_w_tx_bytes_total', labels: first, value: '2' },
      { name: 'flowtoll_w_tx_bytes_total', labels: second, value: '1' },
      { name: 'flowtoll_w_rx_bytes_total', labels: first, value: '4' },
      { name: 'flowtoll_w_rx_bytes_total', labels: second, value: '2' },
      { name: 'flowtoll_w_tx_packets_total', labels: first, value: '3' },
      { name: 'flowtoll_w_tx_packets_total', labels: second, value: '0' },
      { name: 'flowtoll_w_rx_packets_total', labels: first, value: '4' },
      { name: 'flowtoll_w_rx_packets_total', labels: second, value: '0' },
      { name: 'flowtoll_w_connections_total', labels: first, value: '5' },
      { name: 'flowtoll_w_connections_total', labels: second, value: '0' },
      { name: 'flowtoll_w_cost_usd_total', labels: first, value: '1.000000000001' },
      { name: 'flowtoll_w_unpriced_bytes_total', labels: first, value: '2' },
      { name: 'flowtoll_w_unpriced_bytes_total', labels: second, value: '3' },
    ]);
  });

  test('hold what was committed, each batch once, and nothing else', () => {
    const series = setsOf({ name: 'w', labels: ['namespace'] });
    const lost = series.begin();
    lost.add(web({}));
    const won = series.begin();
    won.add(web({}));
    won.commit();
    won.commit();
    expect(sumOf(samplesOf(series), 'flowtoll_w_tx_bytes_total')).toBe(pico('1'));
  });

  test('leave out what reports leave out, and take what a set asks for', () => {
    const series = setsOf({ name: 'a', labels: [], classes: ['encapsulation'] }, { name: 'b', labels: ['namespace'] });
    commit(series, [web({ trafficClass: 'lost' }), web({ trafficClass: 'encapsulation' }), web({})]);
    expect([...seriesText(series)].join('')).toContain('\nflowtoll_a_tx_bytes_total 1\n');
    expect([...seriesText(series)].join('')).toContain('\nflowtoll_b_tx_bytes_total{namespace="shop"} 1\n');
  });

  test('between zones are there for everybody', () => {
    const series = createFlowSeries(defaultSeries());
    commit(series, [
      web({ trafficClass: 'cross-zone', zone: 'a', peerZone: 'b', txBytes: 7 }),
      web({ trafficClass: 'same-zone', zone: 'a', peerZone: 'a' }),
    ]);
    expect(samplesOf(series).filter(({ name }) => name === 'flowtoll_interzone_tx_bytes_total')).toEqual([
      { name: 'flowtoll_interzone_tx_bytes_total', labels: { zone: 'a', peer_zone: 'b' }, value: '7' },
    ]);
  });

  test('stay under the limit, and the sum of all, other included, is that of the rows', () => {
    const rows = fc.array(fc.array(arbitraryFlowRow, { maxLength: 8 }), { maxLength: 8 });
    fc.assert(
      fc.property(rows, fc.integer({ min: 1, max: 6 }), (batches, limit) => {
        const series = setsOf({ name: 'w', labels: ['namespace', 'peer_name'], measures: ALL, limit });
        for (const batch of batches) commit(series, batch);
        const counted = batches.flat().filter(({ trafficClass }) => !/^(lost|encapsulation)$/.test(trafficClass));
        const samples = samplesOf(series).filter(({ name }) => name.startsWith('flowtoll_w_'));
        const byName = Map.groupBy(samples, ({ name }) => name);
        for (const [name, some] of byName) {
          expect(some.length, name).toBeLessThanOrEqual(limit);
          const distinct = new Set(some.map(({ labels }) => JSON.stringify(labels)));
          expect(distinct.size, name).toBe(some.length);
        }
        const cost = counted.reduce((s, r) => s + (r.txCost ?? 0n) + (r.rxCost ?? 0n) + (r.processingCost ?? 0n), 0n);
        expect(sumOf(samples, 'flowtoll_w_cost_usd_total')).toBe(cost);
        const tx = counted.reduce((sum, { txBytes }) => sum + (txBytes ?? 0), 0);
        if (tx <= Number.MAX_SAFE_INTEGER) {
          expect(sumOf(samples, 'flowtoll_w_tx_bytes_total')).toBe(BigInt(tx) * 10n ** 12n);
        }
      }),
      { numRuns: 200 },
    );
  });

  test('of 100,000 workloads take bounded memory', () => {
    const series = createFlowSeries(defaultSeries());
    const row = web({ peerNamespace: 'data', txCost: 1n, rxCost: 0n, processingCost: 0n });
    let rows = 0;
    for (let node = 0; node < 100; node++) {
      const pending = series.begin();
      for (let i = 0; i < 1000; i++, rows++) {
        pending.add({ ...row, workload: `workload-${node}-${i}`, peerWorkload: `peer-${i}` });
      }
      pending.commit();
    }
    const samples = samplesOf(series);
    const ofWorkloads = samples.filter(({ name }) => name === 'flowtoll_workload_tx_bytes_total');
    expect(ofWorkloads).toHaveLength(2000);
    expect(sumOf(ofWorkloads, 'flowtoll_workload_tx_bytes_total')).toBe(pico(String(rows)));
    expect(ofWorkloads.filter(({ labels }) => labels['workload'] === 'other')).toMatchObject([
      { value: String(rows - 1999), labels: { namespace: 'other', traffic_class: 'other' } },
    ]);
    expect(sumOf(samples, 'flowtoll_workload_cost_usd_total')).toBe(BigInt(rows));
    expect(series.sets.find(({ config }) => config.name === 'workload')).toMatchObject({
      size: 2000,
      overflows: rows - 1999,
    });
  });
});

describe('amounts as text', () => {
  test.each([
    [0, '0'],
    [2 ** 53 - 1, '9007199254740991'],
    [0n, '0'],
    [1n, '0.000000000001'],
    [1_500_000_000_000n, '1.5'],
    [-1n, '-0.000000000001'],
    [123_456_789_000_000_000_001n, '123456789.000000000001'],
  ])('%s is %s', (value, text) => {
    expect(amountText(value)).toBe(text);
  });
});

describe('a file of series', () => {
  const read = (sets: readonly object[]) => () => parseSeries(JSON.stringify({ version: 1, sets }), 'series.yaml');

  test('says everything that is wrong, and where', () => {
    expect(
      read([
        { name: 'a', labels: ['nmespace', 'zone', 'zone'] },
        { name: 'a', labels: ['tx_bytes'] },
        { name: 'interzone', labels: ['label:'] },
      ]),
    ).toThrow(
      /series file series\.yaml has 6 problems:\n {2}sets\[0\]\.labels\[0\]: "nmespace" is none of cluster, .*\n {2}sets\[0\]\.labels\[2\]: zone is there twice.*\n {2}sets\[1\]\.name: "a" is the name of sets\[0\].*\n {2}sets\[1\]\.labels\[0\]: "tx_bytes".*\n {2}sets\[2\]\.name: .*\n {2}sets\[2\]\.labels\[0\]/,
    );
    expect(read([{ name: 'A b', labels: [], limit: 0, measures: [] }])).toThrow(/has 3 problems/);
  });

  test('may have no sets: what is between zones stays', () => {
    expect(read([])().map(({ name }) => name)).toEqual(['interzone']);
  });
});
