// From the command line to the printed text, on a table written by the real writer. Costs were worked out by hand.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { FlowRow } from '../model/flow-row.ts';
import { openDirectoryStore } from '../store/directory-store.ts';
import { flowRow, WINDOW_US } from '../table/flow-row.testing.ts';
import { openFlowTable } from '../table/flow-table.ts';
import { explainCommand } from './explain.ts';

const NOW_MS = Date.UTC(2026, 1, 1, 12);
const GIB = 2 ** 30;

let root: string;

const WEB: Partial<FlowRow> = {
  ...{ provider: 'aws', region: 'us-east-1', zone: 'us-east-1a', localKind: 'pod', namespace: 'shop', workload: 'web' },
  ...{ pod: 'web-1', ip: '10.0.0.1', protocol: 'tcp', port: 443, initiator: 'local' },
  ...{ priceBook: 'aws@2026-11-23', priceBasis: 'exact', rxCost: 0n, processingCost: 0n },
};

/** 2 GiB out at 0.09 = 0.18; 1 GiB between zones at 0.01; a loss. */
const ROWS: readonly FlowRow[] = [
  flowRow({
    ...WEB,
    ...{ peerKind: 'pod', peerCluster: 'demo', peerNamespace: 'shop', peerPod: 'db-1', peerIp: '10.0.0.2' },
    ...{ peerProvider: 'aws', peerRegion: 'us-east-1', peerZone: 'us-east-1b', trafficClass: 'cross-zone' },
    ...{ txBytes: GIB, rxBytes: 0, txCost: 10_000_000_000n },
  }),
  flowRow({
    ...WEB,
    ...{ peerKind: 'internet', peerIp: '93.184.216.34', trafficClass: 'internet' },
    ...{ txBytes: 2 * GIB, rxBytes: 7, txCost: 180_000_000_000n },
  }),
  flowRow({ trafficClass: 'lost', lossReason: 'vanished', windowStartUs: WINDOW_US + 60e6, priceBasis: 'none' }),
];

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'flowtoll-explain-'));
  const table = await openFlowTable(await openDirectoryStore(join(root, 'store')), {
    cluster: 'demo',
    clock: () => NOW_MS,
  });
  await table.commit([{ epoch: 'e', sequence: 1 }], (_, buffer) => {
    for (const row of ROWS) buffer.append(row);
  });
  await table.close();
  await writeFile(
    join(root, 'pricing.yaml'),
    'version: 1\npaths: [{ name: out through NAT, path: nat-gateway }]\ndiscounts: [{ percent: "50", provider: aws, classes: [internet] }]\n',
  );
});

afterAll(() => rm(root, { recursive: true }));

async function explain(...args: string[]): Promise<string> {
  let text = '';
  const output = {
    write: async (part: string) => {
      text += part;
    },
    remark: () => undefined,
  };
  const command = explainCommand(
    () => output,
    () => NOW_MS,
  ).exitOverride();
  await command.parseAsync(['--store', join(root, 'store'), ...args], { from: 'user' });
  return text;
}

async function explained(...args: string[]): Promise<ReturnType<typeof JSON.parse>> {
  return JSON.parse(await explain(...args, '--format', 'json'));
}

describe('for people', () => {
  test('the costliest row: sides, class, path, arithmetic, sources, and that the table says the same', async () => {
    const text = await explain();
    expect(text.split('\n').map((line) => line.trimEnd())).toEqual([
      'Row 1 of 3 that fit, the costliest first (--list shows them, --row picks one)',
      '',
      'window           2026-01-31 23:59 to 00:00 UTC, cluster demo, node node-a',
      'local            pod shop/web-1',
      'peer             internet 93.184.216.34',
      'connection       tcp 443, opened by the local side',
      '',
      'from             pod aws us-east-1 us-east-1a 10.0.0.1',
      'to               internet 93.184.216.34',
      'class            internet',
      '                 because the peer is a public address without a known place',
      'path             nothing that is billed by itself lies between',
      'tx_cost          0.18 USD for 2,147,483,648 B sent',
      '                   internet out, us-east-1 (tier from 0 GB): 2,147,483,648 B ÷ 1,073,741,824 B per GB × 0.09 USD = 0.18',
      'rx_cost          0.00 USD for 7 B received',
      '                   internet in, us-east-1: 7 B ÷ 1,073,741,824 B per GB × 0 USD = 0',
      'processing_cost  0.00 USD',
      'basis            exact, price book aws@2026-11-23',
      expect.stringMatching(/^sources {10}A1, 2025-06-05, official-feed-copy: https:/),
      ...Array.from({ length: text.split('\n').length - 22 }, () => expect.stringMatching(/^ {17}\S/)),
      '',
      'The table says the same.',
      '',
    ]);
  });

  test('another configuration: where the table says otherwise, and why that may be', async () => {
    const text = await explain('--pricing', join(root, 'pricing.yaml'));
    // 2 GiB × 0.09 × 50 % = 0.09; NAT: (2 GiB + 7 B) × 0.045 = 0.090000000293…
    expect(text.slice(text.indexOf('The table'))).toBe(
      `The table says otherwise:
  path             NULL, and now nat-gateway
  tx_cost          0.180000000000, and now 0.090000000000
  processing_cost  0.000000000000, and now 0.090000000293
Why that may be:
  another pricing configuration, or another version of Flowtoll (--pricing names the configuration)
  ids of zones, and addresses that the cluster uses as private ones, are not in the table: they may have decided then
`,
    );
    expect(text).toContain('because rule "out through NAT" says that a nat-gateway lies between');
  });

  test('a list to pick from', async () => {
    expect((await explain('--list', '2')).split('\n').slice(2)).toEqual([
      expect.stringMatching(
        /^ {2}1 {2}2026-01-31 23:59 {2}node-a {2}pod shop\/web-1 {2}internet 93.184.216.34 {2}tcp 443 .* \$0.1800$/,
      ),
      expect.stringMatching(/^ {2}2 .* pod shop\/db-1 .* cross-zone .* \$0.0100$/),
      '… 1 more',
      '',
    ]);
    expect(await explain('--list')).not.toContain('more');
  });
});

describe('for programs', () => {
  test('another row of those that fit', async () => {
    expect(await explained('--row', '2')).toMatchObject({
      row: 2,
      rows_that_fit: 3,
      flow: { window_start: '2026-01-31T23:59:00.000Z', peer: { kind: 'pod', pod: 'db-1' } },
      now: {
        class: 'cross-zone',
        tx_cost_usd: '0.010000000000',
        arithmetic: { tx: { terms: [{ usd_per_unit: '0.01' }] } },
      },
      stored: { traffic_class: 'cross-zone', tx_cost: '0.010000000000' },
      differences: [],
      reasons_for_differences: [],
    });
  });

  test('a filter and a period choose', async () => {
    // The loss may have been of it.
    expect(await explained('--filter', 'peer-kind=pod')).toMatchObject({ rows_that_fit: 2, flow: { port: 443 } });
    expect(await explained('--since', '2026-02-01')).toMatchObject({
      rows_that_fit: 1,
      flow: { loss_reason: 'vanished' },
      now: { class: 'lost', tx_cost_usd: null },
      differences: [],
    });
  });
});

test('what does not fit, or is not there, is said', async () => {
  await expect(explain('--filter', 'namespace=none', '--until', '2026-01-31T23:59:30')).rejects.toThrow(
    'no flow of the period fits namespace=none',
  );
  await expect(explain('--row', '4')).rejects.toThrow('3 flows fit, there is no row 4');
});
