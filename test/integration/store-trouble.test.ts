// A store that fails while the aggregator runs: agents' batches wait, and when it works again everything is in the table,
// once. Real processes, a real file system without room; what must be in the table, independent counters say.
import { mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { empty, fill, Mounts, remount } from '../support/mounts.ts';
import { AGENT_PROGRAM, AGGREGATOR_PROGRAM, type LogLine, Programs, type Running } from '../support/processes.ts';
import { bytesByNodeAndClass, type NodeName, storedBytes, TESTDATA } from '../support/recorded-traffic.ts';

const ROOM_BYTES = 512 * 1024;
const COMMIT_FAILED = 'commit failed; batches are kept and it is tried again';

let directory: string;
let store: string;
let programs: Programs;
let mounts: Mounts;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'flowtoll-trouble-'));
  store = join(directory, 'store');
  programs = new Programs();
  mounts = new Mounts();
  mounts.small(store, ROOM_BYTES);
});
afterEach(async () => {
  await programs.killAll();
  mounts.unmountAll();
  await rm(directory, { recursive: true, force: true });
});

interface Trouble {
  readonly name: string;
  readonly begin: () => void;
  readonly end: () => void;
  /** In the message of the failed commit. */
  readonly says: RegExp;
  /** Whose recording is replayed meanwhile. */
  readonly node: NodeName;
}

// How much room is left decides which step of a commit fails: the Parquet file (3 pages), or the entry of the log (1 page).
const TROUBLES: readonly Trouble[] = [
  ...([0, 1, 2, 3] as const).map((pages) => ({
    name: `${pages} pages free`,
    begin: () => fill(store, pages),
    end: () => empty(store),
    says: /full.*free space/,
    node: (['n1', 'n2', 'n3', 'n1'] as const)[pages],
  })),
  {
    name: 'read-only',
    begin: () => remount(store, 'ro'),
    end: () => remount(store, 'rw'),
    says: /read-only/,
    node: 'n2',
  },
];

test('batches wait for a store that is full or read-only, and are in the table once', async () => {
  const aggregator = programs.start(AGGREGATOR_PROGRAM, [
    ...['serve', '--store', store, '--topology', join(TESTDATA, 'topology.yaml')],
    ...['--listen', '127.0.0.1:0', '--commit-interval', '100ms', '--max-batch-age', 'none'],
  ]);
  const { port } = await aggregator.logged('listening');
  const replayed: NodeName[] = [];
  for (const { name, begin, end, says, node } of TROUBLES) {
    const failuresBefore = failures(aggregator).length;
    begin();
    const agent = programs.start(AGENT_PROGRAM, [
      ...['run', '--source', 'replay', '--replay-file', join(TESTDATA, `${node}.ftct`)],
      ...['--aggregator', `127.0.0.1:${port}`],
    ]);
    const isNew = (line: LogLine) => failures(aggregator).indexOf(line) >= failuresBefore;
    const failed = await aggregator.logged((line) => line['msg'] === COMMIT_FAILED && isNew(line));
    expect(failed['err'], name).toMatchObject({ code: 'STORE_UNAVAILABLE', message: expect.stringMatching(says) });
    expect(await storedBytes(programs, store), name).toEqual(bytesByNodeAndClass(replayed));
    expect(agent.child.exitCode, 'the agent waits').toBeNull();
    end();
    replayed.push(node);
    expect(await agent.ended(), name).toMatchObject({ code: 0 });
    expect(agent.complaints(), name).toEqual([]);
    expect(await storedBytes(programs, store), name).toEqual(bytesByNodeAndClass(replayed));
  }
  expect(await aggregator.stop()).toMatchObject({ code: 0 });
  expect(await readdir(join(store, '.flowtoll-scratch')), 'left behind by failed writes').toEqual([]);
});

test('an aggregator that is stopped while its store is full says so, and its agent keeps the batches', async () => {
  const topology = join(TESTDATA, 'topology.yaml');
  const serve = (...listen: string[]) =>
    programs.start(AGGREGATOR_PROGRAM, [
      ...['serve', '--store', store, '--topology', topology, '--commit-interval', '100ms', '--max-batch-age', 'none'],
      ...listen,
    ]);
  const first = serve('--listen', '127.0.0.1:0');
  const { port } = await first.logged('listening');
  fill(store, 0);
  const agent = programs.start(AGENT_PROGRAM, [
    ...['run', '--source', 'replay', '--replay-file', join(TESTDATA, 'n3.ftct')],
    ...['--aggregator', `127.0.0.1:${port}`],
  ]);
  await first.logged(COMMIT_FAILED);
  const { code, stderr } = await first.stop();
  expect(code).toBe(1);
  expect(stderr).toMatch(/^flowtoll: STORE_UNAVAILABLE: .*full/m);
  empty(store);
  const second = serve('--listen', `127.0.0.1:${port}`);
  expect(await agent.ended()).toMatchObject({ code: 0 });
  expect(await second.stop()).toMatchObject({ code: 0 });
  expect(await storedBytes(programs, store)).toEqual(bytesByNodeAndClass(['n3']));
});

const failures = (aggregator: Running): readonly LogLine[] =>
  aggregator.lines.filter(({ msg }) => msg === COMMIT_FAILED);
