// Prices from end to end, in processes as users start them: `flowtoll serve --pricing`, three agents that replay what a real kernel said,
// and then rows, report, explain, report --prices and report --bill. Bytes come from independent counters (support/recorded-traffic.ts),
// rates are typed in here, and every cost is worked out again with integers.
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { exactTotal, type PrintedMonth, pico } from './bills/exact-total.ts';
import { AGENT_PROGRAM, AGGREGATOR_PROGRAM, Programs } from './support/processes.ts';
import { NODES, type RecordedClass, type Side, sidesOn, TESTDATA } from './support/recorded-traffic.ts';

/** When the kernel was recorded. */
const MONTH = '2026-11';

const CONFIG = `
version: 1
discounts:
  - { percent: "10", provider: aws, classes: [cross-zone] }
paths:
  - { name: egress, path: nat-gateway, from: { nodes: [n1] }, to: { classes: [internet] } }
privateRates:
  - { provider: aws, class: cross-region, directions: [out], usdPerUnit: "0.013", unitBytes: 1000000000 }
`;

/** No gateway, and half of what zones cost. */
const OTHER_CONFIG = `
version: 1
discounts:
  - { percent: "50", provider: aws, classes: [cross-zone] }
privateRates:
  - { provider: aws, class: cross-region, directions: [out], usdPerUnit: "0.013", unitBytes: 1000000000 }
`;

interface Rate {
  /** 1e-12 USD for so many bytes. */
  readonly pico: bigint;
  readonly bytes: bigint;
}

const GIB = 2n ** 30n;
const FREE: Rate = { pico: 0n, bytes: 1n };
/** 0.01 less a tenth. */
const ZONE: Rate = { pico: 9_000_000_000n, bytes: GIB };
const REGION: Rate = { pico: 13_000_000_000n, bytes: 1_000_000_000n };
const INTERNET: Rate = { pico: 90_000_000_000n, bytes: GIB };
const NAT: Rate = { pico: 45_000_000_000n, bytes: GIB };

const RATES: Readonly<Record<RecordedClass, { readonly out: Rate; readonly in: Rate }>> = {
  'same-node': { out: FREE, in: FREE },
  'cross-zone': { out: ZONE, in: ZONE },
  'cross-region': { out: REGION, in: FREE },
  internet: { out: INTERNET, in: FREE },
  encapsulation: { out: FREE, in: FREE },
};

interface Row {
  readonly node: string;
  readonly class: RecordedClass;
  readonly path: string | null;
  readonly peer_ip: string;
  readonly tx: number;
  readonly rx: number;
  readonly tx_usd: string;
  readonly rx_usd: string;
  readonly processing_usd: string;
  readonly basis: string;
}

const programs = new Programs();
let directory: string;
let rows: Row[];

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'flowtoll-prices-story-'));
  await writeFile(join(directory, 'pricing.yaml'), CONFIG);
  await writeFile(join(directory, 'other.yaml'), OTHER_CONFIG);
  const aggregator = programs.start(AGGREGATOR_PROGRAM, [
    ...['serve', '--store', join(directory, 'store'), '--topology', join(TESTDATA, 'topology.yaml')],
    ...['--pricing', join(directory, 'pricing.yaml'), '--listen', '127.0.0.1:0', '--metrics-listen', 'none'],
    ...['--commit-interval', '200ms', '--max-batch-age', 'none'],
  ]);
  const { port } = await aggregator.logged('listening');
  const agents = NODES.map((node) =>
    programs.start(AGENT_PROGRAM, [
      ...['run', '--source', 'replay', '--replay-file', join(TESTDATA, `${node}.ftct`)],
      ...['--dump-interval', '1s', '--window', '1s', '--aggregator', `127.0.0.1:${port}`],
    ]),
  );
  for (const agent of agents) expect(await agent.ended()).toMatchObject({ code: 0 });
  expect(await aggregator.stop()).toMatchObject({ code: 0 });
  const cost = (name: string) => `${name}_cost::VARCHAR AS ${name}_usd`;
  rows = await json<Row[]>(
    'sql',
    `SELECT node, traffic_class AS class, path, peer_ip, tx_bytes::DOUBLE AS tx, rx_bytes::DOUBLE AS rx, ${cost('tx')}, ${cost('rx')},
       ${cost('processing')}, price_basis AS basis FROM flows`,
  );
}, 360_000);
afterAll(async () => {
  await programs.killAll();
  await rm(directory, { recursive: true, force: true });
});

