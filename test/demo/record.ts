// Makes the recordings that the demo replays where it may not make namespaces: `node test/demo/record.ts` as root. Run it
// again when the recording format changes.
import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { CLUSTER } from '../lab/cluster.ts';
import { createLab } from '../lab/lab.ts';
import { AGENT, watchPart } from '../lab/product.ts';
import { createRandom } from '../lab/random.ts';
import { say } from './progress.ts';
import { RECORDINGS } from './replay.ts';
import { planRound } from './traffic.ts';

const ROUNDS = 2;

const lab = await createLab({ offloads: 'default', smallWindows: false, timeouts: 'short' });
try {
  await mkdir(RECORDINGS, { recursive: true });
  const recorders = await Promise.all(
    CLUSTER.nodes.map(async ({ name }) => {
      const output = join(RECORDINGS, `${name}.rec`);
      await rm(output, { force: true });
      const record = [AGENT, 'record', '--node', name, '--output', output, '--dump-interval', '2s'];
      const part = watchPart(`recorder of ${name}`, lab.spawn(name, [process.execPath, ...record]));
      await part.logged('baseline taken');
      return part;
    }),
  );
  const random = createRandom(1);
  for (let round = 0; round < ROUNDS; round++) {
    const results = await lab.run(planRound(lab.cluster, random, round));
    say(`round ${round}: ${results.length} connections, ${results.filter((result) => result.error).length} failed`);
  }
  await lab.settledTallies();
  await Promise.all(recorders.map((recorder) => recorder.stop()));
} finally {
  lab.close();
}
