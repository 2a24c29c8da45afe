// Names are whatever somebody has called a workload or a label. What commands print for people must not move a cursor, set a title or colour
// anything; what they print for programs has each name as it is.
import { Server, ServerCredentials } from '@grpc/grpc-js';
import type { Command } from 'commander';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createFlowService, type FlowServer } from '../api/flow-service.ts';
import { ROOT, WatchedTable } from '../api/watched-table.testing.ts';
import { flowRow, WINDOW_US } from '../table/flow-row.testing.ts';
import { reportCommand } from './report.ts';
import { sqlCommand } from './sql.ts';
import { statusCommand } from './status.ts';
import { watchCommand } from './watch.ts';

/** Clears the screen, writes the clipboard, colours by one byte (C1), turns text around, begins a line anew. */
const WICKED = 'a\u001b[2J\u001b]52;c;cm0gLXJm\u0007\u009b31m\u202eb\r\u2028c\u007f';
/** Whatever a terminal acts on. Lines end, and that is all. */
const CONTROL = /(?!\n)[\p{Cc}\u200e\u200f\u2028\u2029\u202a-\u202e\u2066-\u2069]/u;
const NOW_MS = WINDOW_US / 1000 + 3_600_000;

let table: WatchedTable;
let service: FlowServer;
let server: Server;
let port: number;

beforeAll(async () => {
  table = await WatchedTable.open();
  const names = { namespace: WICKED, workload: WICKED, pod: WICKED, node: WICKED, peerWorkload: WICKED };
  await table.commitRows([
    flowRow({
      ...{ ...names, localKind: 'pod', peerKind: 'pod', peerNamespace: WICKED, service: `${WICKED}/${WICKED}` },
      ...{ labels: JSON.stringify({ [WICKED]: WICKED }), trafficClass: 'internet', txBytes: 5, rxBytes: 6 },
    }),
    flowRow({ node: WICKED, lossReason: WICKED, trafficClass: 'lost' }),
  ]);
  const log = { info: () => undefined, error: () => undefined };
  service = createFlowService(
    { watchersMax: 8 },
    { store: table.store, root: ROOT, log, now: () => performance.now() },
  );
  server = new Server();
  server.addService(service.definition, service.implementation);
  port = await new Promise<number>((resolve, reject) => {
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error ? reject(error) : resolve(bound),
    );
  });
});
afterAll(async () => {
  await service.stop();
  server.forceShutdown();
  await table.close();
});

async function run(create: (output: Output) => Command, args: readonly string[]): Promise<string> {
  let text = '';
  const output = {
    write: async (said: string) => {
      text += said;
    },
    remark: (said: string) => {
      text += said;
    },
  };
  const command = create(output)
    .exitOverride()
    .configureOutput({ writeErr: () => undefined });
  await command.parseAsync([...args], { from: 'user' });
  return text;
}

interface Output {
  write(text: string): Promise<void>;
  remark(text: string): void;
}

const report = (...args: string[]) =>
  run(
    (output) =>
      reportCommand(
        () => output,
        () => NOW_MS,
      ),
    ['--store', table.folder, ...args],
  );
const sql = (...args: string[]) => run((output) => sqlCommand(() => output), ['--store', table.folder, ...args]);

const KEYS = 'namespace,workload,pod,node,peer-namespace,peer,service';

describe('for people', () => {
  test.each([
    { name: 'report', print: () => report('--by', KEYS) },
    { name: 'report by a label', print: () => report('--by', `label:${WICKED}`) },
    { name: 'report of few', print: () => report('--by', 'workload', '--filter', `workload="${WICKED}"`) },
    { name: 'sql', print: () => sql('SELECT namespace, labels, node, loss_reason FROM flows') },
    { name: 'sql with such a title', print: () => sql(`SELECT 1 AS "${WICKED}"`) },
    {
      name: 'status',
      print: () =>
        run(
          (output) =>
            statusCommand(
              () => undefined,
              () => output,
              () => NOW_MS,
            ),
          ['--store', table.folder],
        ),
    },
    { name: 'watch', print: () => watch(['--from', 'oldest'], false) },
    { name: 'watch in a terminal', print: () => watch(['--from', 'oldest'], true) },
  ])('$name spells what is no text', async ({ print }) => {
    const text = (await print()).replaceAll('\u001b[H\u001b[J', '');
    expect(text).not.toMatch(CONTROL);
    expect(text).toContain('\\u{1b}[2J');
  });
});

describe('for programs', () => {
  test('reports and statements have each name as it is', async () => {
    const whole = JSON.parse(await report('--by', 'workload', '--format', 'json'));
    expect(JSON.stringify(whole)).toContain(`"workload":${JSON.stringify(WICKED)}`);
    expect(await report('--by', 'workload', '--format', 'csv')).toContain(WICKED);
    const [row] = JSON.parse(
      await sql('--format', 'json', 'SELECT workload, labels FROM flows WHERE workload IS NOT NULL'),
    );
    expect(row).toEqual({ workload: WICKED, labels: { [WICKED]: WICKED } });
    expect(await sql('--format', 'csv', 'SELECT workload FROM flows')).toContain(WICKED);
  });

  test('watch has each name as it is', async () => {
    const text = await watch(['--from', 'oldest', '--format', 'json', '--columns', 'workload,labels'], false);
    const rows = text.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line)]));
    expect(rows).toContainEqual(expect.objectContaining({ workload: WICKED, labels: { [WICKED]: WICKED } }));
  });
});

/** What it prints until both rows have come. */
function watch(flags: readonly string[], isTerminal: boolean): Promise<string> {
  const stop = new AbortController();
  let rows = 0;
  return run(
    (output) =>
      watchCommand(() => ({
        ...{ isTerminal, nowMs: () => NOW_MS, signal: stop.signal },
        output: {
          write: async (text) => {
            rows += isTerminal ? Number(/(\d+) rows since/.exec(text)?.[1] ?? 0) : text.split('\n').length - 1;
            if (rows >= 2) stop.abort();
            await output.write(text);
          },
          remark: output.remark,
        },
      })),
    ['--server', `127.0.0.1:${port}`, ...flags],
  );
}
