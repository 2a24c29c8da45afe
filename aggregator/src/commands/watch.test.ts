// `flowtoll watch` in this process against a server of its own: what it asks for, what it prints, and how it goes on.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { silenceGrpcLog } from '@flowtoll/proto';
import { Server, ServerCredentials } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { createFlowService, type FlowServer } from '../api/flow-service.ts';
import { ROOT, WatchedTable } from '../api/watched-table.testing.ts';
import { flowRow, WINDOW_US } from '../table/flow-row.testing.ts';
import { watchCommand } from './watch.ts';

const SILENT = { info: () => undefined, error: () => undefined };
const NOW_MS = 1_800_000_000_000;

let table: WatchedTable;
let server: Server;
let service: FlowServer;
let port = 0;
let work: string;
const running: Watching[] = [];

beforeEach(async () => {
  silenceGrpcLog();
  table = await WatchedTable.open();
  work = await mkdtemp(join(tmpdir(), 'flowtoll-watch-command-'));
  port = 0;
  await serve();
});

afterEach(async () => {
  await Promise.all(running.splice(0).map((one) => one.stop()));
  await stopServing();
  await table.close();
  await rm(work, { recursive: true });
});

async function serve(): Promise<void> {
  service = createFlowService(
    { watchersMax: 8, pollMs: 20 },
    { store: table.store, root: ROOT, log: SILENT, now: () => performance.now() },
  );
  server = new Server();
  server.addService(service.definition, service.implementation);
  port = await new Promise<number>((resolve, reject) => {
    server.bindAsync(`127.0.0.1:${port}`, ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
}

async function stopServing(): Promise<void> {
  await service.stop();
  server.forceShutdown();
}

/** The command, running; what it writes can be awaited. */
class Watching {
  text = '';
  remarks = '';
  readonly ended: Promise<unknown>;
  readonly #stop = new AbortController();
  readonly #lookers = new Set<() => void>();

  constructor(flags: readonly string[], isTerminal = false) {
    const hear = () => {
      for (const look of this.#lookers) look();
    };
    const output = {
      write: async (text: string) => {
        this.text += text;
        hear();
      },
      remark: (text: string) => {
        this.remarks += text;
        hear();
      },
    };
    const command = watchCommand(() => ({ output, isTerminal, nowMs: () => NOW_MS, signal: this.#stop.signal }));
    this.ended = command
      .exitOverride()
      .configureOutput({ writeErr: () => undefined })
      .parseAsync(['--server', `127.0.0.1:${port}`, ...flags], { from: 'user' });
    this.ended.catch(() => undefined);
    running.push(this);
  }

  /** Resolves when what was written, or remarked, matches. */
  async wrote(pattern: RegExp): Promise<void> {
    await Promise.race([
      new Promise<void>((resolve) => {
        const look = () => {
          if (!pattern.test(this.text + this.remarks)) return;
          this.#lookers.delete(look);
          resolve();
        };
        this.#lookers.add(look);
        look();
      }),
      this.ended.then(() => {
        throw new Error(`ended before ${pattern}: ${this.text}`);
      }),
    ]);
  }

  async stop(): Promise<void> {
    this.#stop.abort();
    await this.ended.catch(() => undefined);
  }

  get json(): Record<string, unknown>[] {
    return this.text
      .trimEnd()
      .split('\n')
      .map((line) => JSON.parse(line));
  }
}

const WEB = flowRow({
  ...{ namespace: 'shop', workload: 'web', pod: 'web-0', labels: '{"team":"store"}' },
  ...{ peerKind: 'pod', peerNamespace: 'data', peerWorkload: 'postgres', trafficClass: 'cross-zone' },
  ...{ windowStartUs: WINDOW_US, txBytes: 1_048_576, rxBytes: 2048, txCost: 10_000_000_000n, rxCost: 5n },
});
const OUT = flowRow({
  ...{ namespace: 'shop', workload: 'cart', peerName: 'api.example.com', trafficClass: 'internet' },
  ...{ windowStartUs: WINDOW_US, txBytes: 10, rxBytes: 20 },
});
const LOSS = flowRow({ lossReason: 'vanished', trafficClass: 'lost', windowStartUs: WINDOW_US });

describe('JSON lines', () => {
  test('exact values under the names of the columns', async () => {
    const watching = new Watching([
      '--format',
      'json',
      '--columns',
      'window_start,pod,labels,tx_bytes,tx_cost,path',
      '--from',
      'oldest',
    ]);
    const all = new Watching(['--format', 'json', '--from', 'oldest']);
    const version = await table.commitRows([WEB]);
    await watching.wrote(/\n/);
    expect(watching.json).toEqual([
      {
        version,
        commit_time: new Date(table.nowMs).toISOString(),
        window_start: '2026-01-31T23:59:00.000000Z',
        pod: 'web-0',
        labels: { team: 'store' },
        tx_bytes: 1_048_576,
        tx_cost: '0.010000000000',
        path: null,
      },
    ]);
    await all.wrote(/\n/);
    expect(Object.keys(all.json[0]!)).toHaveLength(2 + 46);
  });

  test.each([
    { flags: ['--namespace', 'shop', '--no-losses'], pods: ['cart', 'web'] },
    { flags: ['--peer', 'data/postgres', '--no-losses'], pods: ['web'] },
    { flags: ['--class', 'internet,unknown', '--no-losses'], pods: ['cart'] },
    { flags: ['--filter', 'label:team=store', '--filter', 'traffic_class!=internet', '--no-losses'], pods: ['web'] },
    { flags: ['--workload', 'web'], pods: [null, 'web'] },
  ])('$flags', async ({ flags, pods }) => {
    await table.commitRows([WEB, OUT, LOSS]);
    const end = await table.commitRows([
      flowRow({
        workload: 'end',
        namespace: 'shop',
        peerWorkload: 'postgres',
        peerNamespace: 'data',
        labels: '{"team":"store"}',
        trafficClass: 'unknown',
      }),
    ]);
    const watching = new Watching(['--format', 'json', '--from', '1', '--columns', 'workload', ...flags]);
    // Rows of one version come in one message; the last one shows that the first are all.
    await watching.wrote(flags.includes('web') ? /web/ : /"end"/);
    const got = watching.json.filter(({ version }) => version !== end).map(({ workload }) => workload as string | null);
    expect(got.sort()).toEqual([...pods].sort());
  });

  test('what is no row is an event', async () => {
    await table.commit(1);
    await table.expireOneFile();
    await table.commit(1);
    const watching = new Watching(['--format', 'json', '--from', '1', '--columns', 'pod']);
    await watching.wrote(/row-1/);
    expect(watching.json[1]).toEqual({ event: 'removed', version: 2, dates: ['2026-01-31'] });
  });

  test('rows that can no longer be told are an event, and the rest follows', async () => {
    await table.commit(1);
    const firstMs = table.nowMs;
    await table.commit(1);
    await table.compact();
    const compactedMs = table.nowMs;
    await table.vacuum();
    await table.commit(1);
    const watching = new Watching(['--format', 'json', '--from', '1', '--columns', 'pod']);
    await watching.wrote(/row-2/);
    expect(watching.json).toMatchObject([
      {
        event: 'missed',
        from_version: 1,
        to_version: 2,
        from_time: new Date(firstMs).toISOString(),
        to_time: new Date(compactedMs).toISOString(),
      },
      { pod: 'row-2', version: 4 },
    ]);
  });
});

describe('where it begins', () => {
  test.each([
    { from: 'oldest', rows: ['row-0', 'row-1', 'row-2'] },
    { from: '2', rows: ['row-1', 'row-2'] },
    { from: new Date(NOW_MS + 180_000).toISOString(), rows: ['row-2'] },
  ])('--from $from', async ({ from, rows }) => {
    for (let i = 0; i < 3; i++) await table.commit(1);
    const watching = new Watching(['--format', 'json', '--columns', 'pod', '--from', from]);
    await watching.wrote(/row-2/);
    expect(watching.json.map(({ pod }) => pod)).toEqual(rows);
  });

  test('--resume-file goes on where the one before ended, and so does its token', async () => {
    const file = join(work, 'place');
    await table.commit(2);
    const flags = ['--format', 'json', '--columns', 'pod', '--from', 'oldest', '--resume-file', file];
    const first = new Watching(flags);
    await first.wrote(/row-1/);
    await first.stop();
    const token = (await readFile(file, 'utf8')).trim();
    await table.commit(1);
    const second = new Watching(flags);
    await second.wrote(/row-2/);
    expect(second.json.map(({ pod }) => pod)).toEqual(['row-2']);
    const third = new Watching(['--format', 'json', '--columns', 'pod', '--from', token]);
    await third.wrote(/row-2/);
    expect(third.json.map(({ pod }) => pod)).toEqual(['row-2']);
  });

  test('a resume file that is no token is refused', async () => {
    const file = join(work, 'place');
    await writeFile(file, '1-2-3-4-5-6');
    await expect(new Watching(['--resume-file', file]).ended).rejects.toMatchObject({ code: 'REQUEST_INVALID' });
  });
});

describe('for people', () => {
  test('lines where there is no terminal', async () => {
    await table.commitRows([WEB, OUT]);
    const watching = new Watching(['--from', 'oldest']);
    await watching.wrote(/internet/);
    expect(watching.text.split('\n').sort()).toEqual([
      '',
      '2026-02-01T00:00:00Z  shop/cart → api.example.com  internet  10 B sent  20 B received  ?',
      '2026-02-01T00:00:00Z  shop/web → data/postgres  cross-zone  1.00 MiB sent  2.00 KiB received  $0.0100',
    ]);
  });

  test('a table that is drawn again in a terminal: the costliest pairs', async () => {
    await table.commitRows([WEB, WEB, OUT, LOSS]);
    const watching = new Watching(['--from', 'oldest', '--top', '1'], true);
    await watching.wrote(/4 rows/);
    const [, screen] = watching.text.split('\u001b[H\u001b[J').filter((text) => text.includes('4 rows'));
    const text = screen ?? watching.text.slice(watching.text.lastIndexOf('\u001b[H'));
    expect(text).toContain('Costliest 1 of 2 pairs, the last 5 minutes of data up to 2026-02-01T00:00:00Z');
    expect(text).toMatch(/shop\/web +data\/postgres +cross-zone +2\.00 MiB +4\.00 KiB +\$0\.0200/);
    expect(text).toMatch(/Total +2\.00 MiB +4\.02 KiB +\$0\.0200/);
    expect(text).toContain('lost: vanished, 1 rows since the beginning');
  });
});

describe('when the server', () => {
  test('is not there, it says so', async () => {
    await stopServing();
    await expect(new Watching([]).ended).rejects.toMatchObject({ code: 'SERVER_UNAVAILABLE' });
    await serve();
  });

  test('is not there, who keeps his place waits for it', async () => {
    await stopServing();
    const flags = ['--format', 'json', '--columns', 'pod', '--from', 'oldest', '--resume-file', join(work, 'place')];
    const watching = new Watching(flags);
    await watching.wrote(/the stream broke/);
    await table.commit(1);
    await serve();
    await watching.wrote(/row-0/);
  });

  test('goes and comes back, it goes on', async () => {
    const watching = new Watching(['--format', 'json', '--columns', 'pod', '--from', 'oldest']);
    await table.commit(1);
    await watching.wrote(/row-0/);
    await stopServing();
    await table.commit(1);
    await serve();
    await watching.wrote(/row-1/);
    expect(watching.json.map(({ pod }) => pod)).toEqual(['row-0', 'row-1']);
    expect(watching.remarks).toMatch(/the stream broke \(.*stopping.*\); going on in 0.5 s/);
  });

  test('refuses, it says why', async () => {
    await expect(new Watching(['--format', 'json', '--columns', 'x']).ended).rejects.toMatchObject({
      code: 'REQUEST_INVALID',
      message: expect.stringMatching(/^the table has no column "x"/),
    });
  });
});

test.each([
  { flags: ['--filter', 'namespace'], text: 'column=value' },
  { flags: ['--top', '0'], text: 'from 1 to 1000' },
  { flags: ['--span', '1s'], text: 'from 1m to 24h' },
])('refuses $flags', async ({ flags, text }) => {
  await expect(new Watching(flags).ended).rejects.toThrow(text);
});
