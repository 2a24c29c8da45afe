// The demo without a kernel that may be asked: the recordings of the three nodes, made by record.ts in the same laboratory,
// go through the same agent code into a real aggregator.
import { spawn } from 'node:child_process';
import { readdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { CLUSTER } from '../lab/cluster.ts';
import { AGENT, AGGREGATOR, storeOf, watchPart } from '../lab/product.ts';
import { topologyOf } from '../lab/topology.ts';
import { say } from './progress.ts';

/** Where the recordings are: one file per node, NODE.rec. */
export const RECORDINGS = fileURLToPath(new URL('./recordings/', import.meta.url));
const WINDOW = '10s';

/** Replays every recording; what is left is the store below `directory`. */
export async function runReplay(directory: string, clusterName: string): Promise<void> {
  const topology = join(directory, 'topology.json');
  await writeFile(topology, JSON.stringify(topologyOf(CLUSTER, clusterName)));
  const start = (name: string, argv: readonly string[]) => {
    const child = spawn(process.execPath, argv, { stdio: ['ignore', 'pipe', 'pipe'] });
    process.once('exit', () => child.kill('SIGKILL'));
    return watchPart(name, child);
  };
  const serve = [AGGREGATOR, 'serve', '--store', storeOf(directory), '--topology', topology];
  const aggregator = start('aggregator', [
    ...serve,
    '--listen',
    '127.0.0.1:0',
    '--commit-interval',
    '1s',
    '--max-batch-age',
    'none',
  ]);
  const { port } = await aggregator.logged('listening');
  for (const file of (await readdir(RECORDINGS)).filter((name) => name.endsWith('.rec')).sort()) {
    say(`replaying ${file}`);
    const source = ['--source', 'replay', '--replay-file', join(RECORDINGS, file)];
    await start(file, [AGENT, 'run', ...source, '--window', WINDOW, '--aggregator', `127.0.0.1:${port}`]).ended();
  }
  await aggregator.stop();
}
