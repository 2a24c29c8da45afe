// `flowtoll status` from the command line to the printed text and the exit code, on tables written by the real writer: what it says is
// compared with what the test wrote.
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { startStandIn } from '../../../test/support/kubernetes/stand-in/stand-in.ts';
import { kubeconfigText } from '../../../test/support/kubernetes/test-cluster.ts';
import type { EndpointRow } from '../model/endpoint-row.ts';
import type { EpochNote } from '../model/epoch-note.ts';
import type { FlowRow } from '../model/flow-row.ts';
import { openDirectoryStore } from '../store/directory-store.ts';
import { ENDPOINT_TABLE_COLUMNS } from '../table/endpoint-columns.ts';
import { writeEndpointFile } from '../table/endpoint-files.ts';
import { flowRow } from '../table/flow-row.testing.ts';
import { openFlowTable } from '../table/flow-table.ts';
import { openWritableLog } from '../table/open-log.ts';
import { commitChange } from '../upkeep/change.ts';
import { maintain } from '../upkeep/maintain.ts';
import { EXIT_ATTENTION, statusCommand } from './status.ts';

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
/** 2026-01-31T12:34:56Z. */
const NOW_MS = Date.UTC(2026, 0, 31, 12, 34, 56);

let directory: string;
let nowMs: number;
const clock = () => nowMs;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'flowtoll-status-'));
  nowMs = NOW_MS;
});
afterEach(() => rm(directory, { recursive: true, force: true }));

const ago = (minutes: number): number => NOW_MS - minutes * MINUTE_MS;
const iso = (ms: number): string => new Date(ms).toISOString();

/** One agent each; its epoch is made of its name. */
const epochOf = (node: string): string => {
  const hex = Buffer.from(node).toString('hex').padEnd(12, '0').slice(0, 12);
  return `00000000-0000-0000-0000-${hex}.11111111-1111-1111-1111-111111111111`;
};

interface Batch {
  readonly node: string;
  /** Minutes before now at which it is committed. */
  readonly minutes: number;
  /** Minutes before now at which its window ended; a minute before the commit by default. */
  readonly windowEnd?: number;
  /** What its rows have beside that; one plain row by default. */
  readonly rows?: readonly Partial<FlowRow>[];
  readonly notes?: readonly EpochNote[];
}

const sequences = new Map<string, number>();

/** Commits the batches in order, at their times; the table is made when the first is. */
async function write(cluster: string, batches: readonly Batch[]): Promise<void> {
  nowMs = ago(batches[0]?.minutes ?? 0);
  const table = await openFlowTable(await openDirectoryStore(directory), { cluster, clock });
  sequences.clear();
  for (const { node, minutes, windowEnd = minutes + 1, rows = [{}], notes = [] } of batches) {
    nowMs = ago(minutes);
    const epoch = epochOf(node);
    const sequence = (sequences.get(node) ?? 0) + 1;
    sequences.set(node, sequence);
    const hello: EpochNote[] = sequence === 1 ? [{ kind: 'announced', epoch, node, sequence: 0 }] : [];
    const window = { windowStartUs: ago(windowEnd + 1) * 1000, windowEndUs: ago(windowEnd) * 1000 };
    await table.commit(
      [{ epoch, sequence }],
      (_, buffer) => {
        for (const row of rows) buffer.append(flowRow({ cluster, node, ...window, ...row }));
      },
      [...hello, ...notes],
    );
  }
  await table.close();
  nowMs = NOW_MS;
}

/** A node's address as an aggregator records it. */
function holding(node: string, recorded: number, values: Partial<EndpointRow> = {}): EndpointRow {
  return {
    ...{ cluster: 'demo', address: `10.0.0.${node.length}`, kind: 'node', uid: `uid-of-${node}`, node },
    ...{ fromUs: ago(recorded) * 1000, toUs: null, sureUntilUs: null },
    ...{ heardUs: ago(recorded) * 1000, recordedUs: ago(recorded) * 1000 },
    ...{ namespace: null, pod: null, workloadKind: null, workload: null },
    ...{ provider: null, region: null, zone: null, labels: null, zoneId: null },
    ...values,
  };
}