async function json<Result>(command: string, ...args: string[]): Promise<Result> {
  const all = [command, '--store', join(directory, 'store'), '--format', 'json', ...args];
  const { code, stdout, stderr } = await programs.run(AGGREGATOR_PROGRAM, all);
  if (code !== 0) throw new Error(`flowtoll ${command} ended with ${code}: ${stderr}`);
  return JSON.parse(stdout) as Result;
}

const pricingFile = () => join(directory, 'pricing.yaml');

/** Half-even. */
function rounded(numerator: bigint, denominator: bigint): bigint {
  const quotient = numerator / denominator;
  const twice = 2n * (numerator % denominator);
  return twice > denominator || (twice === denominator && quotient % 2n === 1n) ? quotient + 1n : quotient;
}

const costOf = (bytes: number, rate: Rate) => rounded(BigInt(bytes) * rate.pico, rate.bytes);

/** What goes through the gateway: what n1 says to the outside by IPv4. */
const isByGateway = (node: string, trafficClass: string, peer: string) =>
  node === 'n1' && trafficClass === 'internet' && !peer.includes(':');

/** What the independent counters have, with the node. */
const SIDES: readonly (Side & { readonly node: string })[] = NODES.flatMap((node) =>
  sidesOn(node).map((side) => ({ ...side, node })),
);

const bytesOf = (sides: readonly Side[]) => ({
  tx: sides.reduce((sum, { txBytes }) => sum + txBytes, 0),
  rx: sides.reduce((sum, { rxBytes }) => sum + rxBytes, 0),
});

const inClass = (name: RecordedClass) => SIDES.filter(({ trafficClass }) => trafficClass === name);
const BY_GATEWAY = SIDES.filter(({ node, trafficClass, peer }) => isByGateway(node, trafficClass, peer));

describe('rows', () => {
  test('have the costs that the configuration makes, to the last digit', () => {
    expect(rows.length).toBeGreaterThan(100);
    for (const row of rows) {
      const rate = RATES[row.class];
      const isNat = isByGateway(row.node, row.class, row.peer_ip);
      expect([row.path, row.basis]).toEqual([isNat ? 'nat-gateway' : null, 'exact']);
      expect([pico(row.tx_usd), pico(row.rx_usd), pico(row.processing_usd)]).toEqual([
        costOf(row.tx, rate.out),
        costOf(row.rx, rate.in),
        isNat ? costOf(row.tx + row.rx, NAT) : 0n,
      ]);
    }
  });

  test('have the bytes that other counters saw, also by gateway', () => {
    const natRows = rows.filter(({ path }) => path === 'nat-gateway');
    const sum = (of: (row: Row) => number) => natRows.reduce((total, row) => total + of(row), 0);
    expect({ tx: sum(({ tx }) => tx), rx: sum(({ rx }) => rx) }).toEqual(bytesOf(BY_GATEWAY));
    expect(natRows.length).toBeGreaterThan(0);
    expect(rows.some((row) => row.node === 'n1' && row.class === 'internet' && row.path === null)).toBe(true);
  });
});

