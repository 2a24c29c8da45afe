// `flowtoll serve` as a process: what it says when it cannot start, and that SIGTERM commits and acknowledges before it
// ends. The agent's exporter runs in the test; what the table holds, `flowtoll sql` says.
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import {
  closeSync,
  constants,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { createExporter } from '@flowtoll/agent/exporter/exporter.ts';
import { windowBytes, windowFlows } from '@flowtoll/agent/exporter/windows.testing.ts';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { until } from './support/until.ts';

const FLOWTOLL = join(import.meta.dirname, '..', 'aggregator', 'bin', 'flowtoll.js');
const TOPOLOGY = `
version: 1
nodes:
  - { name: node-a, provider: aws, region: us-east-1, zone: us-east-1a, addresses: [10.0.0.0, 10.1.0.0] }
`;
/** What serve says of --max-batch-age none. */
const ANY_AGE =
  'flows of any age are taken (--max-batch-age none): the table remembers for 30 days what is in it, and an agent that sends ' +
  'older flows again after that counts them twice; for recordings only';
const silent = { info: () => undefined, warn: () => undefined, error: () => undefined };

let work: string;
let topology: string;
let running: ChildProcess[];

beforeEach(() => {
  work = mkdtempSync(join(tmpdir(), 'flowtoll-serve-'));
  topology = join(work, 'topology.yaml');
  writeFileSync(topology, TOPOLOGY);
  running = [];
});

afterEach(async () => {
  for (const child of running) {
    if (child.exitCode === null && child.signalCode === null) {
      child.kill('SIGKILL');
      await once(child, 'exit');
    }
  }
  rmSync(work, { recursive: true, force: true });
});

/** Environment without the settings of whoever runs the tests. */
function environment(extra: Record<string, string> = {}): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => !name.startsWith('FLOWTOLL_'));
  return { ...Object.fromEntries(own), ...extra };
}

function run(args: readonly string[], env: Record<string, string> = {}) {
  return spawnSync(process.execPath, [FLOWTOLL, ...args], { env: environment(env), encoding: 'utf8', timeout: 15_000 });
}

interface LogLine {
  readonly msg: string;
  readonly port?: number;
  readonly metricsPort?: number;
}

interface Serving {
  readonly child: ChildProcess;
  readonly exited: Promise<number | null>;
  /** The next line of the log with this message; rejects when the process ends first. */
  logged(message: string): Promise<LogLine>;
}

/** Starts `flowtoll serve` on a port of the system's choice. */
function serve(...args: string[]): Serving {
  return serveWith({}, ...args);
}

