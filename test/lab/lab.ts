// The laboratory: a small cluster of network namespaces with a real kernel's connection tracking, traffic of known size and
// independent counters. Needs Linux and root. Whatever it makes is gone after close(), also when the process is told to stop.
import { type ChildProcess, type SpawnOptions, spawn } from 'node:child_process';
import { availableParallelism } from 'node:os';
import { setTimeout as delay } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { CLUSTER, type LabCluster, OUTSIDE_PORTS, POD_PORTS } from './cluster.ts';
import { type EntrySum, listEntries } from './conntrack-list.ts';
import { readTallies, type Tally } from './counters.ts';
import { run } from './exec.ts';
import { type ConnectionResult, createHelper, type Helper } from './helper-process.ts';
import { addNamespaces, removeNamespaces, sweepLeftovers, uniquePrefix } from './namespaces.ts';
import type { PlannedConnection } from './plan.ts';
import { counterRules, nodeRules } from './rules.ts';
import { topologyOf } from './topology.ts';
import { TUNNEL_DEVICE, UNDERLAY_DEVICE, type Wiring, wire } from './wiring.ts';

const HELPER = fileURLToPath(new URL('./traffic_helper.py', import.meta.url));

export interface LabOptions {
  /**
   * `exact`: every packet on every device is one segment, so all counters see the same headers. `default`: as the kernel
   * comes, with segmentation and receive offloads. `cut-at-node`: the same, but packets are cut into segments where they
   * leave a node, as a network card does, so that the router sees what a wire carries.
   */
  readonly offloads?: 'exact' | 'default' | 'cut-at-node';
  /** `short`: entries die while the test runs. `long`: none does. Otherwise as the kernel comes. */
  readonly timeouts?: 'short' | 'long';
  /** Nodes with conntrack's accounting on from the start: what a restarted agent finds. On others it is the agent's task. */
  readonly accounting?: readonly string[];
  /** Namespaces for pods of the product itself, beside those of the cluster: see `systemHost`. Default: none. */
  readonly systemPods?: number;
  /** Bound the TCP windows, so that no queue of the machine overflows. Default: true with `exact`. */
  readonly smallWindows?: boolean;
}

export interface Lab {
  readonly cluster: LabCluster;
  /** Name of a host's namespace, for `ip netns exec`. */
  namespaceOf(host: string): string;
  /** Starts a program inside a host's namespace. It is killed on close(), and when this process dies. */
  spawn(host: string, argv: readonly string[], options?: SpawnOptions): ChildProcess;
  /** Runs a program inside a host's namespace to its end. */
  exec(host: string, argv: readonly string[], input?: string): Promise<string>;
  /** Content of the topology file. */
  topology(clusterName: string): Record<string, unknown>;
  /** Carries out the connections; results in the order of the plan. */
  run(plan: readonly PlannedConnection[]): Promise<readonly ConnectionResult[]>;
  /** Lets exchanges go on that wait for the gate. */
  open(gate: string): Promise<void>;
  /** Reads the independent counters of all pods, the outside host and the router. */
  tallies(): Promise<Tally[]>;
  /** The same, once two readings in a row were equal: nothing moves any more. */
  settledTallies(): Promise<Tally[]>;
  /** Conntrack's own view of a node, summed as the expectations are. For checks of the laboratory itself. */
  conntrack(node: string): Promise<EntrySum[]>;
  /**
   * From now on deletes the entries of ended TCP connections on a node every few tens of milliseconds, so that many never
   * see a dump, and some go while one is under way. Conntrack's own time-outs are whole seconds.
   */
  reapEnded(node: string): void;
  /** Packets that a node's conntrack could not assign; they are in no entry, so exact comparisons need 0. */
  invalidPackets(node: string): Promise<number>;
  close(): void;
}

