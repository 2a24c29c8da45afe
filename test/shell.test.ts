// `flowtoll sql` as a person uses it: on a terminal, typing, with Tab, arrows, Ctrl-C and Ctrl-D; and as scripts use it, with
// statements on standard input or in a file.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { openDirectoryStore } from '@flowtoll/aggregator/store/directory-store.ts';
import { flowRow } from '@flowtoll/aggregator/table/flow-row.testing.ts';
import { openFlowTable } from '@flowtoll/aggregator/table/flow-table.ts';
import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { AGGREGATOR_PROGRAM, environment } from './support/processes.ts';

const TERMINAL = fileURLToPath(new URL('support/terminal.py', import.meta.url));

const CTRL_C = '\x03';
const CTRL_D = '\x04';
const UP = '\x1b[A';
const PROMPT = 'flowtoll> ';
const WITHIN = '... ';

let directory: string;
let history: string;

beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'flowtoll-shell-'));
  const store = await openDirectoryStore(join(directory, 'store'));
  const table = await openFlowTable(store, { cluster: 'demo', clock: Date.now });
  await table.commit([{ epoch: 'e', sequence: 1 }], (_, buffer) => {
    for (let i = 0; i < 3; i++) buffer.append(flowRow({ workload: `w${i}`, txBytes: 100 + i }));
  });
  await table.close();
});
afterAll(() => rm(directory, { recursive: true, force: true }));
beforeEach(async () => {
  history = join(directory, 'state', 'history');
  await rm(join(directory, 'state'), { recursive: true, force: true });
});

const args = () => [AGGREGATOR_PROGRAM, 'sql', '--store', join(directory, 'store'), '--history', history];

interface Session {
  /** What the terminal showed, without what moves its cursor. */
  readonly shown: string;
  readonly missing: string | null;
  readonly code: number;
}

type Step = { readonly send: string } | { readonly await: string };

