// A cluster as its API tells it: takes what the caches hear, answers whose an address was in a window. It changes as it hears, between
// two turns of the event loop, and is one Topology for ever: 150,000 pods are not copied for each batch. Which rules decide is said
// where they are: pod-life.ts, address-history.ts, owner-chains.ts, node-place.ts.
import type {
  ClusterObjects,
  ClusterResource,
  ClusterSink,
  NodeObject,
  SliceEndpoint,
} from '../../model/cluster-objects.ts';
import type { EndpointRow } from '../../model/endpoint-row.ts';
import type {
  AddressOwner,
  NodeIdentity,
  Place,
  PodIdentity,
  PrefixSummary,
  ServiceIdentity,
  Topology,
  TopologySource,
} from '../../model/topology.ts';
import { summaryOf } from '../prefix-summary.ts';
import {
  AddressHistory,
  type HoldingRecord,
  lastHeardUs,
  NEVER_SURE,
  type RecordRule,
  SILENCE_US,
} from './address-history.ts';
import { ManualEndpoints } from './manual-endpoints.ts';
import { NamespaceLabels } from './namespace-labels.ts';
import { NodeHolder, Nodes } from './nodes.ts';
import { OwnerChains } from './owner-chains.ts';
import { PodHolder, type PodNaming } from './pod-holder.ts';
import { PodRanges } from './pod-ranges.ts';
import { Pods } from './pods.ts';
import { AddressSet, prefixOf } from './prefixes.ts';
import { Services } from './services.ts';

export interface ClusterIndexOptions {
  /** For how long what is over is kept, ms; at least as long as agents keep batches. Default: a day. */
  readonly keepMs?: number;
  /** Most holdings of addresses that are over. Default: 500,000. */
  readonly endedMax?: number;
}

/** A holding to be recorded. */
export interface DueHolding extends Omit<EndpointRow, 'cluster'> {
  readonly slot: number;
}

/** What is known, in numbers. */
export interface ClusterIndexCounts {
  /** Pods with addresses of their own. */
  readonly pods: number;
  readonly nodes: number;
  readonly services: number;
  readonly namespaces: number;
  readonly owners: number;
  /** Addresses of pods and nodes of which something is known. */
  readonly addresses: number;
  /** Holdings that are over, kept for late batches. */
  readonly ended: number;
  /** Holdings that had to go early for want of room, since the start: late batches may lack their names. */
  readonly droppedForRoom: number;
}

const KEEP_MS = 86_400_000;
const ENDED_MAX = 500_000;

type Puts = { readonly [R in ClusterResource]: (object: ClusterObjects[R], atUs: number) => void };
type Removes = {
  readonly [R in ClusterResource]: (uid: string, last: ClusterObjects[R] | undefined, atUs: number) => void;
};

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

const neverHeard = () => ({ untilUs: Number.NEGATIVE_INFINITY });

