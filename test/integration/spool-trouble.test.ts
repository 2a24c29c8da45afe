// An agent in trouble: its disk, its spool, its clock. Real traffic, a real kernel; each trouble has a message and a metric, and
// the table is what the independent counters say, but for what a loss names.
import { cp, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { pathToFileURL } from 'node:url';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { since, type Tally } from '../lab/counters.ts';
import { expectedFlows } from '../lab/expected.ts';
import { expectedRows, type RowSums, rowDifferences } from '../lab/expected-rows.ts';
import { createLab, type Lab } from '../lab/lab.ts';
import { planTraffic } from '../lab/plan.ts';
import { AGENT, type Part, sql, startAggregator, watchPart } from '../lab/product.ts';
import { createRandom } from '../lab/random.ts';
import { tableRows as allRows, losses } from '../lab/table-rows.ts';
import { MANAGEMENT_ADDRESS } from '../lab/wiring.ts';
import { empty, fill, Mounts, remount } from '../support/mounts.ts';

const NODE = 'n1';
const CLOCK = pathToFileURL(join(import.meta.dirname, '..', 'support', 'jumping-clock.ts')).href;
const HOUR_MS = 3_600_000;
const PATIENCE_MS = 90_000;
const random = createRandom(Number(process.env['FLOWTOLL_SEED'] ?? 77));

let lab: Lab;
let directory: string;
let spool: string;
let clockFile: string;
let mounts: Mounts;
let before: Tally[];
const parts: Part[] = [];

beforeAll(async () => {
  lab = await createLab({ timeouts: 'long', accounting: [NODE] });
});
afterAll(() => lab?.close());
beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'flowtoll-spool-trouble-'));
  spool = join(directory, 'spool');
  clockFile = join(directory, 'clock');
  await writeFile(clockFile, '0');
  mounts = new Mounts();
  before = await lab.settledTallies();
});
afterEach(async () => {
  await Promise.all(parts.splice(0).map((part) => part.kill().catch(() => undefined)));
  mounts.unmountAll();
  await rm(directory, { recursive: true, force: true });
});

async function startAgent(): Promise<Part> {
  const command = [
    ...[
      process.execPath,
      '--import',
      CLOCK,
      AGENT,
      'run',
      '--node',
      NODE,
      '--aggregator',
      `${MANAGEMENT_ADDRESS}:4460`,
      '--insecure',
    ],
    ...['--spool', spool, '--state', join(directory, 'state'), '--drain-timeout', '3s'],
    ...['--dump-interval', '300ms', '--window', '600ms'],
  ];
  const env = { ...process.env, FLOWTOLL_TEST_CLOCK: clockFile };
  const part = watchPart('agent', lab.spawn(NODE, command, { env }));
  parts.push(part);
  await part.logged('baseline taken');
  return part;
}

async function startTheAggregator(): Promise<Part> {
  const part = await startAggregator(lab, { directory, clusterName: 'lab', commitInterval: '300ms' });
  parts.push(part);
  return part;
}

/** Some traffic between two pods of the node. */
async function traffic(): Promise<void> {
  const planned = planTraffic(lab.cluster, random, { count: 20, spreadMs: 400, paths: ['same-node'] });
  // No connection has to idle here.
  const brief = (exchanges: (typeof planned)[number]['exchanges']) => exchanges.map((one) => ({ ...one, pauseMs: 50 }));
  const plan = planned.map((connection) => ({ ...connection, exchanges: brief(connection.exchanges) }));
  expect((await lab.run(plan)).filter(({ error }) => error !== undefined)).toEqual([]);
  // On a busy machine a last answer comes late; an agent that ended before has not seen it.
  await lab.settledTallies();
}

/** The value of a metric; undefined where there is none. */
async function metric(host: string, port: number, name: string): Promise<number | undefined> {
  const program = `process.stdout.write(await (await fetch('http://127.0.0.1:${port}/metrics')).text())`;
  const text = await lab.exec(host, [process.execPath, '--input-type=module', '--eval', program]);
  const line = text.split('\n').find((one) => one.startsWith(`${name} `));
  return line === undefined ? undefined : Number(line.slice(name.length + 1));
}
const agentMetric = (name: string): Promise<number | undefined> => metric(NODE, 9465, `flowtoll_agent_${name}`);

