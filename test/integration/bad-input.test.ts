// What `flowtoll` says about input that it cannot use, as a user meets it: real processes, real files, real sockets. One
// message that says what is wrong and where, an exit code, no stack trace; and nobody else's data is touched.
// What the agent refuses: agent-errors.test.ts. A store that fails later: store-trouble.test.ts. Peers: strangers.test.ts.
import { cp, mkdir, mkdtemp, readdir, readFile, rm, stat, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { fill, Mounts } from '../support/mounts.ts';
import { AGENT_PROGRAM, AGGREGATOR_PROGRAM, type Ended, Programs } from '../support/processes.ts';
import { TESTDATA } from '../support/recorded-traffic.ts';
import { bytesIn, bytesOfWindows, finish, send, startSoundAgent } from '../support/sound-agent.ts';

const TOPOLOGY = join(TESTDATA, 'topology.yaml');

let directory: string;
let programs: Programs;
let mounts: Mounts;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'flowtoll-bad-input-'));
  programs = new Programs();
  mounts = new Mounts();
});
afterEach(async () => {
  await programs.killAll();
  mounts.unmountAll();
  await rm(directory, { recursive: true, force: true });
});

const flowtoll = (args: readonly string[], env: Record<string, string> = {}): Promise<Ended> =>
  programs.run(AGGREGATOR_PROGRAM, args, env);

const serveArgs = (store: string, topology = TOPOLOGY): string[] => [
  ...[
    'serve',
    '--store',
    store,
    '--topology',
    topology,
    '--listen',
    '127.0.0.1:0',
    '--commit-interval',
    '100ms',
    '--max-batch-age',
    'none',
    // Another aggregator of this test may have the default port, which would be worth a word of its own.
    '--metrics-listen',
    'none',
  ],
];

/** It said one thing, of this kind, and nothing else. */
function expectRefusal(ended: Ended, code: string, text: RegExp): void {
  expect(ended.stderr).toMatch(new RegExp(`^flowtoll: ${code}: `));
  expect(ended.stderr).toMatch(text);
  expect(ended.stderr, 'a stack trace').not.toMatch(/^\s+at /m);
  expect(ended.stdout).toBe('');
  expect(ended.code).toBe(1);
}

describe('a topology file', () => {
  const files: { name: string; content?: string; text: RegExp }[] = [
    { name: 'that is missing', text: /topology\.yaml cannot be read: ENOENT.*check the path/ },
    {
      name: 'that is not YAML',
      content: 'nodes: [',
      text: /has 1 problem:\n {2}\(file\): not readable as YAML or JSON.*line/,
    },
    {
      name: 'that is empty',
      content: '',
      text: /has 1 problem:\n {2}\(file\): holds no mapping; it must begin with "version: 1"/,
    },
    { name: 'of a later version', content: 'version: 7\nnodes: []', text: /version: / },
    { name: 'that is binary', content: '\0\u0001\u0002', text: /\(file\): / },
  ];
  test.each(files)('$name', async ({ content, text }) => {
    const topology = join(directory, 'topology.yaml');
    const store = join(directory, 'store');
    if (content !== undefined) await writeFile(topology, content);
    expectRefusal(await flowtoll(serveArgs(store, topology)), 'TOPOLOGY_INVALID', text);
    await expect(stat(store), 'nothing is made').rejects.toMatchObject({ code: 'ENOENT' });
  });

  test('with contradictions: all are listed, each with its place', async () => {
    const topology = join(directory, 'topology.yaml');
    await writeFile(
      topology,
      `version: 1
nodes:
  - { name: n1, provider: aws, region: us-east-1, zone: us-east-1a, addresses: [10.0.0.1] }
  - { name: n1, provider: aws, region: us-east-1, zone: us-east-1a, addresses: [10.0.0.2] }
  - { name: n2, provider: aws, region: us-west-2, zone: us-east-1a, addresses: [10.0.0.1] }
pods:
  - { name: a, namespace: shop, node: n9, addresses: [10.1.0.1] }
  - { name: b, namespace: shop, node: n1, addresses: [10.1.0.1] }
  - { name: c, namespace: shop, node: n1, addresses: [not-an-address] }
services:
  - { namespace: shop, name: x, addresses: [10.96.0.1], nodePorts: [30000] }
  - { namespace: shop, name: y, addresses: [10.96.0.2], nodePorts: [30000] }
`,
    );
    const ended = await flowtoll(serveArgs(join(directory, 'store'), topology));
    expectRefusal(ended, 'TOPOLOGY_INVALID', /has 7 problems:/);
    const places = [...ended.stderr.matchAll(/^ {2}([^:]+): /gm)].map((match) => match[1]);
    expect(places.sort()).toEqual([
      'nodes[1].name',
      'nodes[2].addresses[0]',
      'nodes[2].zone',
      'pods[0].node',
      'pods[1].addresses[0]',
      'pods[2].addresses[0]',
      'services[1].nodePorts[0]',
    ]);
  });
});