async function record(recorded: number, rows: readonly EndpointRow[]): Promise<void> {
  nowMs = ago(recorded);
  const store = await openDirectoryStore(directory);
  const log = await openWritableLog(store, 'demo/endpoints', ENDPOINT_TABLE_COLUMNS, clock);
  const add = await writeEndpointFile(store, 'demo/endpoints', rows, nowMs);
  await commitChange(log, clock, () => ({ operation: 'WRITE', adds: [add] }));
  nowMs = NOW_MS;
}

async function run(...args: string[]) {
  let text = '';
  let exitCode = 0;
  const output = () => ({
    write: async (part: string) => {
      text += part;
    },
    remark: (part: string) => {
      throw new Error(`nothing is to be remarked: ${part}`);
    },
  });
  const command = statusCommand(
    (code) => {
      exitCode = code;
    },
    output,
    clock,
  )
    .exitOverride()
    .configureOutput({ writeErr: () => undefined });
  await command.parseAsync(['--store', directory, ...args], { from: 'user' });
  return { text, exitCode };
}

async function json(...args: string[]) {
  const { text, exitCode } = await run('--format', 'json', ...args);
  return { exitCode, ...JSON.parse(text) };
}

/** Codes of what needs attention in the first cluster. */
const codes = ({ clusters }: { clusters: { attention: { code: string }[] }[] }): string[] =>
  clusters[0]!.attention.map(({ code }) => code);
const states = ({ clusters }: { clusters: { nodes: { node: string; state: string }[] }[] }): Record<string, string> =>
  Object.fromEntries(clusters[0]!.nodes.map(({ node, state }) => [node, state]));

describe('all is well', () => {
  /** Bytes of the files. */
  let bytes: number;
  beforeEach(async () => {
    await write('demo', [
      { node: 'node-a', minutes: 4 },
      { node: 'node-b', minutes: 3 },
      { node: 'node-a', minutes: 2, rows: [{}, {}] },
    ]);
    const folder = join(directory, 'demo', 'flows', 'date=2026-01-31');
    const sizes = (await readdir(folder)).map(async (name) => (await stat(join(folder, name))).size);
    bytes = (await Promise.all(sizes)).reduce((a, b) => a + b, 0);
  });

  test('text: tables, roll-up, nodes, and that nothing was lost', async () => {
    const { text, exitCode } = await run();
    const size = `${(bytes / 1024).toPrecision(3)} KiB`;
    expect({ exitCode, lines: text.split('\n') }).toEqual({
      exitCode: 0,
      lines: [
        'Cluster demo at 2026-01-31 12:34:56 UTC; lately is since 2026-01-31 11:34:56',
        '',
        'TABLE         VERSION  FILES      SIZE  NEWEST COMMIT (UTC)    AGE',
        '────────────  ───────  ─────  ────────  ───────────────────  ─────',
        `flows               3      3  ${size}  2026-01-31 12:32:56  2 min`,
        'costs_hourly        -      -         -  there is none            -',
        'endpoints           -      -         -  there is none            -',
        '',
        'newest flows  came 2 min ago',
        'rolled up     nothing of flows; 4 versions wait until their hour is over, the oldest for 4 min',
        'nodes         2 with an agent, 2 with rows lately (nobody says which nodes exist)',
        'slowest node  node-b: its newest window ended 4 min ago',
        'lost          nothing',
        '',
        'All is well.',
        '',
      ],
    });
  });

  test('JSON is exact', async () => {
    const none = { version: null, files: 0, bytes: 0, newest_commit: null };
    expect(await json()).toEqual({
      exitCode: 0,
      is_well: true,
      at: iso(NOW_MS),
      since: iso(ago(60)),
      clusters: [
        {
          cluster: 'demo',
          attention: [],
          tables: [
            { table: 'flows', version: 3, files: 3, bytes, newest_commit: iso(ago(2)) },
            { table: 'costs_hourly', ...none },
            { table: 'endpoints', ...none },
          ],
          newest_flows: iso(ago(2)),
          rolled_up: {
            ...{ version: null, versions_waiting: 4, waiting_since: iso(ago(4)) },
            ...{ due_since: null, is_broken: false },
          },
          nodes_as_of: iso(NOW_MS),
          nodes_listed_by: null,
          nodes: [
            {
              ...{ node: 'node-a', state: 'speaking', rows: 3 },
              ...{ heard: iso(ago(2)), newest_window_end: iso(ago(3)) },
            },
            {
              ...{ node: 'node-b', state: 'speaking', rows: 1 },
              ...{ heard: iso(ago(3)), newest_window_end: iso(ago(4)) },
            },
          ],
          slowest_node: 'node-b',
          lost: [],
        },
      ],
    });
  });
});

