// The recordings through real processes, as a user starts them: `flowtoll serve`, one `flowtoll-agent run --source replay`
// per node, `flowtoll sql`. What test/story.test.ts shows inside one process, with the command lines between.
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { AGENT_PROGRAM, AGGREGATOR_PROGRAM, Programs } from '../support/processes.ts';
import { bytesByNodeAndClass, NODES, storedBytes, TESTDATA } from '../support/recorded-traffic.ts';

let directory: string;
let programs: Programs;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'flowtoll-replay-'));
  programs = new Programs();
});
afterEach(async () => {
  await programs.killAll();
  await rm(directory, { recursive: true, force: true });
});

test('what was recorded on three nodes is in the table, once', async () => {
  const store = join(directory, 'store');
  const serve = ['serve', '--store', store, '--topology', join(TESTDATA, 'topology.yaml')];
  const aggregator = programs.start(AGGREGATOR_PROGRAM, [
    ...serve,
    ...['--listen', '127.0.0.1:0', '--commit-interval', '200ms', '--max-batch-age', 'none'],
  ]);
  const { port } = await aggregator.logged('listening');
  const agents = NODES.map((node) =>
    programs.start(AGENT_PROGRAM, [
      ...['run', '--source', 'replay', '--replay-file', join(TESTDATA, `${node}.ftct`)],
      ...['--dump-interval', '1s', '--window', '1s', '--aggregator', `127.0.0.1:${port}`],
    ]),
  );
  for (const agent of agents) {
    expect(await agent.ended()).toMatchObject({ code: 0 });
    expect(agent.complaints()).toEqual([]);
  }
  expect(await aggregator.stop()).toMatchObject({ code: 0 });
  expect(await storedBytes(programs, store)).toEqual(bytesByNodeAndClass(NODES));
});
