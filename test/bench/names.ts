// What names cost: an index of 150,000 pods on 5,000 nodes, fed with objects as Kubernetes caches make them. Memory of the whole
// process; lookups beside a plain Map.get over the same keys, interleaved with it; and the processor's time for changes of pods.

import { parseArgs } from 'node:util';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import type { OwnerReference, PodObject } from '@flowtoll/aggregator/model/cluster-objects.ts';
import { ClusterIndex } from '@flowtoll/aggregator/topology/cluster/cluster-index.ts';
import { processMemory } from './support/process-memory.ts';
import { median, medianRatio, range, textTable } from './support/statistics.ts';

const MIB = 2 ** 20;
const GOAL_MEMORY_BYTES = 400 * MIB;
const GOAL_LOOKUP_RATIO = 3;
const GOAL_CHURN_PART = 0.05;

/** Pods of one ReplicaSet, and pods of one service. */
const PODS_A_SET = 5;
const CHANGES_A_SECOND = 100;
/** What the API says of one pod from its binding to its end. */
const CHANGES_A_POD = 5;
const START_US = Date.UTC(2026, 0, 31) * 1000;
const MINUTE_US = 60e6;
const RESOURCES = ['pods', 'nodes', 'services', 'endpointslices', 'namespaces', 'owners'] as const;

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Measures and prints; exit code 1 when a goal is missed. */
export async function run(args: readonly string[]): Promise<void> {
  const { values } = parseArgs({
    args: [...args],
    options: {
      pods: { type: 'string', default: '150000' },
      nodes: { type: 'string', default: '5000' },
      rounds: { type: 'string', default: '15' },
    },
  });
  const size = { pods: Number(values.pods), nodes: Number(values.nodes) };
  const empty = memory();
  const index = new ClusterIndex();
  const loadMs = load(index, size);
  const loaded = memory();
  // What rows say of a pod is made when it is first asked for.
  for (let i = 0; i < size.pods; i++) index.lookupAddress(address(i), START_US, START_US + MINUTE_US);
  const named = memory();
  const keys = shuffled(Array.from({ length: size.pods }, (_, i) => address(i)));
  const lookups = compareLookups(index, keys, Number(values.rounds));
  const before = memory();
  const churn = changePods(index, size);
  const { ended } = index.counts;
  const endedBytes = memory().heapBytes - before.heapBytes;

  process.stdout.write(
    `${textTable([
      ['what', 'measured', 'goal'],
      ['resident: the process alone', mib(empty.residentBytes), ''],
      [`resident: ${size.pods} pods, ${size.nodes} nodes, their owners and services`, mib(loaded.residentBytes), ''],
      ['resident: the same, all pods named', mib(named.residentBytes), `<= ${mib(GOAL_MEMORY_BYTES)}`],
      ['heap and buffers: the same, without the process alone', mib(named.heapBytes - empty.heapBytes), ''],
      [`heap and buffers: ${ended} ended pods besides`, mib(endedBytes), ''],
      ['putting all objects', `${loadMs.toFixed(0)} ms`, ''],
      ['Map.get, each', `${lookups.mapNs.toFixed(0)} ns`, ''],
      ['lookup, each', `${lookups.indexNs.toFixed(0)} ns`, ''],
      ['lookup / Map.get', `${lookups.ratio.toFixed(2)} (${lookups.range})`, `<= ${GOAL_LOOKUP_RATIO}`],
      ['a change of a pod', `${churn.changeUs.toFixed(1)} us`, ''],
      [
        `${CHANGES_A_SECOND} changes a second, of a core`,
        `${(100 * churn.part).toFixed(3)} %`,
        `< ${100 * GOAL_CHURN_PART} %`,
      ],
    ])}\n`,
  );
  const areMet =
    named.residentBytes <= GOAL_MEMORY_BYTES && lookups.ratio <= GOAL_LOOKUP_RATIO && churn.part < GOAL_CHURN_PART;
  if (!areMet) process.exitCode = 1;
}

interface Size {
  readonly pods: number;
  readonly nodes: number;
}

/** Puts a whole cluster; each text is made anew, as by JSON.parse, except those that caches share. */
function load(index: ClusterIndex, { pods, nodes }: Size): number {
  const startMs = performance.now();
  for (let i = 0; i < nodes; i++) {
    index.put(
      'nodes',
      {
        uid: uid('node', i),
        name: nodeName(i),
        addresses: [`172.${16 + (i >> 16)}.${(i >> 8) & 255}.${i & 255}`],
        podCidrs: [`10.${i >> 8}.${i & 255}.0/24`],
        providerId: `aws:///eu-west-1${'abc'[i % 3]}/i-${i}`,
        labels: { 'topology.k8s.aws/zone-id': `euw1-az${1 + (i % 3)}` },
        createdUs: START_US,
      },
      START_US,
    );
  }
  for (let i = 0; i < pods / PODS_A_SET; i++) {
    const { apiVersion, kind, name, uid: ownerUid } = replicaSet(i);
    const owner = { apiVersion, kind: 'Deployment', name: `deployment-${i}`, uid: uid('deployment', i) };
    index.put('owners', { uid: ownerUid, apiVersion, kind, namespace: namespaceOf(i), name, owner }, START_US);
    index.put(
      'services',
      {
        uid: uid('service', i),
        namespace: namespaceOf(i),
        name: `service-${i}`,
        type: 'ClusterIP',
        clusterIps: [`172.31.${(i >> 8) & 255}.${i & 255}`],
        externalIps: [],
        ports: [{ protocol: 'tcp', port: 80, nodePort: 0 }],
        createdUs: START_US,
      },
      START_US,
    );
  }
  let owner = replicaSet(0);
  for (let i = 0; i < pods; i++) {
    if (i % PODS_A_SET === 0) owner = replicaSet(i / PODS_A_SET);
    index.put('pods', pod(i, i, nodes, owner), START_US);
  }
  for (const resource of RESOURCES) index.heard(resource, START_US + 10 * MINUTE_US);
  return performance.now() - startMs;
}