/** The same, with more in the environment. */
function serveWith(extra: Record<string, string>, ...args: string[]): Serving {
  const child = spawn(
    process.execPath,
    [FLOWTOLL, 'serve', '--listen', '127.0.0.1:0', '--topology', topology, ...args],
    {
      env: environment(extra),
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  );
  running.push(child);
  const exited = once(child, 'exit').then(([code]) => code as number | null);
  const lines: LogLine[] = [];
  const wakers = new Set<() => void>();
  createInterface({ input: child.stderr! }).on('line', (line) => {
    lines.push(JSON.parse(line));
    for (const wake of wakers) wake();
  });
  const logged = (message: string) =>
    new Promise<LogLine>((resolve, reject) => {
      const look = () => {
        const index = lines.findIndex(({ msg }) => msg === message);
        if (index < 0) return;
        wakers.delete(look);
        resolve(lines.splice(index, 1)[0]!);
      };
      wakers.add(look);
      look();
      exited.then((code) => reject(new Error(`flowtoll serve ended with ${code} before "${message}"`)));
    });
  return { child, exited, logged };
}

function exporterTo(port: number) {
  return createExporter(
    {
      aggregator: `127.0.0.1:${port}`,
      node: 'node-a',
      agentVersion: '0.1.0',
      spoolId: '11111111-2222-3333-4444-555555555555',
      bootId: '66666666-7777-8888-9999-aaaaaaaaaaaa',
      queueBytes: 1 << 20,
    },
    { log: silent },
  );
}

test('flowtoll status ends with 0 when all is well, and with others when not', async () => {
  const store = join(work, 'store');
  const status = (...args: string[]) => {
    const { status: code, stdout, stderr } = run(['status', '--store', store, ...args]);
    return { code, last: stdout.trimEnd().split('\n').at(-1), stderr };
  };
  mkdirSync(store);
  expect(status()).toMatchObject({
    code: 1,
    last: '',
    stderr: expect.stringMatching(/^flowtoll: QUERY_INVALID: .*\n$/),
  });
  const { logged } = serve('--store', store, '--commit-interval', '100ms', '--metrics-listen', 'none');
  const { port } = await logged('listening');
  expect(status()).toMatchObject({ code: 3, last: expect.stringContaining('start flowtoll-agent'), stderr: '' });
  expect(status('--since', 'soon')).toMatchObject({ code: 2, last: '' });
  const exporter = exporterTo(port!);
  exporter.start();
  const nowMs = Date.now();
  exporter.send({ ...windowFlows(0, 5), windowStartUs: (nowMs - 60_000) * 1000, windowEndUs: nowMs * 1000 });
  expect(await exporter.stop(10_000)).toBe(true);
  expect(status()).toEqual({ code: 0, last: 'All is well.', stderr: '' });
});

describe('flowtoll serve', () => {
  test('whoever stops it while another cluster’s table does not answer need not wait for that', async () => {
    const store = join(work, 'store');
    const log = join(store, 'eu/endpoints/_delta_log');
    mkdirSync(log, { recursive: true });
    // Reading it waits for somebody who writes.
    const silentFile = join(log, '_last_checkpoint');
    execFileSync('mkfifo', [silentFile]);
    const { child, exited, logged } = serve('--store', store, '--metrics-listen', '127.0.0.1:0');
    // Whoever opens a pipe for writing without waiting is refused until somebody reads it.
    const silence = await until('the file is being read', () => {
      try {
        return openSync(silentFile, constants.O_WRONLY | constants.O_NONBLOCK);
      } catch {
        return undefined;
      }
    });
    child.kill('SIGTERM');
    await logged('stopping: last commit');
    await logged('stopped');
    expect(child.exitCode).toBeNull();
    // The system takes no open file from a process: one that waits in it can only be killed, and has nothing to lose any more.
    closeSync(silence);
    expect(await exited).toBe(0);
  });

  test('on SIGTERM commits what waits, acknowledges it, and ends with 0', async () => {
    const store = join(work, 'store');
    const { child, exited, logged } = serve(
      '--store',
      store,
      '--commit-interval',
      '10m',
      '--max-batch-age',
      'none',
      '--log-level',
      'debug',
    );
    const { port } = await logged('listening');
    expect(await logged(ANY_AGE)).toMatchObject({ level: 40, txnRetentionMs: 30 * 86_400_000 });
    const exporter = exporterTo(port!);
    exporter.start();
    exporter.send(windowFlows(0, 5));
    exporter.send(windowFlows(1, 5));
    await logged('batch taken');
    await logged('batch taken');
    expect(exporter.counters.batchesAcknowledged).toBe(0);
    child.kill('SIGTERM');
    expect(await exporter.stop(10_000)).toBe(true);
    expect(await exited).toBe(0);
    const sum = 'SELECT CAST(sum(tx_bytes + rx_bytes) AS BIGINT) AS bytes FROM flows';
    const { stdout, stderr } = run(['sql', '--store', store, '--format', 'json', sum]);
    expect(stderr).toBe('');
    expect(stdout).toMatch(new RegExp(`"bytes":\\s*"?${windowBytes(0, 5) + windowBytes(1, 5)}"?`));
  });

  test('names services of providers by their address ranges, tells their age, and refuses to start without any', async () => {
    const store = join(work, 'store');
    const ranges = join(work, 'ranges');
    const start = ['--store', store, '--ip-ranges', ranges];
    expect(run(['serve', '--topology', topology, ...start])).toMatchObject({
      status: 2,
      stderr: expect.stringMatching(/^flowtoll: CONFIG_INVALID: .*ranges has none of ip-ranges.json, .*\n$/),
    });
    const lines = ['AMAZON', 'S3'].map((service) => ({ ip_prefix: '52.218.0.0/17', region: 'eu-west-1', service }));
    mkdirSync(ranges);
    writeFileSync(
      join(ranges, 'ip-ranges.json'),
      JSON.stringify({ syncToken: '1787411825', prefixes: lines, ipv6_prefixes: [] }),
    );
    const { logged } = serve(
      ...start,
      '--commit-interval',
      '100ms',
      '--max-batch-age',
      'none',
      '--metrics-listen',
      '127.0.0.1:0',
    );
    const { port, metricsPort } = await logged('listening');
    const page = await (await fetch(`http://127.0.0.1:${metricsPort}/metrics`)).text();
    expect(page).toMatch(/^flowtoll_ip_ranges_age_seconds\{document="aws"\} \d/m);
    expect(page).toMatch(/^flowtoll_ip_ranges_prefixes\{provider="aws"\} 2$/m);
    const exporter = exporterTo(port!);
    exporter.start();
    const window = windowFlows(0, 2);
    window.addresses.set([52, 218, 1, 1], 16);
    exporter.send(window);
    expect(await exporter.stop(10_000)).toBe(true);
    const peers = 'SELECT peer_kind, peer_name, peer_provider, peer_region FROM flows ORDER BY peer_name';
    expect(run(['sql', '--store', store, '--format', 'csv', peers]).stdout.trimEnd().split(/\r?\n/)).toEqual([
      'peer_kind,peer_name,peer_provider,peer_region',
      'provider-service,S3,aws,eu-west-1',
      'private,,,',
    ]);
  });

  test('sets up malloc before it begins, unless somebody else has', async () => {
    const settings = async (extra: Record<string, string>) => {
      const { child, logged } = serveWith(extra, '--store', join(work, 'store'), '--metrics-listen', 'none');
      await logged('listening');
      const environ = readFileSync(`/proc/${child.pid}/environ`, 'utf8').split('\0');
      return environ.filter((entry) => entry.startsWith('MALLOC_')).sort();
    };
    expect(await settings({})).toEqual([
      'MALLOC_ARENA_MAX=2',
      'MALLOC_MMAP_THRESHOLD_=32768',
      'MALLOC_TRIM_THRESHOLD_=131072',
    ]);
    expect(await settings({ MALLOC_ARENA_MAX: '7' })).toEqual(['MALLOC_ARENA_MAX=7']);
  });

  test('says who has the port', async () => {
    const other = createServer().listen(0, '127.0.0.1');
    await once(other, 'listening');
    const address = other.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    const listen = `127.0.0.1:${address.port}`;
    const { status, stderr } = run([
      'serve',
      '--store',
      join(work, 'store'),
      '--topology',
      topology,
      '--listen',
      listen,
    ]);
    other.close();
    expect(stderr).toBe(
      `flowtoll: LISTEN_FAILED: cannot listen on ${listen}: another process listens there; stop it, or choose another port with --listen\n`,
    );
    expect(status).toBe(1);
  });

  test('says that the store cannot be written', () => {
    writeFileSync(join(work, 'file'), '');
    const { status, stderr } = run(['serve', '--store', join(work, 'file', 'store'), '--topology', topology]);
    expect(stderr).toMatch(/^flowtoll: STORE_UNAVAILABLE: [^\n]*file\/store[^\n]*\n$/);
    expect(status).toBe(1);
  });

  test.each([['serve', '--topology', 'here'], ['status'], ['report'], ['sql', 'SELECT 1'], ['maintain', '--once']])(
    '%s refuses a store whose path DuckDB would take for a pattern',
    (...args) => {
      const store = join(work, 'flows[1]', 'store');
      mkdirSync(store, { recursive: true });
      const { status, stdout, stderr } = run([
        ...args.map((arg) => (arg === 'here' ? topology : arg)),
        '--store',
        store,
      ]);
      expect(stderr).toMatch(
        /^flowtoll: CONFIG_INVALID: --store: the path "[^\n]*" contains "\["[^\n]*: name a directory[^\n]*\n$/,
      );
      expect({ status, stdout, left: readdirSync(store) }).toEqual({ status: 2, stdout: '', left: [] });
    },
  );

  test('says what is wrong with the topology', () => {
    writeFileSync(topology, 'version: 7');
    const { status, stderr } = run(['serve', '--store', join(work, 'store'), '--topology', topology]);
    expect(stderr).toMatch(/^flowtoll: TOPOLOGY_INVALID: /);
    expect(status).toBe(1);
  });

  const bad: { name: string; args?: string[]; env?: Record<string, string>; text: string }[] = [
    { name: 'no store', text: "required option '--store <where>' not specified" },
    {
      name: 'a port beyond 65535',
      args: ['--listen', '127.0.0.1:65536'],
      text: 'It takes host:port, like 127.0.0.1:4460',
    },
    {
      name: 'no port',
      args: ['--listen', 'localhost'],
      text: "option '--listen <host:port>' argument 'localhost' is invalid",
    },
    {
      name: 'a time without unit, from the environment',
      env: { FLOWTOLL_COMMIT_INTERVAL: '30' },
      text: "value '30' from env 'FLOWTOLL_COMMIT_INTERVAL' is invalid. It takes a time like 500ms, 30s or 2m, from 100ms to 10m",
    },
    { name: 'a time too long', args: ['--commit-interval', '1h'], text: 'from 100ms to 10m' },
    { name: 'an unknown level', env: { FLOWTOLL_LOG_LEVEL: 'loud' }, text: 'Allowed choices are trace' },
    {
      name: 'a port reachable without TLS and without asking',
      args: ['--listen', '0.0.0.0:0'],
      text: 'lacks a certificate (--tls-cert, --tls-key) and a way to tell who calls (--agent-auth)',
    },
    {
      name: 'a certificate without its key',
      args: ['--tls-cert', 'tls.crt'],
      text: 'give both --tls-cert and --tls-key',
    },
    {
      name: 'certificates of agents without ours',
      args: ['--agent-auth', 'mtls', '--tls-client-ca', 'ca.crt'],
      text: '--tls-client-ca without TLS',
    },
    {
      name: 'accounts that nobody asks for',
      args: ['--agent-service-accounts', 'a/b'],
      text: '--agent-service-accounts has no effect with --agent-auth none',
    },
    {
      name: 'tokens of Kubernetes without Kubernetes',
      args: ['--agent-auth', 'kubernetes', '--agent-service-accounts', 'a/b'],
      text: 'give --kubernetes',
    },
    {
      name: 'keys without an issuer',
      args: ['--agent-auth', 'keys', '--agent-keys', 'jwks.json', '--agent-service-accounts', 'a/b'],
      text: 'give --agent-keys URL|FILE and --agent-issuer ISSUER',
    },
    {
      name: 'keys by http',
      args: [
        '--agent-auth',
        'keys',
        '--agent-keys',
        'http://keys.example/',
        '--agent-issuer',
        'i',
        '--agent-service-accounts',
        'a/b',
      ],
      text: 'whoever is between could give keys of their own',
    },
    { name: 'an unknown flag', args: ['--frobnicate'], text: "unknown option '--frobnicate'" },
  ];
  for (const { name, args = [], env = {}, text } of bad) {
    test(`refuses ${name} with exit code 2`, () => {
      const required = name === 'no store' ? [] : ['--store', join(work, 'store')];
      const { status, stderr } = run(['serve', '--topology', topology, ...required, ...args], env);
      expect(stderr).toContain(text);
      expect(status).toBe(2);
    });
  }

  test('refuses to start when nobody says whose addresses are', () => {
    const { status, stderr } = run(['serve', '--store', join(work, 'store')]);
    expect(stderr).toMatch(/CONFIG_INVALID.*give --kubernetes, or a topology file with --topology/);
    expect(status).not.toBe(0);
  });

  test.each([
    [
      'that is not there',
      undefined,
      [],
      /cannot read the kubeconfig .*ENOENT.*: check that it is there, that the user of this process may read it/,
    ],
    ['that is no YAML', 'clusters: [', [], /kubeconfig/],
    ['without a context', '{}', [], /has no current context: choose one with --kube-context: it has none/],
    [
      'without the context that is asked for',
      '{"contexts":[{"name":"test","context":{"cluster":"test"}}]}',
      ['--kube-context', 'production'],
      /has no context "production": choose one with --kube-context: test/,
    ],
    [
      'with a server without TLS',
      '{"clusters":[{"name":"c","cluster":{"server":"http://127.0.0.1:1"}}],"contexts":[{"name":"c","context":{"cluster":"c"}}],"current-context":"c"}',
      [],
      /has the server http:\/\/127.0.0.1:1 without TLS: use https, or allow it by "insecure-skip-tls-verify: true"/,
    ],
  ])('refuses a kubeconfig %s with exit code 1 and one line', (_, text, more, message) => {
    const path = join(work, text === undefined ? 'none' : 'kubeconfig');
    if (text !== undefined) writeFileSync(path, text);
    const { status, stderr } = run(['serve', '--store', join(work, 'store'), '--kubernetes', path, ...more]);
    expect(stderr).toMatch(/^flowtoll: KUBERNETES_CONFIG_INVALID: .*\n$/);
    expect(stderr).toMatch(message);
    expect(stderr).toContain(path);
    expect(status).toBe(1);
  });
});