/** Asks until the metric is as wanted. */
async function metricBecomes(name: string, wanted: number, ask = agentMetric): Promise<void> {
  const deadline = performance.now() + PATIENCE_MS;
  for (;;) {
    const value = await ask(name);
    if (value === wanted) return;
    if (performance.now() > deadline) expect(value, name).toBe(wanted);
    await delay(100);
  }
}

/** What the counters counted since some tallies, as rows. */
const counted = async (from: readonly Tally[]): Promise<Map<string, RowSums>> =>
  expectedRows(lab.cluster, expectedFlows(lab.cluster, since(await lab.settledTallies(), from)));

/** The table's rows, without those of this test's own questions to /metrics. */
async function tableRows(): Promise<Map<string, RowSums>> {
  return new Map([...(await allRows(directory))].filter(([key]) => !key.includes('127.0.0.1')));
}

async function expectExact(from = before): Promise<void> {
  const expected = await counted(from);
  expect(expected.size, 'keys compared').toBeGreaterThan(2);
  expect(rowDifferences(expected, await tableRows())).toEqual([]);
}

const bytesOf = (rows: ReadonlyMap<string, RowSums>): number =>
  [...rows.values()].reduce((sum, { txBytes, rxBytes }) => sum + txBytes + rxBytes, 0);

/** Files of batches in the spool. */
async function batchFiles(): Promise<string[]> {
  const names = await readdir(spool, { recursive: true });
  return names
    .filter((name) => name.endsWith('.batch'))
    .sort()
    .map((name) => join(spool, name));
}

describe('the disk', () => {
  test('is full for a while: batches wait in memory', async () => {
    mounts.small(spool, 1 << 20);
    await startTheAggregator();
    const agent = await startAgent();
    fill(spool, 0);
    await traffic();
    await agent.logged('the spool cannot be written: batches wait in memory');
    await metricBecomes('spool_failing', 1);
    empty(spool);
    await agent.logged('the spool can be written again');
    await metricBecomes('spool_failing', 0);
    await traffic();
    await agent.stop();
    await expectExact();
    expect(await losses(directory)).toEqual([]);
  });

  test('is read-only when the agent starts: it counts all the same, and the next agent counts nothing twice', async () => {
    mounts.small(spool, 1 << 20);
    await startTheAggregator();
    const first = await startAgent();
    await traffic();
    await first.kill();
    remount(spool, 'ro');
    const second = await startAgent();
    await second.logged('the spool cannot be written: batches wait in memory. Mend the disk and start the agent again');
    expect(await agentMetric('spool_failing')).toBe(1);
    const sinceSecond = await lab.settledTallies();
    await traffic();
    await second.stop();
    remount(spool, 'rw');
    const third = await startAgent();
    expect(await agentMetric('spool_failing')).toBe(0);
    const sinceThird = await lab.settledTallies();
    await traffic();
    await third.stop();
    // What the first had not spooled is not known; nothing is in the table that was not there, and the rest is whole.
    const table = await tableRows();
    const certain = bytesOf(await counted(sinceThird)) + bytesOf(await countedBetween(sinceSecond, sinceThird));
    expect(bytesOf(table)).toBeGreaterThanOrEqual(certain);
    expect(bytesOf(table)).toBeLessThanOrEqual(bytesOf(await counted(before)));
    expect(await losses(directory)).toMatchObject([{ loss_reason: 'agent-away', bytes: null }]);
  });
});

async function countedBetween(from: readonly Tally[], to: readonly Tally[]): Promise<Map<string, RowSums>> {
  return expectedRows(lab.cluster, expectedFlows(lab.cluster, since([...to], [...from])));
}