/** Interleaved, so that a slow moment of the machine slows both. */
function compareLookups(index: ClusterIndex, keys: readonly string[], rounds: number) {
  const map = new Map(keys.map((key) => [key, { key }]));
  const [mapNs, indexNs]: [number[], number[]] = [[], []];
  const startUs = START_US + MINUTE_US;
  for (let round = -2; round < rounds; round++) {
    // Texts of their own, as a batch has them: neither has seen them before.
    const asked = JSON.parse(JSON.stringify(keys)) as string[];
    const others = JSON.parse(JSON.stringify(keys)) as string[];
    const first = perKeyNs(asked, (key) => map.get(key));
    const second = perKeyNs(others, (key) => index.lookupAddress(key, startUs, startUs + MINUTE_US));
    if (round < 0) continue;
    mapNs.push(first);
    indexNs.push(second);
  }
  const ratios = indexNs.map((ns, i) => ns / mapNs[i]!);
  return {
    mapNs: median(mapNs),
    indexNs: median(indexNs),
    ratio: medianRatio(indexNs, mapNs),
    range: range(ratios)
      .map((ratio) => ratio.toFixed(2))
      .join(' to '),
  };
}

function perKeyNs(keys: readonly string[], lookup: (key: string) => object | undefined): number {
  let missing = 0;
  const startMs = performance.now();
  for (const key of keys) if (lookup(key) === undefined) missing++;
  const ns = ((performance.now() - startMs) * 1e6) / keys.length;
  if (missing > 0) throw new Error(`${missing} of ${keys.length} keys were not found`);
  return ns;
}

/** Lives of pods one after another, each on the address of one that ended before it. */
function changePods(index: ClusterIndex, { pods, nodes }: Size): { changeUs: number; part: number } {
  let atUs = START_US + 10 * MINUTE_US;
  let changes = 0;
  const before = process.cpuUsage();
  for (let i = 0; i < pods; i++) {
    const owner = replicaSet(Math.floor(i / PODS_A_SET));
    const old = pod(i, i, nodes, owner);
    const next: PodObject = { ...pod(pods + i, i, nodes, owner), createdUs: atUs, startedUs: atUs };
    const ended: PodObject = { ...old, phase: 'Succeeded', endedUs: atUs };
    index.put('pods', { ...old, deletedUs: atUs }, atUs);
    index.put('pods', ended, atUs);
    index.remove('pods', old.uid, ended, atUs);
    index.put('pods', { ...next, addresses: [], phase: 'Pending' }, atUs);
    index.put('pods', next, atUs);
    changes += CHANGES_A_POD;
    atUs += (CHANGES_A_POD * 1e6) / CHANGES_A_SECOND;
    index.heard('pods', atUs);
  }
  const { user, system } = process.cpuUsage(before);
  const changeUs = (user + system) / changes;
  return { changeUs, part: (changeUs * CHANGES_A_SECOND) / 1e6 };
}

function pod(id: number, place: number, nodes: number, owner: OwnerReference): PodObject {
  return {
    uid: uid('pod', id),
    namespace: namespaceOf(Math.floor(place / PODS_A_SET)),
    name: `${owner.name}-${(id * 7919).toString(36).padStart(5, 'x')}`,
    nodeName: nodeName(place % nodes),
    hostNetwork: false,
    phase: 'Running',
    addresses: [address(place)],
    createdUs: START_US,
    startedUs: START_US,
    endedUs: null,
    deletedUs: null,
    owner,
    labels: { app: 'shop', team: 'payments' },
  };
}

const NODE_NAMES: string[] = [];

/** Caches keep one text for each node. */
function nodeName(i: number): string {
  NODE_NAMES[i] ??= `ip-10-${i >> 8}-${i & 255}-1.eu-west-1.compute.internal`;
  return NODE_NAMES[i];
}

const NAMESPACES = Array.from({ length: 200 }, (_, i) => `namespace-${i}`);

function namespaceOf(i: number): string {
  return NAMESPACES[i % NAMESPACES.length]!;
}

function replicaSet(i: number): OwnerReference {
  return { apiVersion: 'apps/v1', kind: 'ReplicaSet', name: `deployment-${i}-5d4f7c9b6`, uid: uid('set', i) };
}

function uid(kind: string, i: number): string {
  return `${kind.padEnd(8, '0')}-0000-4000-8000-${i.toString(16).padStart(12, '0')}`;
}

/** The i-th pod's: in the range of its node. */
function address(i: number): string {
  const node = i % 5000;
  return `10.${node >> 8}.${node & 255}.${2 + Math.floor(i / 5000)}`;
}

/** After a collection of garbage: what is resident, and what of the heap and of buffers is in use. */
function memory(): { readonly residentBytes: number; readonly heapBytes: number } {
  collectGarbage();
  const { heapUsed, arrayBuffers } = process.memoryUsage();
  return { residentBytes: processMemory(process.pid).residentBytes, heapBytes: heapUsed + arrayBuffers };
}

function mib(bytes: number): string {
  return `${(bytes / MIB).toFixed(0)} MiB`;
}

/** The same order each time. */
function shuffled<T>(values: T[]): T[] {
  let state = 20260131;
  for (let i = values.length - 1; i > 0; i--) {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    const j = state % (i + 1);
    [values[i], values[j]] = [values[j]!, values[i]!];
  }
  return values;
}