/** Builds the cluster. */
export async function createLab(options: LabOptions = {}): Promise<Lab> {
  sweepLeftovers();
  const cluster = CLUSTER;
  const offloads = options.offloads ?? 'exact';
  const exact = offloads === 'exact';
  const prefix = uniquePrefix();
  const namespaceOf = (host: string): string => prefix + host;
  const wiring = wire(cluster, namespaceOf, exact ? 1 : undefined, options.systemPods);
  const namespaces = wiring.hosts.map(namespaceOf);
  const children = new Set<ChildProcess>();

  let closed = false;
  const close = (): void => {
    if (closed) return;
    closed = true;
    for (const child of children) child.kill('SIGKILL');
    removeNamespaces(namespaces);
    process.off('exit', close);
    for (const signal of SIGNALS) process.off(signal, onSignal);
  };
  const onSignal = (signal: NodeJS.Signals): void => {
    close();
    // Ends the process as the signal would have, unless somebody else handles it as well.
    if (process.listenerCount(signal) === 0) process.kill(process.pid, signal);
  };
  process.on('exit', close);
  for (const signal of SIGNALS) process.on(signal, onSignal);

  const inside = (host: string, argv: readonly string[]): string[] => [
    'ip',
    'netns',
    'exec',
    namespaceOf(host),
    ...argv,
  ];
  const exec = (host: string, argv: readonly string[], input = ''): Promise<string> => run(inside(host, argv), input);
  const spawnInside = (host: string, argv: readonly string[], spawnOptions: SpawnOptions = {}): ChildProcess => {
    const [program, ...args] = inside(host, ['setpriv', '--pdeathsig', 'KILL', ...argv]);
    const child = spawn(program!, args, spawnOptions);
    children.add(child);
    child.once('close', () => children.delete(child));
    return child;
  };

  try {
    await addNamespaces(namespaces);
    const small = options.smallWindows ?? exact;
    await Promise.all(wiring.hosts.map((host) => exec(host, ['sh', '-e'], sysctls(cluster, host, options, small))));
    await run(['ip', '-batch', '-'], `${wiring.links.join('\n')}\n`);
    // First who counts: devices that come up send.
    await Promise.all(wiring.hosts.map((host) => loadRules(host, cluster, exec)));
    await Promise.all(wiring.hosts.map((host) => configure(host, cluster, wiring, offloads, exec)));
    const helpers = await startHelpers(cluster, spawnInside);
    const counting = [...cluster.pods.map((pod) => pod.name), 'underlay', 'outside'];
    const tallies = async (): Promise<Tally[]> =>
      (await Promise.all(counting.map((host) => readTallies(host, namespaceOf(host))))).flat();
    return {
      cluster,
      namespaceOf,
      spawn: spawnInside,
      exec,
      topology: (clusterName) => topologyOf(cluster, clusterName),
      run: (plan) => runPlan(helpers, plan),
      open: async (gate) => void (await Promise.all([...helpers.values()].map((helper) => helper.open(gate)))),
      tallies,
      settledTallies: () => settle(tallies),
      conntrack: async (node) => listEntries(await exec(node, ['conntrack', '-L', '-o', 'extended,id'])),
      reapEnded: (node) => void spawnInside(node, ['sh', '-c', REAP], { stdio: 'ignore' }),
      invalidPackets: async (node) => {
        const text = await exec(node, ['nft', '-j', 'list', 'counter', 'inet', 'lab', 'invalid']);
        const items = (JSON.parse(text) as { nftables: { counter?: { packets: number } }[] }).nftables;
        return items.find((item) => item.counter !== undefined)?.counter?.packets ?? 0;
      },
      close,
    };
  } catch (error) {
    close();
    throw error;
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/** What has to be set before devices exist, as a shell script. */
function sysctls(cluster: LabCluster, host: string, options: LabOptions, smallWindows: boolean): string {
  const set: Record<string, string | number> = {
    'net/ipv6/conf/all/accept_dad': 0,
    'net/ipv6/conf/default/accept_dad': 0,
    'net/ipv6/conf/default/accept_ra': 0,
    'net/ipv6/conf/default/router_solicitations': 0,
    // Devices that come up say within these ms who listens to which groups, and through the tunnel that is traffic. By default for
    // two seconds: it may be between a reading of the counters and one of conntrack.
    'net/ipv6/conf/default/mldv2_unsolicited_report_interval': 10,
    'net/ipv4/conf/default/igmpv3_unsolicited_report_interval': 10,
    'net/ipv4/conf/all/rp_filter': 0,
    'net/ipv4/conf/default/rp_filter': 0,
    // A busy machine answers late; nothing is lost here that a probe would have to send again.
    'net/ipv4/tcp_early_retrans': 0,
  };
  const isNode = cluster.nodes.some((node) => node.name === host);
  if (host === 'management') set['net/ipv4/ip_forward'] = 1;
  if (isNode || host === 'underlay') {
    set['net/ipv4/ip_forward'] = 1;
    set['net/ipv6/conf/all/forwarding'] = 1;
    set['net/ipv4/conf/all/send_redirects'] = 0;
    set['net/ipv4/conf/default/send_redirects'] = 0;
  }
  if (isNode && options.timeouts !== undefined) {
    for (const [name, seconds] of SHORT_TIMEOUTS_S) {
      set[`net/netfilter/nf_conntrack_${name}`] = options.timeouts === 'short' ? seconds : LONG_TIMEOUT_S;
    }
  }
  if (isNode && options.accounting?.includes(host) === true) {
    for (const name of ['acct', 'timestamp', 'events']) set[`net/netfilter/nf_conntrack_${name}`] = 1;
  }
  if (smallWindows) {
    set['net/ipv4/tcp_rmem'] = '4096 32768 65536';
    set['net/ipv4/tcp_wmem'] = '4096 16384 65536';
  }
  return Object.entries(set)
    .map(([path, value]) => `echo '${value}' > /proc/sys/${path}\n`)
    .join('');
}

/** An entry dies within seconds of its last packet, yet late enough for every answer to find it. */
const SHORT_TIMEOUTS_S = [
  ['tcp_timeout_time_wait', 2],
  ['tcp_timeout_close', 2],
  ['tcp_timeout_last_ack', 5],
  ['udp_timeout', 2],
  ['udp_timeout_stream', 3],
  ['icmp_timeout', 2],
  ['icmpv6_timeout', 2],
  ['sctp_timeout_closed', 2],
  ['sctp_timeout_shutdown_sent', 2],
  ['sctp_timeout_shutdown_recd', 2],
  ['sctp_timeout_shutdown_ack_sent', 2],
] as const;

/** In these states nothing more is to come, so that no late packet makes a new entry. */
const REAP = `while sleep 0.07; do for family in ipv4 ipv6; do for state in TIME_WAIT CLOSE; do
  conntrack -D -f $family -p tcp --state $state; done; done; done`;

const LONG_TIMEOUT_S = 600;

/** A mask of this machine's processors (at most 32 of them), as sysfs takes it. */
const ALL_CPUS = (2 ** Math.min(32, availableParallelism()) - 1).toString(16);

/** The rules and counters of a host. */
async function loadRules(host: string, cluster: LabCluster, exec: Lab['exec']): Promise<void> {
  const node = cluster.nodes.find((candidate) => candidate.name === host);
  if (node !== undefined) await exec(host, ['nft', '-f', '-'], nodeRules(cluster, node));
  else if (host !== 'management' && !host.startsWith('system-')) {
    await exec(host, ['nft', '-f', '-'], counterRules(host === 'underlay' ? 'router' : 'host'));
  }
}

async function configure(
  host: string,
  cluster: LabCluster,
  wiring: Wiring,
  offloads: NonNullable<LabOptions['offloads']>,
  exec: Lab['exec'],
): Promise<void> {
  await exec(host, ['ip', '-batch', '-'], `${wiring.config.get(host)!.join('\n')}\n`);
  const config6 = wiring.config6.get(host)!;
  if (config6.length > 0) await exec(host, ['ip', '-6', '-batch', '-'], `${config6.join('\n')}\n`);
  const devices = wiring.devices.get(host)!;
  // Steer packets to processors by flow: a sender that moves between processors would overtake itself, and TCP send again.
  const steer = devices.map((device) => `echo ${ALL_CPUS} > /sys/class/net/${device}/queues/rx-0/rps_cpus || true\n`);
  await exec(host, ['sh', '-e'], steer.join(''));
  const switchOff = (device: string, ...features: string[]) =>
    exec(host, ['ethtool', '-K', device, ...features.flatMap((feature) => [feature, 'off'])]);
  // A tunnel device merges what it unpacks, unlike a veth, unless told otherwise.
  if (offloads === 'exact' && devices.includes(TUNNEL_DEVICE)) await switchOff(TUNNEL_DEVICE, 'gro');
  const isNode = cluster.nodes.some(({ name }) => name === host);
  if (offloads === 'cut-at-node' && isNode) await switchOff(UNDERLAY_DEVICE, 'tso', 'gso');
}

async function startHelpers(cluster: LabCluster, spawnInside: Lab['spawn']): Promise<Map<string, Helper>> {
  const hosts: [host: string, addresses: readonly string[], ports: readonly number[]][] = [
    ...cluster.pods.map((pod): [string, readonly string[], readonly number[]] => [pod.name, pod.address, POD_PORTS]),
    ['outside', cluster.outside.flat(), OUTSIDE_PORTS],
  ];
  const helpers = new Map<string, Helper>();
  await Promise.all(
    hosts.map(async ([host, addresses, ports]) => {
      const helper = createHelper(host, spawnInside(host, ['python3', HELPER], { stdio: ['pipe', 'pipe', 'pipe'] }));
      helpers.set(host, helper);
      await helper.listen(addresses, ports);
    }),
  );
  return helpers;
}

async function runPlan(
  helpers: ReadonlyMap<string, Helper>,
  plan: readonly PlannedConnection[],
): Promise<readonly ConnectionResult[]> {
  const byHost = Map.groupBy(plan, (connection) => connection.host);
  const results = await Promise.all([...byHost].map(([host, connections]) => helpers.get(host)!.run(connections)));
  const byIndex = new Map(results.flat().map((result) => [result.index, result]));
  return plan.map((connection) => byIndex.get(connection.index)!);
}

async function settle(read: () => Promise<Tally[]>): Promise<Tally[]> {
  const sum = (tallies: readonly Tally[]): number => tallies.reduce((total, tally) => total + tally.packets, 0);
  let last = await read();
  for (let attempt = 0; attempt < 100; attempt++) {
    await delay(300);
    const now = await read();
    if (sum(now) === sum(last)) return now;
    last = now;
  }
  throw new Error('the traffic of the laboratory does not come to rest');
}
