// egressd's collector → our agent. Knows both.
import { migratePods } from './pods.ts';
import type { Remarks } from './remarks.ts';
import { type CollectorHabits, plainTime } from './sinks.ts';
import type { SourceValues } from './source-values.ts';

const EVERY_TAINT = JSON.stringify([{ operator: 'Exists' }]);
const READ_INTERVAL_DEFAULT = '5s';
const EXCLUDED_DEFAULT = 'kube-system';

/** logrus' words that are others here. */
const LEVELS: Readonly<Record<string, string>> = {
  warning: 'warn',
  panic: 'fatal',
};

export function levelOf(text: string): string {
  return LEVELS[text] ?? text;
}

export interface MigratedCollector {
  readonly agent: Record<string, unknown>;
  readonly habits: CollectorHabits;
}

export function migrateCollector(collector: SourceValues, remarks: Remarks): MigratedCollector {
  const pods = migratePods(collector, 'agent', remarks);
  const args = collector.below('extraArgs');
  const [mode, modeOfArgs] = [collector.text('ctMode'), args.text('ct-mode')];
  const readsCilium = readsCiliumBy(
    mode ?? modeOfArgs,
    mode === undefined ? args.path('ct-mode') : collector.path('ctMode'),
    remarks,
  );
  const readInterval = args.text('read-interval');
  const logLevel = args.text('log-level');
  const interval = readInterval === undefined ? undefined : plainTime(readInterval);
  const options = {
    ...(interval !== undefined && interval !== READ_INTERVAL_DEFAULT && { 'dump-interval': interval }),
    ...(logLevel !== undefined && { 'log-level': levelOf(logLevel) }),
  };
  const tolerations = collector.value('tolerations');
  const priorityClass = collector.text('priorityClassName') ?? collector.text('egressdPriorityClass');
  collector.value('enablePriorityClass');
  const agent = {
    ...pods,
    ...(readsCilium && { cilium: { enabled: true } }),
    ...(Object.keys(options).length > 0 && { options }),
    ...(tolerations !== undefined && JSON.stringify(tolerations) !== EVERY_TAINT && { tolerations }),
    ...(priorityClass !== undefined && { priorityClassName: priorityClass }),
  };
  for (const key of ['hostPID', 'hostNetwork', 'skipInit']) {
    if (collector.value(key) !== undefined) {
      remarks.dropped(
        collector.path(key),
        'agents are on the host network, never in its PID namespace, and set the sysctls in an init container (agent.sysctls)',
      );
    }
  }
  const habits = habitsOf(args, remarks);
  sayArguments(args, remarks);
  collector.sayRest(remarks);
  return { agent, habits };
}

/** Whether Cilium's maps are to be had. Without them the agent finds conntrack alone. */
function readsCiliumBy(mode: string | undefined, path: string, remarks: Remarks): boolean {
  if (mode === 'netfilter') return false;
  if (mode === 'cilium') {
    remarks.todo(
      path,
      'reads Cilium’s maps: accounting has to be on in Cilium, and from 1.16 on directions are counted together (docs/cilium.md)',
    );
    return true;
  }
  remarks.changed(
    path,
    'egressd looks for Cilium by itself; here agent.cilium.enabled=true lets the agent look, where Cilium tracks the pods’ connections (docs/cilium.md)',
  );
  return false;
}

function habitsOf(args: SourceValues, remarks: Remarks): CollectorHabits {
  const excluded = (args.text('exclude-namespaces') ?? EXCLUDED_DEFAULT)
    .split(',')
    .map((name) => name.trim())
    .filter((name) => name !== '');
  if (excluded.length > 0) {
    remarks.changed(
      args.path('exclude-namespaces'),
      `everything is counted here; sinks leave out ${excluded.join(', ')}, reports and series do not`,
    );
  }
  return {
    // The chart's defaults, not the flags'.
    groupsPublicIps: args.isOn('group-public-ips') ?? true,
    sendsDeltas: args.isOn('send-traffic-delta') ?? true,
    excludedNamespaces: excluded,
  };
}

/** Arguments that need none here. */
const NEEDLESS: Readonly<Record<string, string>> = {
  'cleanup-interval': 'nothing is kept in the agent that would have to be cleaned up',
  'host-pid': 'agents need no PID namespace',
  'http-listen-port': 'agents deliver; nobody fetches from them',
  'cilium-clock-source': 'ends of Cilium’s entries are not read',
  'log-entries': 'flowtoll sql and flowtoll watch show single flows',
  'ebpf-dns-tracer-queue-size': 'there is no DNS tracer',
  'dump-ct': '`flowtoll-agent record` writes what the kernel says to a file',
  init: 'the chart’s init container sets the sysctls',
  'init-cgroupv2': 'cgroups are not needed',
  'metric-buffer-size': 'batches wait in a spool on disk (agent.spool)',
};

function sayArguments(args: SourceValues, remarks: Remarks): void {
  if (args.isOn('ebpf-dns-tracer-enabled') === true) {
    remarks.dropped(
      args.path('ebpf-dns-tracer-enabled'),
      'names of addresses outside are not learned from DNS: dst_dns_name is empty; addresses can be named in the topology (docs/topology.md)',
    );
  }
  for (const key of args.keys()) {
    if (NEEDLESS[key] === undefined) continue;
    args.value(key);
    if (args.has(key)) remarks.dropped(args.path(key), NEEDLESS[key]);
  }
  args.sayRest(remarks);
}