describe('a store that cannot be written', () => {
  const stores: { name: string; make: (path: string) => Promise<void> | void; text: RegExp }[] = [
    {
      name: 'because it is a file',
      make: (path) => writeFile(path, ''),
      text: /ENOTDIR.*a part of the path is a file/,
    },
    { name: 'because it is mounted read-only', make: (path) => mounts.readOnly(path), text: /EROFS.*read-only/ },
    {
      name: 'because it is full',
      make: (path) => {
        mounts.small(path, 64 * 1024);
        fill(path, 0);
      },
      text: /ENOSPC.*full: free space/,
    },
  ];
  test.each(stores)('$name', async ({ make, text }) => {
    const store = join(directory, 'store');
    await make(store);
    expectRefusal(await flowtoll(serveArgs(store)), 'STORE_UNAVAILABLE', text);
  });
});

test('a port in use is named, and whoever has it goes on', async () => {
  const store = join(directory, 'store');
  const first = programs.start(AGGREGATOR_PROGRAM, serveArgs(store));
  const { port } = await first.logged('listening');
  const second = await flowtoll([...serveArgs(join(directory, 'other')), '--listen', `127.0.0.1:${port}`]);
  expectRefusal(second, 'LISTEN_FAILED', new RegExp(`127\\.0\\.0\\.1:${port}: another process listens there`));
  const agent = startSoundAgent(Number(port));
  send(agent, 0);
  await finish(agent);
  expect(await first.stop()).toMatchObject({ code: 0 });
  expect(await bytesIn(programs, store)).toBe(bytesOfWindows(1));
});

describe('a command line that cannot be', () => {
  const store = ['--store', '/nonexistent'];
  const cases: { args: string[]; env?: Record<string, string>; text: RegExp }[] = [
    {
      args: ['serve', ...store],
      text: /CONFIG_INVALID: nobody says whose addresses are: give --kubernetes, or a topology file/,
    },
    { args: ['report'], text: /required option '--store <where>'/ },
    { args: ['report'], env: { FLOWTOLL_STORE: '' }, text: /'--store <where>'.*env 'FLOWTOLL_STORE'.*takes a path/ },
    { args: ['serve', ...store, '--topology', ''], text: /'--topology <file>' argument '' is invalid.*takes a path/ },
    {
      args: ['serve', ...store, '--topology', TOPOLOGY],
      env: { FLOWTOLL_LISTEN: 'localhost' },
      text: /'--listen <host:port>' value 'localhost' from env 'FLOWTOLL_LISTEN' is invalid.*host:port/,
    },
    {
      args: ['serve', ...store, '--topology', TOPOLOGY],
      env: { FLOWTOLL_COMMIT_INTERVAL: '1ms' },
      text: /'--commit-interval <time>'.*env 'FLOWTOLL_COMMIT_INTERVAL'.*from 100ms to 10m/,
    },
    { args: ['report', ...store, '--top', '0'], text: /'--top <count>' argument '0' is invalid.*1 to 1000000/ },
    {
      args: ['report', ...store, '--format', 'xml'],
      text: /'--format <format>'.*Allowed choices are table, json, csv/,
    },
    {
      args: ['report', ...store, '--by', 'colour'],
      text: /CONFIG_INVALID: --by cannot group by "colour"; it knows .*zone/,
    },
    { args: ['report', ...store, '--since', 'soon'], text: /CONFIG_INVALID: --since is "soon": give an instant/ },
    { args: ['sql', 'SELECT 1'], text: /required option '--store <where>'/ },
    { args: ['watch', '--from', 'soon'], text: /CONFIG_INVALID: --from is "soon": give an instant/ },
    { args: ['sql', ...store, 'SELECT 1', '--fast'], text: /unknown option '--fast'/ },
    { args: ['guess'], text: /unknown command 'guess'/ },
    { args: ['explain'], text: /required option '--store <where>'/ },
  ];
  for (const { args, env = {}, text } of cases) {
    const shown = [...Object.entries(env).map(([name, value]) => `${name}='${value}'`), ...args].join(' ');
    test(`${shown.replace(TOPOLOGY, 'FILE')}: exit code 2, and the message names what`, async () => {
      const ended = await flowtoll(args, env);
      expect(ended.stderr).toMatch(text);
      expect(ended).toMatchObject({ code: 2, stdout: '' });
    });
  }

  test('a cluster name that is no folder', async () => {
    const ended = await flowtoll([...serveArgs(join(directory, 'store')), '--cluster', '../other']);
    expect(ended.stderr).toMatch(/CONFIG_INVALID: cluster name "\.\.\/other" cannot be a folder.*--cluster/);
    expect(ended.code).toBe(2);
  });
});

