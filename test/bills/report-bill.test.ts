// Bills worked by hand, as a month of a real table: rows of two clusters on several days, priced and committed as the pipeline does, must
// make the hand-worked bill to the last digit when `flowtoll report --bill` settles them.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type ReadFlow, readPriceInput } from '@flowtoll/aggregator/billing/read-price-input.ts';
import { reportCommand } from '@flowtoll/aggregator/commands/report.ts';
import type { FlowRow } from '@flowtoll/aggregator/model/flow-row.ts';
import { createPricing } from '@flowtoll/aggregator/pricing/pricing.ts';
import { openDirectoryStore } from '@flowtoll/aggregator/store/directory-store.ts';
import { openFlowTable } from '@flowtoll/aggregator/table/flow-table.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { billInput } from './bill-input.ts';
import { exactTotal, pico } from './exact-total.ts';
import { HAND_WORKED_BILLS } from './hand-worked.ts';
import type { HandWorkedBill } from './hand-worked-bill.ts';

const NOW_MS = Date.UTC(2026, 11, 5);
/** First and last minute of the month, and one between. */
const STARTS_MS = [Date.UTC(2026, 10, 1), Date.UTC(2026, 10, 17, 12, 30), Date.UTC(2026, 10, 30, 23, 59)];
/** Rows of the months before and after are no part of it. */
const OTHER_STARTS_MS = [Date.UTC(2026, 9, 31, 23, 59), Date.UTC(2026, 11, 1)];
const CLUSTERS = ['cluster', 'second'] as const;

let directory: string;
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'flowtoll-report-bill-'));
});
afterAll(() => rm(directory, { recursive: true, force: true }));

/** Those with a month; with what was counted before, where somebody worked that out, too. */
const BILLS = HAND_WORKED_BILLS.flatMap((bill, index) => {
  const { month } = bill.expect;
  const usd = bill.alreadyThisMonthBytes === undefined ? month?.usd : month?.usdWithEarlier;
  return usd === undefined ? [] : [{ ...bill, usd, index }];
});

test('there are bills over each tier bound, with free amounts, and of every provider', () => {
  expect(BILLS.length).toBeGreaterThan(60);
  expect(
    BILLS.filter(({ alreadyThisMonthBytes }) => alreadyThisMonthBytes !== undefined).length,
  ).toBeGreaterThanOrEqual(5);
  expect(new Set(BILLS.map(({ local }) => local.provider)).size).toBe(3);
});

test.each(BILLS)('$local.provider: $name', async (bill) => {
  const { store, pricing } = await tableOf(bill, join(directory, String(bill.index)));
  const args = ['--store', store, '--bill', '2026-11', '--pricing', pricing, '--format', 'json'];
  const found = JSON.parse(await printed(args));
  expect(exactTotal([found])).toBe(bill.usd);
  const lines = found.providers.flatMap(({ lines: own }: { lines: readonly unknown[] }) => own);
  expect(Math.abs(Number(pico(found.total_usd) - pico(bill.usd)))).toBeLessThanOrEqual(lines.length / 2);
  expect(found).toMatchObject({ month: '2026-11', is_over: true, clusters: [...CLUSTERS] });
});

async function tableOf(bill: HandWorkedBill, root: string): Promise<{ store: string; pricing: string }> {
  const unnamed = () => {
    throw new Error('a bill names no files');
  };
  const input = readPriceInput(JSON.stringify(billInput(bill, 'flows')), 'bill', {
    ...{ loadBook: unnamed, loadPricing: unnamed },
  });
  const priced = input.flows.map((flow) => piecesOf(flow, createPricing({ ...input, config: flow.config })));
  const store = join(root, 'store');
  await mkdir(store, { recursive: true });
  for (const [i, cluster] of CLUSTERS.entries()) {
    const table = await openFlowTable(await openDirectoryStore(store), { cluster, clock: () => NOW_MS });
    await table.commit([{ epoch: cluster, sequence: 1 }], (_, buffer) => {
      for (const row of priced.flat().filter((_row, at) => at % CLUSTERS.length === i)) {
        const isOwnPeer = row.peerCluster === row.cluster;
        buffer.append({ ...row, cluster, peerCluster: isOwnPeer ? cluster : row.peerCluster });
      }
    });
    await table.close();
  }
  const pricing = join(root, 'pricing.json');
  await writeFile(pricing, JSON.stringify(input.flows[0]!.config));
  return { store, pricing };
}

/** The flow's bytes in rows of several days of the month, and as much again in the months beside. */
function piecesOf({ row }: ReadFlow, pricing: ReturnType<typeof createPricing>): FlowRow[] {
  const at = (startMs: number, counters: Partial<FlowRow>): FlowRow => {
    const piece = { ...row, ...counters, windowStartUs: startMs * 1000, windowEndUs: (startMs + 60_000) * 1000 };
    pricing.price(piece);
    return piece;
  };
  const share = (count: number | null, i: number) => {
    if (count === null) return null;
    const part = Math.floor(count / STARTS_MS.length);
    return i === 0 ? count - part * (STARTS_MS.length - 1) : part;
  };
  return [
    ...STARTS_MS.map((startMs, i) =>
      at(startMs, {
        ...{ txBytes: share(row.txBytes, i), txPackets: share(row.txPackets, i) },
        ...{ rxBytes: share(row.rxBytes, i), rxPackets: share(row.rxPackets, i) },
      }),
    ),
    ...OTHER_STARTS_MS.map((startMs) => at(startMs, {})),
  ];
}

async function printed(args: readonly string[]): Promise<string> {
  let text = '';
  const output = () => ({
    write: async (part: string) => {
      text += part;
    },
    remark: () => undefined,
  });
  await reportCommand(output, () => NOW_MS).parseAsync([...args], { from: 'user' });
  return text;
}