test('the report has the sums of the rows, nothing unknown', async () => {
  const found = await json<{ total: Record<string, string>; groups: Record<string, string>[] }>(
    'report',
    '--by',
    'class,path',
  );
  const total = rows
    .flatMap(({ tx_usd, rx_usd, processing_usd }) => [tx_usd, rx_usd, processing_usd])
    .reduce((sum, usd) => sum + pico(usd), 0n);
  expect(pico(found.total['cost_usd']!)).toBe(total);
  expect(found.total).toMatchObject({ unpriced_bytes: 0, estimated_cost_usd: '0.000000000000' });
  expect(found.groups.map((group) => `${group['class']} ${group['path']}`).toSorted()).toEqual([
    ...['cross-region null', 'cross-zone null', 'internet nat-gateway', 'internet null', 'same-node null'],
  ]);
});

describe('explain', () => {
  interface Explained {
    readonly path: string | null;
    readonly reasons: readonly string[];
    readonly arithmetic: Record<string, unknown>;
  }
  const explain = (filter: string) => json<Explained>('explain', '--filter', filter, '--pricing', pricingFile());

  test.each([
    ['a gateway', 'path=nat-gateway', ['rule \\"egress\\" says that a nat-gateway lies between', '"0.045"']],
    ['a discount', 'class=cross-zone', ['"percent_off": "10"']],
    ['a negotiated rate', 'class=cross-region and initiator=local', ['"0.013"', '1000000000']],
  ])('says %s', async (_, filter, parts) => {
    const text = JSON.stringify(await explain(filter), null, 1);
    for (const part of parts) expect(text).toContain(part);
  });
});

test('report --prices: no gateway, and half of what zones cost', async () => {
  const found = await json<{ groups: Record<string, string>[] }>(
    ...(['report', '--by', 'class,direction', '--prices', join(directory, 'other.yaml')] as const),
  );
  const difference = (trafficClass: string, direction: string) => {
    const group = found.groups.find((each) => each['class'] === trafficClass && each['direction'] === direction);
    return group === undefined ? undefined : BigInt(group['difference_usd']!.replace('.', ''));
  };
  const near = (actual: bigint | undefined, numerator: bigint, denominator: bigint) => {
    const off = actual! - rounded(numerator, denominator);
    // A row and a sum are each off by half a unit at most.
    expect(Math.abs(Number(off))).toBeLessThanOrEqual(rows.length);
  };
  const zones = bytesOf(inClass('cross-zone'));
  // From 0.009 to 0.005.
  near(difference('cross-zone', 'tx'), BigInt(zones.tx) * -4_000_000_000n, GIB);
  near(difference('cross-zone', 'rx'), BigInt(zones.rx) * -4_000_000_000n, GIB);
  near(difference('cross-region', 'tx'), 0n, 1n);
  expect(difference('internet', 'tx')).toBeDefined();
});

test('report --bill: what the payer owes for the month, to the last digit', async () => {
  const bill = await json<PrintedMonth & { readonly rows: Record<string, string> }>(
    ...(['report', '--bill', MONTH, '--pricing', pricingFile()] as const),
  );
  const zones = bytesOf(inClass('cross-zone'));
  const region = bytesOf(inClass('cross-region'));
  const gateway = bytesOf(BY_GATEWAY);
  // A few MB to the internet are within the 100 GB that are free.
  const parts: (readonly [number, Rate])[] = [
    ...([
      [zones.tx + zones.rx, ZONE],
      [region.tx, REGION],
      [gateway.tx + gateway.rx, NAT],
    ] as const),
  ];
  const denominator = parts.reduce((product, [, rate]) => product * rate.bytes, 1n);
  const numerator = parts.reduce(
    (sum, [bytes, rate]) => sum + (BigInt(bytes) * rate.pico * denominator) / rate.bytes,
    0n,
  );
  expect(pico(exactTotal([bill]))).toBe(rounded(numerator, denominator));
  expect(JSON.stringify(bill)).toContain('"usd_per_unit":"0.013"');
  expect(bill.rows['by_prices_usd']).toMatch(/^-?0\.00000000\d{4}$/);
});