describe('asking a store that has no answer', () => {
  let sound: string;
  beforeAll(async () => {
    sound = await mkdtemp(join(tmpdir(), 'flowtoll-sound-'));
    const maker = new Programs();
    const aggregator = maker.start(AGGREGATOR_PROGRAM, serveArgs(sound));
    const { port } = await aggregator.logged('listening');
    for (const node of ['n1', 'n2']) {
      const replay = ['run', '--source', 'replay', '--replay-file', join(TESTDATA, `${node}.ftct`)];
      const agent = maker.start(AGENT_PROGRAM, [...replay, '--aggregator', `127.0.0.1:${port}`]);
      expect(await agent.ended()).toMatchObject({ code: 0 });
    }
    expect(await aggregator.stop()).toMatchObject({ code: 0 });
  });
  afterAll(() => rm(sound, { recursive: true, force: true }));

  const entry = (store: string, version: number): string =>
    join(store, 'recorded', 'flows', '_delta_log', `${String(version).padStart(20, '0')}.json`);
  async function dataFiles(store: string): Promise<string[]> {
    const table = join(store, 'recorded', 'flows');
    return (await readdir(table, { recursive: true })).filter((n) => n.endsWith('.parquet')).map((n) => join(table, n));
  }
  const rewrite = async (file: string, change: (text: string) => string): Promise<void> =>
    writeFile(file, change(await readFile(file, 'utf8')));

  const damages: { name: string; damage: (store: string) => Promise<unknown>; code: string; text: RegExp }[] = [
    {
      name: 'because it is not there',
      damage: (store) => rm(store, { recursive: true }),
      code: 'STORE_UNAVAILABLE',
      text: /ENOENT.*there is no such directory/,
    },
    {
      name: 'because it is a file',
      damage: async (store) => {
        await rm(store, { recursive: true });
        await writeFile(store, '');
      },
      code: 'STORE_UNAVAILABLE',
      text: /is not a directory: name one with --store/,
    },
    {
      name: 'because it is empty',
      damage: (store) => rm(join(store, 'recorded'), { recursive: true }),
      code: 'QUERY_INVALID',
      text: /there is no table in directory .*--store/,
    },
    {
      name: 'because an entry of the log is not JSON',
      damage: (store) => rewrite(entry(store, 1), (text) => `${text}{"add":`),
      code: 'TABLE_INVALID',
      text: /_delta_log\/0{19}1\.json, line \d+ is not JSON/,
    },
    {
      name: 'because an entry of the log is empty',
      damage: (store) => truncate(entry(store, 1)),
      code: 'TABLE_INVALID',
      text: /_delta_log\/0{19}1\.json is empty/,
    },
    {
      name: 'because an entry of the log is missing',
      damage: (store) => rm(entry(store, 1)),
      code: 'TABLE_INVALID',
      text: /goes from version 0 to 2: entries are missing/,
    },
    {
      name: 'because the log names no schema',
      damage: (store) => rewrite(entry(store, 0), (text) => text.replace('"metaData"', '"somethingElse"')),
      code: 'TABLE_INVALID',
      text: /names no protocol or no schema/,
    },
    {
      name: 'because a newer program upgraded it',
      damage: (store) =>
        rewrite(entry(store, 0), (text) => text.replace('"minReaderVersion":1', '"minReaderVersion":3')),
      code: 'TABLE_INVALID',
      text: /needs Delta protocol 3\/2;.*another program upgraded it\. Use a newer Flowtoll/,
    },
    ...[0, 1].flatMap((which) => [
      {
        name: `because data file ${which} is missing`,
        damage: async (store: string) => rm((await dataFiles(store))[which]!),
        code: 'TABLE_INVALID',
        text: /missing or damaged.*\.parquet/,
      },
      {
        name: `because data file ${which} was cut`,
        damage: async (store: string) => truncate((await dataFiles(store))[which]!, 5000),
        code: 'TABLE_INVALID',
        text: /missing or damaged.*\.parquet/,
      },
      {
        name: `because data file ${which} is something else`,
        damage: async (store: string) => writeFile((await dataFiles(store))[which]!, 'x'.repeat(20_000)),
        code: 'TABLE_INVALID',
        text: /missing or damaged.*\.parquet/,
      },
    ]),
  ];
  test.each(damages)('$name', async ({ damage, code, text }) => {
    const store = join(directory, 'store');
    await cp(sound, store, { recursive: true });
    await damage(store);
    expectRefusal(await flowtoll(['report', '--store', store]), code, text);
    expectRefusal(await flowtoll(['sql', 'SELECT sum(tx_bytes) FROM flows', '--store', store]), code, text);
  });

  test('a broken log is not written to, either', async () => {
    const store = join(directory, 'store');
    await cp(sound, store, { recursive: true });
    await truncate(entry(store, 1));
    const before = await readdir(store, { recursive: true });
    expectRefusal(await flowtoll(serveArgs(store)), 'TABLE_INVALID', /0{19}1\.json is empty/);
    expect(await readdir(store, { recursive: true })).toEqual(before);
  });

  test('a folder of somebody else beside the table does not matter', async () => {
    const store = join(directory, 'store');
    await cp(sound, store, { recursive: true });
    await mkdir(join(store, 'lost+found'));
    await mkdir(join(store, 'photos', 'flows'), { recursive: true });
    expect(await bytesIn(programs, store)).toBe(await bytesIn(programs, sound));
  });
});
