// `npm run test:outage`: the long test of an outage of the store, six hours of 500 agents with 2,000 flows a minute each, about
// half an hour on two cores and 10 GiB of disk. `npm run test:outage -- AGENTS MINUTES FLOWS [option of flowtoll serve …]`
// plays another one. FLOWTOLL_SEED is the traffic's. Upkeep is off unless options say otherwise: it has 384 MB of its own.
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Programs } from '../support/processes.ts';
import { runOutage } from './outage.ts';
import { faultsOf } from './verdict.ts';

const [agents = '500', outageWindows = '360', flows = '2000', ...options] = process.argv.slice(2);
const scale = {
  agents: Number(agents),
  outageWindows: Number(outageWindows),
  flows: Number(flows),
  failures: 3,
  seed: Number(process.env['FLOWTOLL_SEED'] ?? Math.floor(Date.now() / 1000) % 1_000_000),
  residentBytesMax: 256 * 2 ** 20,
  serveOptions: ['--maintain-interval', 'none', ...options],
};
const directory = mkdtempSync(join(tmpdir(), 'flowtoll-outage-'));
const programs = new Programs();
const began = performance.now();
const say = (text: string): void => console.log(`${((performance.now() - began) / 1000).toFixed(0)} s: ${text}`);

say(`FLOWTOLL_SEED=${scale.seed}, ${agents} agents, ${flows} flows a minute each, ${outageWindows} minutes`);
try {
  const report = await runOutage(scale, directory, programs, say);
  console.log(JSON.stringify(report, null, 1));
  const faults = faultsOf(report, scale);
  say(faults.length === 0 ? 'nothing is wrong' : `wrong:\n${faults.join('\n')}`);
  if (faults.length > 0) process.exitCode = 1;
} finally {
  await programs.killAll();
  rmSync(directory, { recursive: true, force: true });
}