export class ClusterIndex implements ClusterSink, TopologySource, Topology {
  readonly #heard = {
    pods: neverHeard(),
    nodes: neverHeard(),
    services: neverHeard(),
    endpointslices: neverHeard(),
    namespaces: neverHeard(),
    owners: neverHeard(),
  };
  /** Addresses of pods and nodes together: in some networks one is a node's today and a pod's tomorrow. */
  readonly #holdings: AddressHistory;
  readonly #held = new AddressSet();
  readonly #pods: Pods;
  readonly #nodes: Nodes;
  readonly #ranges: PodRanges;
  readonly #services: Services;
  readonly #endpoints: ManualEndpoints;
  readonly #namespaces: NamespaceLabels;
  readonly #owners: OwnerChains;
  /** Plain numbers in it, because every lookup compares them. */
  readonly #naming = this.#createNaming();
  readonly #listeners = new Set<(address: string) => void>();
  readonly #keepUs: number;

  constructor(options: ClusterIndexOptions = {}) {
    const keepUs = (options.keepMs ?? KEEP_MS) * 1000;
    this.#keepUs = keepUs;
    const rules = { keepUs, endedMax: options.endedMax ?? ENDED_MAX };
    this.#holdings = new AddressHistory(
      { ...rules, isExclusive: true },
      (address) => this.#onBegin(address),
      (address) => this.#held.delete(address),
    );
    this.#nodes = new Nodes(keepUs, this.#heard.nodes);
    this.#ranges = new PodRanges(rules);
    this.#services = new Services(rules, this.#heard.services);
    this.#endpoints = new ManualEndpoints(rules, this.#heard.endpointslices, (endpoint) => this.#placeOf(endpoint));
    this.#namespaces = new NamespaceLabels(keepUs);
    this.#owners = new OwnerChains(keepUs, rules.endedMax);
    this.#pods = new Pods(this.#holdings, this.#naming, keepUs);
  }

  put<R extends ClusterResource>(resource: R, object: ClusterObjects[R], atUs: number): void {
    this.#expire(atUs);
    this.#puts[resource](object, atUs);
  }

  remove<R extends ClusterResource>(resource: R, uid: string, last: ClusterObjects[R] | undefined, atUs: number): void {
    this.#expire(atUs);
    this.#removes[resource](uid, last, atUs);
  }

  heard(resource: ClusterResource, atUs: number): void {
    this.#heard[resource].untilUs = Math.max(this.#heard[resource].untilUs, atUs);
  }

  get counts(): ClusterIndexCounts {
    return {
      pods: this.#pods.size,
      nodes: this.#nodes.size,
      services: this.#services.size,
      namespaces: this.#namespaces.size,
      owners: this.#owners.size,
      addresses: this.#holdings.size,
      ...this.#holdings.counts,
    };
  }

  /** Until when it has been heard of pods and nodes, µs; -Infinity before that. */
  get heardUntilUs(): number {
    return Math.min(this.#heard.pods.untilUs, this.#heard.nodes.untilUs);
  }

  /** Holdings of pods and nodes that are to be recorded; they count as recorded until they are given back. */
  takeHoldings(rule: RecordRule): DueHolding[] {
    return this.#holdings.takeUnrecorded(rule).flatMap((record) => rowOf(record, rule.atUs) ?? []);
  }

  /** These could not be recorded. */
  giveBack(holdings: readonly DueHolding[]): void {
    for (const { slot, recordedUs } of holdings) this.#holdings.giveBack(slot, recordedUs);
  }

  /**
   * Takes in what was recorded before the start, when all that exists has been heard of. Who held an address then and is not known
   * now ended since; whose end was heard of here, while the rows were read, is known better. Returns how many holdings were taken in.
   */
  restore(rows: readonly EndpointRow[], atUs: number): number {
    const recent = rows.filter(
      (row) => (row.toUs ?? atUs) >= atUs - this.#keepUs && !(row.toUs === null && this.#isKnown(row)),
    );
    let count = 0;
    const nodes = Map.groupBy(
      recent.filter(({ kind }) => kind === 'node'),
      ({ uid }) => uid,
    );
    for (const [uid, itsRows] of nodes) {
      const known = this.#nodes.byUid(uid);
      const holder = known ?? this.#nodes.restoreGone(itsRows, atUs);
      if (holder === undefined) continue;
      for (const row of itsRows) {
        if (known !== undefined && row.toUs === null) continue;
        const { fromUs, toUs, heardUs, recordedUs } = row;
        const times = { fromUs, toUs: toUs ?? atUs, sureUntilUs: row.sureUntilUs ?? NEVER_SURE, heardUs };
        this.#holdings.restore(holder, row.address, times, atUs, toUs === null ? undefined : recordedUs);
        count++;
      }
    }
    for (const row of recent) if (row.kind === 'pod' && this.#pods.restore(row, atUs)) count++;
    this.#naming.generation++;
    this.#expire(atUs);
    return count;
  }

  #isKnown({ address, uid }: EndpointRow): boolean {
    return this.#holdings.someHolder(
      address,
      (holder) => (holder instanceof PodHolder || holder instanceof NodeHolder) && holder.uid === uid,
    );
  }

  /** The nodes that exist, by name, and when each was made: µs, of the cluster's clock. */
  get nodesCreatedUs(): ReadonlyMap<string, number> {
    return this.#nodes.createdUs;
  }

  /** Calls `listener` with each address that a pod or a node begins to hold; returns how to stop that. */
  onHeld(listener: (address: string) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Whether the API server has told of pods lately: who is not known yet may come. */
  isTold(nowUs: number): boolean {
    return this.#heard.pods.untilUs > nowUs - SILENCE_US;
  }

  /** Whether no pod or node is known that held the address in the window, as far as that can be known yet. */
  isUnheld(address: string, startUs: number, endUs: number): boolean {
    const owner = this.#holdings.lookup(address, startUs, endUs);
    return owner === undefined || owner.certainty === 'stale';
  }

  snapshot(): Topology {
    return this;
  }

  lookupNode(name: string): NodeIdentity | undefined {
    return this.#nodes.lookup(name);
  }

  lookupAddress(address: string, startUs: number, endUs: number): AddressOwner | undefined {
    return (
      this.#holdings.lookup(address, startUs, endUs) ??
      this.#services.lookupAddress(address, startUs, endUs) ??
      this.#endpoints.lookup(address, startUs, endUs) ??
      (address.includes('/') ? undefined : this.#ranges.lookupAddress(address, startUs, endUs))
    );
  }

  lookupPrefix(text: string, startUs: number, endUs: number): PrefixSummary | undefined {
    const prefix = prefixOf(text);
    if (prefix === undefined) return undefined;
    const members: (NodeIdentity | PodIdentity)[] = [];
    for (const address of this.#held.within(prefix)) {
      const identity = this.#holdings.lookup(address, startUs, endUs)?.identity;
      if (identity?.kind === 'pod' || identity?.kind === 'node') members.push(identity);
    }
    const summary = summaryOf(members);
    if (summary !== undefined) return summary;
    const node = this.#ranges.lookupPrefix(text, startUs, endUs);
    return node && { ...node, nodes: new Set([node.name]), kind: null };
  }

  lookupNodePort(
    port: number,
    protocol: number,
    address: string,
    startUs: number,
    endUs: number,
  ): ServiceIdentity | undefined {
    return this.#services.lookupPort(address, protocol, port, startUs, endUs);
  }

  inClusterRanges(address: string): boolean {
    return this.#ranges.includes(address);
  }

  readonly #puts: Puts = {
    pods: (pod, atUs) => this.#pods.put(pod, atUs),
    nodes: (node, atUs) => this.#putNode(node, atUs),
    services: (service, atUs) => this.#services.put(service, atUs),
    endpointslices: (slice, atUs) => this.#endpoints.put(slice, atUs),
    namespaces: (namespace) => {
      if (this.#namespaces.put(namespace)) this.#naming.generation++;
    },
    owners: (owner) => {
      if (this.#owners.put(owner)) this.#naming.generation++;
      this.#naming.ownersHeardCount = this.#owners.heardCount;
    },
  };

  readonly #removes: Removes = {
    pods: (uid, last, atUs) => this.#pods.remove(uid, last, atUs),
    nodes: (uid, _, atUs) => this.#removeNode(uid, atUs),
    services: (uid, _, atUs) => this.#services.remove(uid, atUs),
    endpointslices: (uid, _, atUs) => this.#endpoints.remove(uid, atUs),
    namespaces: (uid, _, atUs) => this.#namespaces.remove(uid, atUs),
    owners: (uid, _, atUs) => this.#owners.remove(uid, atUs),
  };

  #putNode(node: NodeObject, atUs: number): void {
    const isNew = this.#nodes.byUid(node.uid) === undefined;
    const { holder, isChanged } = this.#nodes.put(node);
    if (isChanged) this.#naming.generation++;
    const fromUs = isNew ? node.createdUs : lastHeardUs(holder, atUs);
    this.#holdings.hold(holder, holder.addresses, node.addresses, fromUs, atUs);
    this.#ranges.put(holder, node, fromUs, atUs);
  }

  #removeNode(uid: string, atUs: number): void {
    const holder = this.#nodes.byUid(uid);
    if (holder === undefined) return;
    this.#nodes.remove(uid, atUs);
    this.#holdings.release(holder, holder.addresses, atUs);
    this.#ranges.remove(holder, atUs);
  }

  #expire(nowUs: number): void {
    this.#holdings.expire(nowUs);
    this.#ranges.expire(nowUs);
    this.#services.expire(nowUs);
    this.#endpoints.expire(nowUs);
    this.#nodes.expire(nowUs);
    this.#namespaces.expire(nowUs);
    this.#owners.expire(nowUs);
  }

  #onBegin(address: string): void {
    this.#held.add(address);
    for (const listener of this.#listeners) listener(address);
  }

  #placeOf({ nodeName, zone }: SliceEndpoint): Place {
    const node = nodeName === null ? undefined : this.#nodes.lookup(nodeName);
    if (node !== undefined) return node;
    // Slices have the name, or what else their node's label says: rows have what nodes have.
    const neighbour = zone === null ? undefined : this.#nodes.someoneIn(zone);
    return neighbour ?? { provider: null, region: null, zone };
  }

  #createNaming(): Mutable<PodNaming> {
    return {
      heard: this.#heard.pods,
      generation: 0,
      ownersHeardCount: 0,
      workload: (owner) => this.#owners.top(owner),
      hostOf: (nodeName, endUs) => this.#nodes.hostOf(nodeName, endUs),
      labels: (namespace, own) => this.#namespaces.of(namespace, own),
    };
  }
}

/** What is recorded of a holding; undefined of a holder that is neither pod nor node. */
function rowOf({ holder, ...holding }: HoldingRecord, recordedUs: number): DueHolding | undefined {
  if (!(holder instanceof PodHolder || holder instanceof NodeHolder)) return undefined;
  const { identity } = holder.ownerAs('exact');
  const { uid } = holder;
  if (identity.kind === 'node') {
    const { name: node, provider, region, zone, zoneId = null } = identity;
    const nobody = { namespace: null, pod: null, workloadKind: null, workload: null, labels: null };
    return { ...holding, recordedUs, kind: 'node', uid, ...nobody, node, provider, region, zone, zoneId };
  }
  if (identity.kind !== 'pod') return undefined;
  const { namespace, name: pod, workloadKind, workload } = identity;
  const { name: node, provider, region, zone, zoneId = null } = identity.node;
  const labels = JSON.stringify(identity.labels);
  return {
    ...holding,
    recordedUs,
    kind: 'pod',
    uid,
    namespace,
    pod,
    workloadKind,
    workload,
    labels,
    node,
    provider,
    region,
    zone,
    zoneId,
  };
}
