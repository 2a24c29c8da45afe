// Both images as they run on a node: what is in their root file systems and what is not, and their programs with exactly the rights that the
// rendered chart gives them. The agent counts a connection and delivers it over TLS to the aggregator, which is nobody; both, and a
// report, work where nothing but their volumes can be written. The oracle of bytes is an nft counter, that of rights is /proc.
// cluster-story.test.ts has the same images under a real control plane.
import type { ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { realpathSync } from 'node:fs';
import { mkdtemp, readFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { basename, dirname, join } from 'node:path';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import { ARCHITECTURES } from '../../images/parts/platforms.ts';
import type { ProgramName } from '../../images/parts/programs.ts';
import { run } from '../lab/exec.ts';
import { addNamespaces, removeNamespaces, sweepLeftovers, uniquePrefix } from '../lab/namespaces.ts';
import { ChartRenderer } from '../support/chart/chart.ts';
import { RenderedPods } from '../support/chart/rendered-pods.ts';
import { helmHome, helmPrograms } from '../support/helm.ts';
import { type ContainerOptions, type RunnableImage, startInImage } from '../support/image-runner.ts';
import { type ElfFacts, elfFacts, fileCapabilities, type TreeEntry, treeOf } from '../support/image-tree.ts';
import { imageOf } from '../support/images.ts';
import { removeDisks } from '../support/kubelet/kubelets-that-run.ts';
import { until } from '../support/until.ts';

const ROOT = join(import.meta.dirname, '..', '..');
const NODE = '/usr/local/bin/node';
const PROGRAMS: readonly ProgramName[] = ['agent', 'aggregator'];

const MAIN: Readonly<Record<ProgramName, string>> = { agent: 'flowtoll-agent.mjs', aggregator: 'flowtoll.mjs' };
const NATIVE: Readonly<Record<ProgramName, readonly string[]>> = {
  agent: ['koffi.node'],
  aggregator: ['duckdb.node', 'libduckdb.so'],
};
const LIBRARIES = ['libc.so.6', 'libdl.so.2', 'libgcc_s.so.1', 'libm.so.6', 'libpthread.so.0', 'libstdc++.so.6'];
const MACHINES = {
  amd64: {
    machine: 'Advanced Micro Devices X86-64',
    folder: '/usr/lib/x86_64-linux-gnu',
    loader: '/lib64/ld-linux-x86-64.so.2',
  },
  arm64: { machine: 'AArch64', folder: '/usr/lib/aarch64-linux-gnu', loader: '/lib/ld-linux-aarch64.so.1' },
} as const;

describe.each(PROGRAMS.flatMap((program) => ARCHITECTURES.map((architecture) => ({ program, architecture }))))(
  'the root file system of the $program for $architecture',
  ({ program, architecture }) => {
    const { machine, folder, loader } = MACHINES[architecture];
    let root: string;
    let tree: readonly TreeEntry[];
    let files: readonly string[];
    let elf: readonly ElfFacts[];
    beforeAll(async () => {
      root = (await imageOf(program, architecture)).root;
      tree = treeOf(root);
      files = tree.filter(({ kind }) => kind === 'file').map(({ path }) => path);
      elf = elfFacts(root, files);
    });

    test('Node and the program are all that can be executed: no shell, no package manager, no tool', () => {
      const executable = tree.filter(({ kind, mode }) => kind === 'file' && (mode & 0o111) !== 0);
      expect(executable.map(({ path }) => path).sort()).toEqual(
        [
          ...[NODE, `/opt/flowtoll/${MAIN[program]}`],
          ...NATIVE[program].map((file) => `/opt/flowtoll/native/${file}`),
          ...[...LIBRARIES, basename(loader)].map((file) => `${folder}/${file}`),
        ].sort(),
      );
      // What the kernel would start, whatever its permissions. libc says its version when it is run.
      const programs = elf.filter(({ interpreter }) => interpreter !== undefined);
      expect(programs.map(({ path }) => path).sort()).toEqual([`${folder}/libc.so.6`, NODE]);
    });

    test('all machine code is for the machine, and finds what it needs, in versions that have it', () => {
      expect(elf.length).toBe(LIBRARIES.length + 2 + NATIVE[program].length + (program === 'aggregator' ? 1 : 0));
      expect(new Set(elf.map((each) => each.machine))).toEqual(new Set([machine]));
      const at = new Map(elf.map((each) => [each.path, each]));
      for (const { path, needed, runpath, asked, interpreter } of elf) {
        if (interpreter !== undefined) expect(interpreter).toBe(loader);
        expect([undefined, '$ORIGIN', '$ORIGIN/'], path).toContain(runpath);
        const found = new Map<string, ElfFacts>();
        for (const library of needed) {
          const places = runpath === undefined ? [folder] : [dirname(path), folder];
          const place = places.map((each) => `${each}/${library}`).find((each) => at.has(each));
          expect(place, `${path} needs ${library}`).toBeDefined();
          found.set(library, at.get(place!)!);
        }
        for (const version of asked) {
          const [library, name] = version.split(' ');
          expect(found.get(library!)?.given, `${path} asks for ${version}`).toContain(name);
        }
      }
      // Node asks for many.
      expect(at.get(NODE)!.asked.length).toBeGreaterThan(10);
      expect(realpathSync(join(root, loader))).toBe(join(root, folder, basename(loader)));
    });

    test('links lead to what is inside', () => {
      const links = tree.filter(({ kind }) => kind === 'link').map(({ path, target }) => [path, target]);
      const [, library, loaderName] = /^\/(lib\w*)\/(.*)$/.exec(loader)!;
      expect(links.filter(([path]) => !path!.startsWith('/usr/share/doc/'))).toEqual([
        ['/etc/os-release', '../usr/lib/os-release'],
        ['/lib', 'usr/lib'],
        ['/lib64', 'usr/lib64'],
        [`/usr/${library}/${loaderName}`, `${library === 'lib' ? '' : '../lib/'}${basename(folder)}/${loaderName}`],
        [`/usr/local/bin/${program === 'agent' ? 'flowtoll-agent' : 'flowtoll'}`, `/opt/flowtoll/${MAIN[program]}`],
      ]);
    });

    test('nobody but root may change anything, and no file gives whoever runs it rights', () => {
      expect(tree.filter(({ kind }) => kind === 'other')).toEqual([]);
      expect(tree.filter(({ owner }) => owner !== '0:0')).toEqual([]);
      expect(tree.filter(({ kind, mode }) => kind !== 'link' && (mode & 0o6022) !== 0 && mode !== 0o1777)).toEqual([]);
      expect(tree.filter(({ mode }) => mode === 0o1777).map(({ path }) => path)).toEqual(['/tmp']);
      expect(fileCapabilities(root)).toEqual([]);
    });

    test('it holds no sources, no packages as npm has them, no settings and nothing of who made it', async () => {
      const unwanted =
        /\/(node_modules|package(-lock)?\.json|tsconfig.*|\.[^/]+|[^/]*\.(ts|map|test\.[a-z]+|log|key|pem))$/;
      expect(files.filter((path) => unwanted.test(path))).toEqual([]);
      for (const path of files.filter((each) => /^\/(etc|opt|var)\/.*(?<!\.so|\.node|_extension)$/.test(each))) {
        expect((await readFile(join(root, path))).includes(ROOT), path).toBe(false);
      }
    });

    test('its users are root and, for the aggregator, nobody in particular', async () => {
      const users = ['root:x:0:0::/tmp:/sbin/nologin'];
      if (program === 'aggregator') users.push('flowtoll:x:65532:65532::/tmp:/sbin/nologin');
      expect((await readFile(join(root, 'etc/passwd'), 'utf8')).trim().split('\n')).toEqual(users);
      expect(files).not.toContain('/etc/shadow');
    });
  },
);

/** What a process in an image finds that it may do beyond reading. Its standard output is JSON. */
const WHAT_I_MAY = `
const fs = require('node:fs');
const may = { folders: [], files: [], setuid: true };
const walk = (folder) => {
  try {
    fs.writeFileSync(folder + '/.written', '');
    fs.rmSync(folder + '/.written');
    may.folders.push(folder);
    return;
  } catch {}
  for (const entry of fs.readdirSync(folder, { withFileTypes: true })) {
    const path = (folder === '/' ? '' : folder) + '/' + entry.name;
    if (['/dev', '/proc', '/sys'].includes(path)) continue;
    if (entry.isDirectory()) walk(path);
    if (!entry.isFile()) continue;
    try { fs.closeSync(fs.openSync(path, 'a')); may.files.push(path); } catch {}
    try { fs.chmodSync(path, 0o777); may.files.push(path); } catch {}
  }
};
walk('/');
try { process.setuid(process.getuid() === 0 ? 1 : 0); } catch { may.setuid = false; }
process.stdout.write(JSON.stringify(may));`;

/** DuckDB as the aggregator's image has it, told to fetch nothing, and its extension; says what was loaded. */
const LOAD_EXTENSIONS = `
const duckdb = require('/opt/flowtoll/native/duckdb.node');
const { readdirSync } = require('node:fs');
const root = process.env.FLOWTOLL_EXTENSIONS + '/' + duckdb.library_version() + '/linux_amd64';
(async () => {
  const config = duckdb.create_config();
  for (const what of ['install', 'load']) duckdb.set_config(config, 'auto' + what + '_known_extensions', 'false');
  const connection = await duckdb.connect(await duckdb.open(':memory:', config));
  for (const file of readdirSync(root)) await duckdb.query(connection, "LOAD '" + root + '/' + file + "'");
  // Fails unless the extension's functions are there.
  await duckdb.query(connection, "CREATE SECRET s (TYPE s3, KEY_ID 'k', SECRET 's', REGION 'r')");
  process.stdout.write(JSON.stringify(readdirSync(root)));
})();`;

const NET_ADMIN = 1n << 12n;
const TRAFFIC = { initiator: '10.1.0.1', responder: '10.1.0.2', port: 5000, bytes: 300_000 } as const;
const TOPOLOGY = {
  version: 1,
  cluster: 'lab',
  nodes: [{ name: 'n1', provider: 'aws', region: 'eu-west-1', zone: 'eu-west-1a', addresses: ['10.1.0.3'] }],
  pods: [
    { namespace: 'shop', name: 'web-0', node: 'n1', addresses: [TRAFFIC.initiator] },
    { namespace: 'shop', name: 'cart-0', node: 'n1', addresses: [TRAFFIC.responder] },
  ],
  services: [],
};

/** The kernel tracks connections of a network in which a rule asks for it. */
const RULES = `table ip lab {
  counter sent {}
  counter answered {}
  chain output {
    type filter hook output priority 0;
    ct state established accept comment "counted below"
  }
  chain counted {
    type filter hook output priority -10;
    tcp dport ${TRAFFIC.port} counter name sent
    tcp sport ${TRAFFIC.port} counter name answered
  }
}`;

/** One connection, which is over when the program ends. */
const CONNECT = `
import socket, threading
server = socket.create_server(("${TRAFFIC.responder}", ${TRAFFIC.port}))
client = socket.create_connection(("${TRAFFIC.responder}", ${TRAFFIC.port}), source_address=("${TRAFFIC.initiator}", 0))
accepted = server.accept()[0]
sender = threading.Thread(target=lambda: (client.sendall(bytes(${TRAFFIC.bytes})), client.shutdown(socket.SHUT_WR)))
sender.start()
while accepted.recv(65536): pass
accepted.sendall(b"thanks")
accepted.close()
while client.recv(65536): pass
sender.join()`;

/** A container that was started, and what it wrote. */
interface Started {
  readonly child: ChildProcess;
  readonly output: () => string;
  /** The process itself: the runner is its parent. */
  readonly pid: () => Promise<number>;
}

const helm = await helmPrograms();
describe.skipIf(helm === undefined)('run with the rights that the chart gives', () => {
  let folder: string;
  let pods: RenderedPods;
  /** The node's network, and one in which even loopback is down. */
  let node: string;
  let nowhere: string;
  const images = new Map<ProgramName, RunnableImage>();
  const children = new Set<ChildProcess>();

  beforeAll(async () => {
    for (const program of PROGRAMS) images.set(program, await imageOf(program));
    folder = await mkdtemp(join(tmpdir(), 'flowtoll-images-'));
    const chart = new ChartRenderer(helm!, helmHome(folder));
    const manifests = await chart.render({
      store: '/var/lib/flowtoll/tables',
      cluster: 'lab',
      volume: { create: true, accessModes: ['ReadWriteMany'] },
      // Nobody is here to review tokens: cluster-story.test.ts has that.
      ...{ insecure: true, agentAuth: { mode: 'none' }, readAuth: { mode: 'none' } },
      topology: TOPOLOGY,
      agent: { options: { 'dump-interval': '200ms', window: '1s' } },
      aggregator: { options: { 'commit-interval': '500ms' } },
      reports: { jobs: [{ name: 'daily', schedule: '0 6 * * *', args: ['--by', 'namespace'] }] },
    });
    pods = new RenderedPods(manifests, join(folder, 'pods'));
    sweepLeftovers();
    const prefix = uniquePrefix();
    [node, nowhere] = [`${prefix}node`, `${prefix}nowhere`];
    await addNamespaces([node, nowhere]);
    await run(['ip', '-netns', node, 'link', 'set', 'lo', 'up']);
    for (const address of [TRAFFIC.initiator, TRAFFIC.responder, '10.1.0.3']) {
      await run(['ip', '-netns', node, 'address', 'add', `${address}/32`, 'dev', 'lo']);
    }
    await run(['ip', 'netns', 'exec', node, 'nft', '-f', '-'], RULES);
  });
  afterEach(async () => {
    for (const child of children) {
      if (child.exitCode !== null || child.signalCode !== null) continue;
      child.kill('SIGKILL');
      await once(child, 'close');
    }
    children.clear();
  });
  afterAll(() => {
    removeNamespaces([node, nowhere]);
    removeDisks(folder);
  });

  function start(program: ProgramName, options: ContainerOptions, networkNamespace = node): Started {
    const hosts = '127.0.0.1\tflowtoll-ingest.flowtoll.svc\n';
    const child = startInImage(
      images.get(program)!,
      { ...options, networkNamespace, hosts },
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    children.add(child);
    let output = '';
    for (const stream of [child.stdout!, child.stderr!]) stream.on('data', (data: Buffer) => (output += data));
    const inside = async () => {
      const pid = await readFile(`/proc/${child.pid}/task/${child.pid}/children`, 'utf8').catch(() => '');
      const name = await readFile(`/proc/${pid.trim()}/comm`, 'utf8').catch(() => '');
      return /^(node|MainThread)/.test(name) && Number(pid);
    };
    return { child, output: () => output, pid: () => until('it runs', inside) };
  }

  /** Runs it to its end, which must be a good one. */
  async function runIn(program: ProgramName, options: ContainerOptions, networkNamespace = nowhere): Promise<string> {
    const { child, output } = start(program, options, networkNamespace);
    const [code] = (await once(child, 'close')) as [number | null];
    if (code !== 0) throw new Error(`it ended with ${code}:\n${output()}`);
    return output();
  }

  const agent = () => pods.container('agent', 'agent', 'n1');
  const sysctls = () => pods.container('agent', 'sysctls', 'n1');
  const report = () => pods.container('report', 'report', 'n1');
  /** As the chart says, but that names come from the topology file alone. */
  async function aggregator(): Promise<ContainerOptions> {
    const container = await pods.container('aggregator', 'aggregator', 'n1');
    return {
      ...container,
      args: container.args.filter((each) => !/^--(kubernetes|agent-service-accounts)=/.test(each)),
    };
  }

  test('a connection that the kernel counted is in the report, and each process has its rights and no others', async () => {
    await runIn('agent', await sysctls(), node);
    const serving = start('aggregator', await aggregator());
    const reading = start('agent', await agent());
    await until('the agent reads', () => reading.output().includes('baseline taken'), { describe: reading.output });
    await run(['ip', 'netns', 'exec', node, 'python3', '-c', CONNECT]);

    expect(await rightsOf(await reading.pid())).toEqual({
      ...{ uids: '0 0 0 0', gids: '0 0 0 0', groups: '', canGain: false },
      // NET_ADMIN, and nothing of what else root may do.
      ...{ effective: NET_ADMIN, permitted: NET_ADMIN, bounding: NET_ADMIN, inheritable: 0n, ambient: 0n },
    });
    expect(await rightsOf(await serving.pid())).toEqual({
      ...{ uids: '65532 65532 65532 65532', gids: '65532 65532 65532 65532', groups: '65532', canGain: false },
      ...{ effective: 0n, permitted: 0n, bounding: 0n, inheritable: 0n, ambient: 0n },
    });
    for (const { pid } of [serving, reading]) {
      const mounts = await readFile(`/proc/${await pid()}/mountinfo`, 'utf8');
      expect(mounts).toMatch(/^\d+ \d+ \S+ \/ \/ ro,/m);
    }

    const sent = await counted('sent');
    const answered = await counted('answered');
    expect(sent).toBeGreaterThan(TRAFFIC.bytes);
    const statement = `SELECT pod, CAST(sum(tx_bytes) AS VARCHAR) AS tx, CAST(sum(rx_bytes) AS VARCHAR) AS rx FROM flows
      WHERE namespace = 'shop' AND port = ${TRAFFIC.port} GROUP BY pod ORDER BY pod`;
    const query = { ...(await report()), args: ['sql', '--format', 'json', statement] };
    let rows = '';
    await until(
      'both sides of the connection are in the table',
      async () => {
        rows = await runIn('aggregator', query).catch((error: Error) => error.message);
        return rows.includes('cart-0') && rows.includes(String(sent));
      },
      { patienceMs: 20_000, describe: () => `${rows}\n${serving.output()}\n${reading.output()}` },
    );
    expect(JSON.parse(rows)).toEqual([
      { pod: 'cart-0', tx: String(answered), rx: String(sent) },
      { pod: 'web-0', tx: String(sent), rx: String(answered) },
    ]);
    expect(await runIn('aggregator', await report())).toMatch(/^ *shop /m);

    for (const { child } of [reading, serving]) {
      const ended = once(child, 'close');
      child.kill('SIGTERM');
      expect(await ended).toEqual([0, null]);
    }
  });

  test.each<[string, ProgramName, readonly string[]]>([
    ['agent', 'agent', ['/run/flowtoll', '/tmp', '/var/lib/flowtoll']],
    ['aggregator', 'aggregator', ['/tmp', '/var/lib/flowtoll/tables']],
    ['report', 'aggregator', ['/tmp', '/var/lib/flowtoll/tables']],
  ])('the %s may write into its volumes alone, and become nobody else', async (component, program, folders) => {
    const container = await pods.container(component, component, 'n1');
    const probe = { ...container, command: [NODE, '-e', WHAT_I_MAY], args: [] };
    const may = { folders, files: [], setuid: false };
    expect(JSON.parse(await runIn(program, probe))).toEqual(may);
    // Who is nobody may change nothing of the image, even where the root file system can be written.
    if (program === 'aggregator') {
      expect(JSON.parse(await runIn(program, { ...probe, readOnlyRoot: false }))).toEqual(may);
    }
  });

  test('without its capability the agent says what is missing', async () => {
    const { child, output } = start('agent', { ...(await agent()), capabilities: [] });
    expect((await once(child, 'close'))[0]).toBe(1);
    expect(output()).toMatch(/NOT_PERMITTED: .*CAP_NET_ADMIN/);
  });

  test("DuckDB's extension is loaded where there is no network and nothing to write", async () => {
    const probe = { ...(await report()), command: [NODE, '-e', LOAD_EXTENSIONS], args: [], volumes: [] };
    expect(JSON.parse(await runIn('aggregator', probe))).toEqual(['httpfs.duckdb_extension']);
  });

  test("the image's own entry point without the chart: the aggregator says what it can do, as nobody", async () => {
    expect(await runIn('aggregator', {})).toContain('Usage: flowtoll');
  });

  interface Rights {
    readonly [name: string]: string | boolean | bigint;
  }

  async function rightsOf(pid: number): Promise<Rights> {
    const status = await readFile(`/proc/${pid}/status`, 'utf8');
    const field = (name: string) =>
      new RegExp(`^${name}:[\\t ]*(.*)$`, 'm').exec(status)![1]!.trim().replaceAll(/\s+/g, ' ');
    const set = (name: string) => BigInt(`0x${field(name)}`);
    return {
      ...{ uids: field('Uid'), gids: field('Gid'), groups: field('Groups'), canGain: field('NoNewPrivs') !== '1' },
      ...{ effective: set('CapEff'), permitted: set('CapPrm'), bounding: set('CapBnd') },
      ...{ inheritable: set('CapInh'), ambient: set('CapAmb') },
    };
  }

  /** Bytes of an nft counter. */
  async function counted(name: string): Promise<number> {
    const text = await run(['ip', 'netns', 'exec', node, 'nft', '-j', 'list', 'counter', 'ip', 'lab', name]);
    const { nftables } = JSON.parse(text) as { nftables: { counter?: { bytes: number } }[] };
    return nftables.find(({ counter }) => counter !== undefined)!.counter!.bytes;
  }
});
