// The store is away, and everything arrives: a tenth of the agents of `npm run test:outage` for a tenth of its time.
// Real processes; volume, memory and table are looked at from outside.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type OutageScale, runOutage } from '../outage/outage.ts';
import { faultsOf } from '../outage/verdict.ts';
import { Programs } from '../support/processes.ts';

const scale: OutageScale = {
  agents: 50,
  flows: 2000,
  outageWindows: 36,
  failures: 1,
  seed: Number(process.env['FLOWTOLL_SEED'] ?? Math.floor(Date.now() / 1000) % 1_000_000),
  // 50 agents need 50 MiB less than 500.
  residentBytesMax: 224 * 2 ** 20,
  // Shorter waits; what memory depends on is as it is by default.
  serveOptions: ['--commit-interval', '3s', '--maintain-interval', 'none'],
};

let directory: string;
let programs: Programs;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'flowtoll-outage-'));
  programs = new Programs();
});
afterEach(async () => {
  await programs.killAll();
  await rm(directory, { recursive: true, force: true });
});

test('memory stays small while the store is away and after it, and every batch arrives once and in order', async () => {
  const said: string[] = [`FLOWTOLL_SEED=${scale.seed}`];
  const report = await runOutage(scale, directory, programs, (text) => said.push(text));
  expect(faultsOf(report, scale), said.join('\n')).toEqual([]);
  expect(report.table.rows).toBeGreaterThan(scale.agents * scale.flows * (scale.outageWindows + 3));
});