describe('several clusters', () => {
  test('each cluster of the store, and what needs attention by cluster', async () => {
    await write('good', [{ node: 'node-a', minutes: 1 }]);
    await write('late', [{ node: 'node-a', minutes: 90 }]);
    const { text, exitCode } = await run();
    expect(exitCode).toBe(EXIT_ATTENTION);
    expect(text.match(/^Cluster \S+/gm)).toEqual(['Cluster good', 'Cluster late']);
    expect(text).toMatch(
      /\n\nNeeds attention:\n {2}late: no flows have come for 90 min\n {4}see whether flowtoll serve .*\n$/,
    );
    expect(await run('--cluster', 'good')).toMatchObject({
      exitCode: 0,
      text: expect.stringMatching(/\nAll is well\.\n$/),
    });
  });
});

describe('needs attention', () => {
  test('a table without any commit of an agent', async () => {
    await write('demo', []);
    const found = await json();
    expect(found).toMatchObject({ exitCode: EXIT_ATTENTION, is_well: false });
    expect(codes(found)).toEqual(['no-flows']);
    expect(found.clusters[0]).toMatchObject({ newest_flows: null, nodes: [], lost: [], slowest_node: null });
    expect(found.clusters[0].tables[0]).toMatchObject({ version: 0, files: 0, bytes: 0 });
    expect((await run()).text).toMatch(
      /\nNeeds attention:\n {2}demo: no agent has delivered anything, .*\n {4}start flowtoll-agent on the nodes.*\n$/,
    );
  });

  test('flows that came too long ago; how old they may be is an option', async () => {
    await write('demo', [{ node: 'node-a', minutes: 6 }]);
    expect(codes(await json())).toEqual(['stalled']);
    expect(codes(await json('--stalled-after', '7m'))).toEqual([]);
  });

  test('commits of upkeep are no flows', async () => {
    await write('demo', [
      { node: 'node-a', minutes: 26 * 60 },
      { node: 'node-a', minutes: 20 },
    ]);
    const store = await openDirectoryStore(directory);
    await maintain(store, { cluster: 'demo', clock, keepFlowsMs: 12 * HOUR_MS, keepCostsMs: 30 * DAY_MS });
    const found = await json('--behind-after', '30d');
    expect(found.clusters[0].tables[0]).toMatchObject({ version: 3, newest_commit: iso(NOW_MS) });
    expect(codes(found)).toEqual(['stalled']);
  });

  test('where nothing comes, nodes are judged as they were when something did', async () => {
    await write('demo', [
      { node: 'lost', minutes: 330 },
      { node: 'node-a', minutes: 301 },
      { node: 'node-b', minutes: 300 },
    ]);
    const found = await json();
    expect(codes(found)).toEqual(['stalled', 'nodes-stopped']);
    expect(states(found)).toEqual({ lost: 'stopped', 'node-a': 'speaking', 'node-b': 'speaking' });
    expect(found.clusters[0]).toMatchObject({ nodes_as_of: iso(ago(300)), slowest_node: 'node-a' });
    expect(found.clusters[0].attention[1].text).toBe('1 agent fell silent: lost (silent for 30 min)');
    const { text } = await run();
    expect(text).toMatch(/^nodes +at 2026-01-31 07:34:56: 2 with an agent, 1 silent, 0 with rows lately \(/m);
    expect(text).toMatch(/^slowest node +node-a: its newest window ended 2 min before that$/m);
  });

  test('agents that fell silent, not those that said Goodbye; how long they may is an option', async () => {
    const goodbye: EpochNote = { kind: 'ended', epoch: epochOf('ended'), sequence: 1 };
    await write('demo', [
      { node: 'old', minutes: 61 },
      { node: 'ended', minutes: 40, notes: [goodbye] },
      { node: 'silent', minutes: 30 },
      { node: 'node-a', minutes: 1 },
    ]);
    const found = await json();
    expect(codes(found)).toEqual(['nodes-stopped']);
    expect(states(found)).toEqual({ ended: 'ended', silent: 'stopped', 'node-a': 'speaking' });
    expect(codes(await json('--unwatched-after', '45m'))).toEqual([]);
    expect(states(await json('--since', '2h'))).toMatchObject({ old: 'stopped' });
  });

  test('the node that lags most: an agent that delivers what it kept', async () => {
    await write('demo', [
      { node: 'behind', minutes: 5, windowEnd: 200 },
      { node: 'behind', minutes: 3, windowEnd: 190 },
      { node: 'node-a', minutes: 1 },
    ]);
    const found = await json();
    expect(codes(found)).toEqual(['nodes-behind']);
    expect(found.clusters[0]).toMatchObject({
      slowest_node: 'behind',
      nodes: [
        { node: 'behind', state: 'behind', rows: 0, heard: iso(ago(3)), newest_window_end: iso(ago(190)) },
        { node: 'node-a', state: 'speaking', rows: 1 },
      ],
    });
    const { text } = await run();
    expect(text).toMatch(/^nodes +2 with an agent, of these 1 behind, 1 with rows lately \(/m);
    expect(text).toMatch(/^slowest node +behind: its newest window ended 3 h ago$/m);
    expect(text).toMatch(/^ {2}demo: the newest rows of 1 node are old: behind \(3 h old\)$/m);
  });

  test('losses of the period by reason: those that ended in it', async () => {
    const lost = (lossReason: string, values: Partial<FlowRow> = {}): Partial<FlowRow> => ({
      ...{ trafficClass: 'lost', lossReason },
      ...values,
    });
    await write('demo', [
      { node: 'node-a', minutes: 70, rows: [lost('undecodable')] },
      {
        node: 'node-a',
        minutes: 20,
        rows: [
          lost('vanished', { connections: 2, txBytes: 4096 }),
          lost('vanished', { connections: 1, lostBytesMax: 1024 }),
          lost('events-dropped'),
        ],
      },
      { node: 'node-b', minutes: 2, rows: [lost('vanished', { connections: 4, txBytes: 5 })] },
      // Told when it was over, of a time that began a day before.
      { node: 'node-a', minutes: 1, rows: [lost('agent-away', { windowStartUs: (NOW_MS - DAY_MS) * 1000 }), {}] },
    ]);
    const found = await json();
    expect(found.exitCode).toBe(EXIT_ATTENTION);
    const one = { rows: 1, nodes: 1, connections: 0, known_bytes: 0, unknown_rows: 1, unknown_bytes_max: null };
    expect(found.clusters[0].lost).toEqual([
      { reason: 'agent-away', ...one },
      { reason: 'events-dropped', ...one },
      {
        ...{ reason: 'vanished', rows: 3, nodes: 2, connections: 7 },
        ...{ known_bytes: 4101, unknown_rows: 1, unknown_bytes_max: 1024 },
      },
    ]);
    expect(codes(found)).toEqual(['losses', 'losses', 'losses']);
    const { text } = await run();
    expect(text).toMatch(
      /^lost: vanished +4\.00 KiB and an unknown amount \(at most 1\.00 KiB\) in 1 row; 7 connections; 3 rows of 2 nodes$/m,
    );
    expect(text).toMatch(/^lost: events-dropped +an unknown amount in 1 row; 1 row of 1 node$/m);
    expect(text).toMatch(/^ {2}demo: traffic was lost on 1 node: events-dropped\n {4}raise --event-buffer/m);
    expect((await json('--since', '2h')).clusters[0].lost.map(({ reason }: { reason: string }) => reason)).toEqual([
      ...['agent-away', 'events-dropped', 'undecodable', 'vanished'],
    ]);
  });

  test('what an aggregator says of a vanished node is a loss, and no sign of life', async () => {
    await write('demo', [
      { node: 'node-a', minutes: 2 },
      { node: 'node-a', minutes: 1, rows: [{ node: 'gone', trafficClass: 'lost', lossReason: 'node-vanished' }] },
    ]);
    const found = await json();
    expect(codes(found)).toEqual(['losses']);
    expect(states(found)).toEqual({ 'node-a': 'speaking' });
  });

  test('hours that are over and not rolled up, until somebody looks after the tables', async () => {
    await write('demo', [
      { node: 'node-a', minutes: 400 },
      { node: 'node-a', minutes: 300 },
      { node: 'node-a', minutes: 1 },
    ]);
    // 400 minutes before 12:34:56 is 05:54:56.
    const dueMs = Date.UTC(2026, 0, 31, 6);
    const before = await json();
    expect(codes(before)).toEqual(['roll-up-behind']);
    expect(codes(await json('--behind-after', '7h'))).toEqual([]);
    await maintain(await openDirectoryStore(directory), {
      ...{ cluster: 'demo', clock, keepFlowsMs: DAY_MS, keepCostsMs: DAY_MS },
    });
    const after = await json();
    expect(codes(after)).toEqual([]);
    expect(before.clusters[0].rolled_up).toEqual({
      ...{ version: null, versions_waiting: 4, waiting_since: iso(ago(400)), due_since: iso(dueMs), is_broken: false },
    });
    expect(after.clusters[0].rolled_up).toEqual({
      ...{ version: 2, versions_waiting: 1, waiting_since: iso(ago(1)), due_since: null, is_broken: false },
    });
    expect((await run()).text).toMatch(
      /^rolled up +flows up to version 2; 1 version waits until their hour is over, the oldest for 60 s$/m,
    );
  });

  test('log entries that are gone before they were rolled up', async () => {
    await write('demo', [
      { node: 'node-a', minutes: 400 },
      { node: 'node-a', minutes: 300 },
      { node: 'node-a', minutes: 1 },
    ]);
    const store = await openDirectoryStore(directory);
    await maintain(store, { cluster: 'demo', clock, keepFlowsMs: DAY_MS, keepCostsMs: DAY_MS });
    // As if upkeep had cleaned the log, and the folder were lost since.
    const table = await openFlowTable(store, { cluster: 'demo', clock, checkpointEntries: 1 });
    await table.commit([{ epoch: epochOf('node-a'), sequence: 4 }], () => undefined);
    await table.close();
    await rm(join(directory, 'demo', 'costs_hourly'), { recursive: true });
    await rm(join(directory, 'demo', 'flows', '_delta_log', `${'0'.padStart(20, '0')}.json`));
    const found = await json();
    expect(codes(found)).toEqual(['roll-up-broken']);
    expect(found.clusters[0].rolled_up).toMatchObject({ version: null, is_broken: true });
  });
});

describe('nodes that exist, and no agent speaks for them', () => {
  const inCluster = (peerNode: string): Partial<FlowRow> => ({ peerNode, peerCluster: 'demo', peerKind: 'node' });

  test('named by rows alone', async () => {
    await write('demo', [
      { node: 'node-a', minutes: 30, rows: [inCluster('mute'), inCluster('node-b')] },
      { node: 'node-b', minutes: 2 },
      { node: 'node-a', minutes: 1, rows: [inCluster('young')] },
    ]);
    const found = await json();
    expect(codes(found)).toEqual(['nodes-unwatched']);
    expect(states(found)).toEqual({ mute: 'unwatched', 'node-a': 'speaking', 'node-b': 'speaking' });
    expect(found.clusters[0]).toMatchObject({
      nodes_listed_by: null,
      attention: [{ text: expect.stringContaining('no agent speaks for 1 node: mute (never heard of);') }],
    });
  });

  test('as aggregators recorded them: not those that are gone, and not those that are new', async () => {
    await record(20 * 60, [
      ...[
        holding('node-a', 20 * 60),
        holding('mute', 20 * 60),
        holding('silent-1', 20 * 60),
        holding('removed-node', 20 * 60),
      ],
      { ...holding('pod-only-node', 20 * 60), kind: 'pod', uid: 'p', namespace: 'x', pod: 'p' },
    ]);
    await record(30, [
      holding('removed-node', 30, { toUs: ago(30) * 1000 }),
      holding('new-node-12345', 5),
      // Another address of one that goes on: the old one has ended.
      holding('mute', 30, { address: '10.9.9.9', heardUs: ago(5) * 1000 }),
      holding('mute', 30, { toUs: ago(30) * 1000, heardUs: ago(20 * 60) * 1000 }),
    ]);
    // Another replica has not heard of the end, and writes later.
    await record(29, [holding('removed-node', 29)]);
    await write('demo', [
      { node: 'removed-node', minutes: 31 },
      { node: 'silent-1', minutes: 25 },
      { node: 'node-a', minutes: 1 },
    ]);
    const found = await json();
    expect(states(found)).toEqual({
      ...{ 'node-a': 'speaking', mute: 'unwatched', 'silent-1': 'unwatched' },
      ...{ 'removed-node': 'gone', 'new-node-12345': 'new' },
    });
    expect(codes(found)).toEqual(['nodes-unwatched']);
    expect(found.clusters[0].nodes_listed_by).toBe('endpoints');
    expect(found.clusters[0].attention[0].text).toBe(
      'no agent speaks for 2 nodes: mute (never heard of), silent-1 (silent for 25 min); what they pay for is not in the table',
    );
    const { text } = await run();
    expect(text).toMatch(
      /^nodes +1 with an agent, 2 without an agent, 1 new, 1 gone, 3 with rows lately \(nodes of Kubernetes, as recorded in endpoints\)$/m,
    );
  });

  test('as Kubernetes lists them now', async () => {
    const standIn = await startStandIn({ controllers: false });
    try {
      for (const [name, minutes] of Object.entries({ 'node-a': 900, mute: 900, fresh: 3 })) {
        standIn.store.put('nodes', {
          ...{ kind: 'Node', apiVersion: 'v1' },
          metadata: { name, uid: `uid-of-${name}`, resourceVersion: '', creationTimestamp: iso(ago(minutes)) },
        });
      }
      await record(20 * 60, [holding('recorded', 20 * 60)]);
      await write('demo', [
        { node: 'removed', minutes: 20 },
        { node: 'node-a', minutes: 1 },
      ]);
      const kubeconfig = join(directory, '..', `${directory.split('/').at(-1)}.kubeconfig`);
      try {
        const { server, adminToken: token } = standIn;
        await writeFile(kubeconfig, kubeconfigText({ server, ca: undefined, user: { token } }));
        const found = await json('--kubernetes', kubeconfig);
        expect(states(found)).toEqual({ fresh: 'new', mute: 'unwatched', 'node-a': 'speaking', removed: 'gone' });
        expect(codes(found)).toEqual(['nodes-unwatched']);
        expect(found.clusters[0].nodes_listed_by).toBe('kubernetes');
        await write('other', []);
        await expect(run('--kubernetes', kubeconfig)).rejects.toMatchObject({
          code: 'CONFIG_INVALID',
          message: '--kubernetes is one cluster, and the store has demo, other: say which of them it is (--cluster)',
        });
        expect((await json('--kubernetes', kubeconfig, '--cluster', 'demo')).exitCode).toBe(EXIT_ATTENTION);
      } finally {
        await rm(kubeconfig, { force: true });
      }
    } finally {
      await standIn.stop();
    }
  });
});

describe('what cannot be read is an error, as of other commands', () => {
  test('no table', async () => {
    await mkdir(join(directory, 'not-a-table'));
    await expect(run()).rejects.toMatchObject({
      code: 'QUERY_INVALID',
      message: expect.stringMatching(
        /^there is no table in .*: name the store that the aggregator writes \(--store\)$/,
      ),
    });
    await expect(run('--cluster', 'demo')).rejects.toMatchObject({
      code: 'QUERY_INVALID',
      message: expect.stringMatching(/has no table of cluster "demo"/),
    });
  });

  test('no store', async () => {
    await rm(directory, { recursive: true });
    await expect(run()).rejects.toMatchObject({ code: 'STORE_UNAVAILABLE' });
  });

  test('a damaged log, a damaged file', async () => {
    await write('demo', [{ node: 'node-a', minutes: 1 }]);
    const folder = join(directory, 'demo', 'flows', 'date=2026-01-31');
    for (const name of await readdir(folder)) await writeFile(join(folder, name), 'not Parquet any more');
    await expect(run()).rejects.toMatchObject({ code: 'TABLE_INVALID' });
    await writeFile(join(directory, 'demo', 'flows', '_delta_log', `${'1'.padStart(20, '0')}.json`), 'x');
    await expect(run()).rejects.toMatchObject({
      code: 'TABLE_INVALID',
      message: expect.stringContaining('is not JSON'),
    });
  });

  test.each(['yesterday', '2026-02-01'])('--since %s', async (since) => {
    await write('demo', []);
    await expect(run('--since', since)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });
});

test('old files are not read: whoever fetches them from a bucket does not wait for a month', async () => {
  await write('demo', [
    { node: 'node-a', minutes: 3 * 24 * 60 },
    { node: 'node-a', minutes: 1 },
  ]);
  const folder = join(directory, 'demo', 'flows', 'date=2026-01-28');
  for (const name of await readdir(folder)) await writeFile(join(folder, name), 'not Parquet any more');
  expect((await json('--behind-after', '30d')).exitCode).toBe(0);
});