/** Types, and waits for what is shown; then until the program has ended by itself. */
async function terminal(...steps: readonly Step[]): Promise<Session> {
  const child = spawn('python3', [TERMINAL, process.execPath, ...args()], {
    env: { ...environment(), TERM: 'xterm' },
    stdio: ['pipe', 'pipe', 'ignore'],
  });
  child.stdin.end(steps.map((step) => `${JSON.stringify(step)}\n`).join(''));
  const session = JSON.parse(await text(child.stdout)) as Session;
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are the terminal's.
  return { ...session, shown: session.shown.replaceAll(/\x1b\[[0-9;?]*[A-Za-z]/g, '').replaceAll('\r', '') };
}

const send = (text: string): Step => ({ send: text });
const awaiting = (text: string): Step => ({ await: text });

/** Through standard input or a file. */
async function script(flags: readonly string[], input: string) {
  const child = spawn(process.execPath, [...args(), ...flags], { env: environment(), stdio: ['pipe', 'pipe', 'pipe'] });
  child.stdin.on('error', () => undefined);
  child.stdin.end(input);
  const [stdout, stderr, [code]] = await Promise.all([text(child.stdout), text(child.stderr), once(child, 'close')]);
  return { stdout, stderr, code };
}

describe('on a terminal', () => {
  test('statements over lines, commands, errors that do not end it, Ctrl-D', async () => {
    const { shown, missing, code } = await terminal(
      awaiting(PROMPT),
      send('SELECT sum(tx_bytes) AS bytes\n'),
      awaiting(WITHIN),
      send('FROM flows;\n'),
      awaiting('303'),
      awaiting(PROMPT),
      send('SELECT nonsense FROM flows;\n'),
      awaiting('"nonsense" not found'),
      awaiting(PROMPT),
      send('.tables\n'),
      awaiting('costs_hourly'),
      awaiting(PROMPT),
      send('.schema flows\n'),
      awaiting('MAP(VARCHAR, VARCHAR)'),
      awaiting(PROMPT),
      send('.nothing\n'),
      awaiting('there is no command .nothing; there are .help'),
      awaiting(PROMPT),
      send('.format csv\n'),
      awaiting(PROMPT),
      send('SELECT workload, tx_bytes FROM flows ORDER BY 1;\n'),
      awaiting('w2,102'),
      awaiting(PROMPT),
      send(CTRL_D),
    );
    expect({ missing, code }, shown).toEqual({ missing: null, code: 0 });
    expect(shown).toContain('workload,tx_bytes\nw0,100\nw1,101\nw2,102\n');
  });

  test('Tab completes; .quit ends; what was typed is there the next time, one line a statement', async () => {
    const first = await terminal(
      awaiting(PROMPT),
      send('SELECT count(*) AS n, max(tx_by\t'),
      awaiting('max(tx_bytes'),
      send(') AS most\nFROM fl'),
      awaiting('FROM fl'),
      send('ows;\n'),
      awaiting('102'),
      awaiting(PROMPT),
      send('.qu\t'),
      awaiting('.quit'),
      send('\n'),
    );
    expect(first, first.shown).toMatchObject({ missing: null, code: 0 });
    expect(await readFile(history, 'utf8')).toBe('SELECT count(*) AS n, max(tx_bytes) AS most FROM flows;\n.quit\n');
    expect((await stat(history)).mode & 0o077).toBe(0);
    const second = await terminal(
      awaiting(PROMPT),
      send(UP + UP),
      awaiting('AS most FROM flows;'),
      send('\n'),
      awaiting('102'),
      awaiting(PROMPT),
      send(CTRL_D),
    );
    expect(second, second.shown).toMatchObject({ missing: null, code: 0 });
  });

  test('Ctrl-C ends the statement that runs, and takes back what was typed', async () => {
    const session = await terminal(
      awaiting(PROMPT),
      send('SELECT sum(a.range * b.range) FROM range(10000000) a, range(10000000) b;\n'),
      awaiting('b;'),
      // Not before it runs: the shell would take it for what is being typed.
      awaiting('\n'),
      send(CTRL_C),
      awaiting('the statement was cancelled'),
      awaiting(PROMPT),
      send('SELECT nonsense\n'),
      awaiting(WITHIN),
      send('more nonsense'),
      awaiting('more nonsense'),
      send(CTRL_C),
      awaiting(PROMPT),
      send('SELECT 6 * 7 AS answer;\n'),
      awaiting('42'),
      awaiting(PROMPT),
      send(CTRL_D),
    );
    expect(session, session.shown).toMatchObject({ missing: null, code: 0 });
  });

  test('a long result is cut, and it is said', async () => {
    const session = await terminal(
      awaiting(PROMPT),
      send('SELECT range AS n FROM range(100000);\n'),
      awaiting('998'),
      awaiting('Only the first 1,000 rows are shown'),
      awaiting(PROMPT),
      send('SELECT 6 * 7 AS answer;\n'),
      awaiting('42'),
      send(CTRL_D),
    );
    expect(session, session.shown).toMatchObject({ missing: null, code: 0 });
  });
});

describe('without a terminal', () => {
  test('standard input: all statements, the last without its end', async () => {
    const input = "-- first\nSELECT 'a;b' AS x;\n.format csv\nSELECT sum(tx_bytes) AS n\nFROM flows";
    const { stdout, stderr, code } = await script([], input);
    expect({ stdout, stderr, code }).toEqual({ stdout: 'x\n───\na;b\nn\n303\n', stderr: '', code: 0 });
  });

  test('a file; the first error ends it and says where it is', async () => {
    const file = join(directory, 'x.sql');
    await writeFile(file, 'SELECT 1 AS one;\n\n-- here\nSELECT nonsense;\nSELECT 2 AS two;\n');
    const { stdout, stderr, code } = await script(['-f', file, '--format', 'csv'], '');
    expect({ stdout, code }).toEqual({ stdout: 'one\n1\n', code: 1 });
    expect(stderr).toContain(`flowtoll: QUERY_INVALID: ${file}, line 4: Binder Error`);
  });

  test('a file that is not there; a file and a statement', async () => {
    expect(await script(['-f', join(directory, 'absent')], '')).toMatchObject({
      code: 2,
      stderr: expect.stringMatching(/^flowtoll: CONFIG_INVALID: cannot read .*absent: ENOENT.*\n$/),
    });
    expect(await script(['-f', 'x.sql', 'SELECT 1'], '')).toMatchObject({
      code: 2,
      stderr: 'flowtoll: CONFIG_INVALID: give a statement or --file, not both\n',
    });
  });
});