describe('the spool', () => {
  test('holds a damaged batch: a loss takes its number, and the rest arrives', async () => {
    const first = await startAgent();
    // Nobody acknowledges: how many windows the traffic falls into is a matter of the clock, so there is more of it until
    // there are batches besides the one that is damaged.
    do await traffic();
    while ((await batchFiles()).length < 4);
    await first.stop();
    const files = await batchFiles();
    // The largest holds flows for certain.
    const sizes = await Promise.all(files.map(async (file) => (await readFile(file)).length));
    const damaged = files[sizes.indexOf(Math.max(...sizes))]!;
    const bytes = await readFile(damaged);
    bytes[bytes.length >> 1]! ^= 1;
    await writeFile(damaged, bytes);
    await startTheAggregator();
    const second = await startAgent();
    await second.logged('a batch in the spool is damaged; it is reported as a loss');
    await metricBecomes('batches_lost_total{reason="damaged"}', 1);
    await second.stop();
    const missing = bytesOf(await counted(before)) - bytesOf(await tableRows());
    expect(missing).toBeGreaterThan(0);
    const found = (await losses(directory)) as { loss_reason: string; bytes: unknown }[];
    expect(found.filter(({ loss_reason }) => loss_reason !== 'agent-away')).toMatchObject([
      { loss_reason: 'spool-damaged', bytes: null },
    ]);
  });

  test('was written by a later version: that waits for it, and the agent counts on', async () => {
    const first = await startAgent();
    await traffic();
    await first.stop();
    const files = await batchFiles();
    const version = async (digit: string): Promise<void> => {
      for (const file of files) {
        const bytes = await readFile(file);
        bytes[3] = digit.charCodeAt(0);
        await writeFile(file, bytes);
      }
    };
    await version('2');
    await startTheAggregator();
    const second = await startAgent();
    const sinceSecond = await lab.settledTallies();
    expect(second.complaints.join('\n')).toContain('a later version of the agent left batches in the spool');
    expect(await agentMetric('epochs_set_aside')).toBe(1);
    await traffic();
    await second.stop();
    await expectExact(sinceSecond);
    // The later version is back, and finds what it left.
    await version('1');
    const third = await startAgent();
    await metricBecomes('old_epochs', 0);
    expect(await agentMetric('epochs_set_aside')).toBe(0);
    await third.stop();
    await expectExact();
    for (const loss of await losses(directory)) expect(loss).toMatchObject({ loss_reason: 'agent-away', bytes: null });
  });

  test('is an older copy of itself: no number is given twice', async () => {
    await startTheAggregator();
    const first = await startAgent();
    await traffic();
    await first.stop();
    const [epoch] = (await readdir(spool)).filter((name) => name.includes('.'));
    const copy = join(directory, 'copy');
    await cp(join(spool, epoch!), copy, { recursive: true });
    const second = await startAgent();
    await traffic();
    await second.stop();
    await expectExact();
    // The disk as a whole is set back: the folder's own identity with it.
    await rm(join(spool, epoch!), { recursive: true });
    await cp(copy, join(spool, epoch!), { recursive: true });
    const third = await startAgent();
    await third.logged(
      'the accounting of the agent before cannot be gone on from: what it had not spooled is not known',
    );
    await metricBecomes('old_epochs', 0);
    await traffic();
    await third.stop();
    await expectExact();
    const epochs = (await readdir(spool)).filter((name) => name.includes('.'));
    expect(epochs).toHaveLength(1);
    expect(epochs, 'what the copy held is sent, and a new epoch has begun').not.toContain(epoch);
    for (const loss of await losses(directory)) expect(loss).toMatchObject({ loss_reason: 'agent-away', bytes: null });
  });
});

describe('the clock', () => {
  test.each([
    ['forward', HOUR_MS],
    ['back', -HOUR_MS],
  ])('jumps an hour %s: bytes stay whole, and windows where they belong', async (_, jumpMs) => {
    const began = Date.now();
    await startTheAggregator();
    const agent = await startAgent();
    await traffic();
    await writeFile(clockFile, String(jumpMs));
    await traffic();
    await agent.logged('the clock was set; the aggregator learns how it stands now');
    expect(await agentMetric('clock_jumps_total')).toBe(1);
    // It says so before the aggregator has answered.
    const minutes = async (name: string) => Math.round((await agentMetric(name))! / 60);
    await metricBecomes('clock_offset_seconds', jumpMs / 60_000, minutes);
    expect(await metric('management', 9464, 'flowtoll_agent_clock_offsets_large_total')).toBe(1);
    await agent.stop();
    await expectExact();
    const [span] = await sql<{ first: number; last: number }>(
      directory,
      'SELECT epoch_ms(min(window_start)) AS first, epoch_ms(max(window_end)) AS last FROM flows',
    );
    expect(Number(span!.first)).toBeGreaterThan(began - 5000);
    expect(Number(span!.last)).toBeLessThan(Date.now() + 2000);
  });
});
