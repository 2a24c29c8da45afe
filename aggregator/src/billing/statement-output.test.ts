import { expect, test } from 'vitest';
import type { StatementLine } from '../pricing/settle.ts';
import { exactDecimal, shortDecimal, usdShort } from './decimal-text.ts';
import { type MonthlyStatement, statementCsv, statementJson, statementText } from './statement-output.ts';

const GIB = 2 ** 30;

/** 100 GB free, then 10,240.5 GB at 0.09: 921.645 USD. */
const LINE: StatementLine = {
  provider: 'aws',
  book: 'aws@2026-11-23',
  kind: 'transfer',
  trafficClass: 'internet',
  path: 'nat-gateway',
  service: null,
  direction: 'out',
  region: 'us-east-1',
  peerRegion: null,
  meter: 'DataTransfer-Out-Bytes',
  unit: 'GB',
  unitBytes: GIB,
  tierFrom: 0,
  allowance: null,
  usdPerUnit: '0.09',
  percentOff: '0',
  bytes: 10_995_653_148_672n,
  quantity: { numerator: 20_481n, denominator: 2n },
  amount: 921_645_000_000_000n,
  basis: 'exact',
};

const MONTHS: readonly MonthlyStatement[] = [
  {
    month: '2026-11',
    statement: {
      lines: [
        {
          ...LINE,
          tierFrom: null,
          allowance: 'internet-100-gb',
          usdPerUnit: '0',
          bytes: 107_374_182_400n,
          quantity: { numerator: 100n, denominator: 1n },
          amount: 0n,
        },
        LINE,
        {
          ...LINE,
          kind: 'processing',
          trafficClass: null,
          meter: null,
          tierFrom: null,
          usdPerUnit: '0.045',
          percentOff: '12.5',
          bytes: 1n,
          quantity: { numerator: 1n, denominator: BigInt(GIB) },
          amount: 37n,
        },
        {
          ...LINE,
          provider: 'own',
          book: null,
          trafficClass: 'cross-region',
          path: null,
          region: 'r1',
          peerRegion: 'r2',
          meter: null,
          unit: 'unit',
          unitBytes: 1_000_000_000,
          tierFrom: null,
          usdPerUnit: '0.5',
          bytes: 2_000_000_000n,
          quantity: { numerator: 2n, denominator: 1n },
          amount: 1_000_000_000_000n,
          basis: 'estimated',
        },
      ],
      total: 922_645_000_000_037n,
      assumptions: ['something was assumed'],
    },
  },
];

test('people read a table for each provider, free amounts as lines of their own, the total, and what was assumed', () => {
  expect(statementText(MONTHS)).toBe(
    `aws, 2026-11, aws@2026-11-23

WHAT                         METER                   REGION     TIER                        QUANTITY  UNIT  PRICE (USD)     OFF      AMOUNT (USD)
───────────────────────────  ──────────────────────  ─────────  ─────────────────────  ─────────────  ────  ───────────  ──────  ────────────────
internet out by nat-gateway  DataTransfer-Out-Bytes  us-east-1  free: internet-100-gb     100         GB          0                0.00
internet out by nat-gateway  DataTransfer-Out-Bytes  us-east-1  from 0 GB              10,240.5       GB          0.09           921.645
nat-gateway processing out                           us-east-1                             <0.000001  GB          0.045  12.5 %    0.000000000037
───────────────────────────  ──────────────────────  ─────────  ─────────────────────  ─────────────  ────  ───────────  ──────  ────────────────
Total                                                                                                                            921.645000000037
1 GB is 1,073,741,824 bytes.

own, 2026-11, without a price book

WHAT              REGION   QUANTITY  UNIT             PRICE (USD)  BASIS      AMOUNT (USD)
────────────────  ───────  ────────  ───────────────  ───────────  ─────────  ────────────
cross-region out  r1 → r2         2  1,000,000,000 B          0.5  estimated          1.00
────────────────  ───────  ────────  ───────────────  ───────────  ─────────  ────────────
Total                                                                                 1.00

Assumed:
  something was assumed
`,
  );
});

test('JSON has every figure exactly', () => {
  expect(JSON.parse(statementJson(MONTHS))).toMatchObject([
    {
      month: '2026-11',
      total_usd: '922.645000000037',
      providers: [
        {
          provider: 'aws',
          total_usd: '921.645000000037',
          estimated_usd: '0.000000000000',
          lines: [
            { allowance: 'internet-100-gb', tier_from: null, quantity: '100', amount_usd: '0.000000000000' },
            {
              class: 'internet',
              path: 'nat-gateway',
              meter: 'DataTransfer-Out-Bytes',
              tier_from: 0,
              bytes: 10_995_653_148_672,
              unit_bytes: GIB,
              quantity: '10240.5',
              usd_per_unit: '0.09',
              amount_usd: '921.645000000000',
            },
            { kind: 'processing', class: null, percent_off: '12.5', quantity: '0.000000000931322574615478515625' },
          ],
        },
        {
          provider: 'own',
          total_usd: '1.000000000000',
          estimated_usd: '1.000000000000',
          lines: [{ price_book: null }],
        },
      ],
      assumptions: ['something was assumed'],
    },
  ]);
});

test('CSV has a line for each line of the bills', () => {
  expect(statementCsv(MONTHS).split('\n')[2]).toBe(
    '2026-11,aws,aws@2026-11-23,transfer,internet,nat-gateway,,out,us-east-1,,DataTransfer-Out-Bytes,,0,10995653148672,GB,1073741824,10240.5,0.09,0,921.645000000000,exact',
  );
});

test('a month without traffic says so', () => {
  expect(statementText([{ month: '2026-12', statement: { lines: [], total: 0n, assumptions: [] } }])).toBe(
    '2026-12: nothing is billed.\n',
  );
});

test('decimals: exact where they end, short for people', () => {
  expect(exactDecimal({ numerator: 1n, denominator: 3n })).toBe('1/3');
  expect(exactDecimal({ numerator: 5n, denominator: 1n })).toBe('5');
  expect(shortDecimal({ numerator: 98_765_432_109n, denominator: BigInt(GIB) }, 6)).toBe('91.982477');
  expect(shortDecimal({ numerator: 1_234_567n, denominator: 1n }, 6)).toBe('1,234,567');
  expect(usdShort(84n)).toBe('0.000000000084');
  expect(usdShort(-1_234_500_000_000_000n)).toBe('-1,234.50');
});
