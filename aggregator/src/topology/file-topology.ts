// A topology that a file describes: it holds for all time, so every name in it is exact. Implements model/topology.ts.
import { readFileSync } from 'node:fs';
import {
  canonicalText,
  contains,
  type Ip,
  type Prefix,
  parsePrefix,
  sortableRange,
  sortableText,
} from '../document/address.ts';
import { type DocumentKind, Problems } from '../document/problems.ts';
import { FlowtollError } from '../model/errors.ts';
import type {
  AddressOwner,
  ExternalIdentity,
  Identity,
  NodeIdentity,
  PodIdentity,
  PrefixSummary,
  ServiceIdentity,
  Topology,
  TopologySource,
} from '../model/topology.ts';
import { type CheckedTopology, checkTopology } from './check.ts';
import { readDocument } from './document.ts';
import { summaryOf } from './prefix-summary.ts';
import type { ExternalEntry, NodeEntry } from './schema.ts';
import { type SaidPlace, saidPlace, ZoneNames } from './zone-names.ts';

const TOPOLOGY_FILE: DocumentKind = { name: 'topology file', code: 'TOPOLOGY_INVALID', page: 'docs/topology.md' };

/** Providers for which there is a price book. */
const PRICED_PROVIDERS = new Set(['aws', 'gcp', 'azure']);

/** Lookups of outside addresses kept at most; they repeat from batch to batch, and there may be any number of them. */
const CACHE_ENTRIES_MAX = 65_536;

/** A topology file, read. */
export interface TopologyFile {
  readonly source: TopologySource;
  /** Name of the cluster, if the file gives one. */
  readonly cluster: string | undefined;
  /** Where addresses of other clusters are their own. */
  readonly otherClusters: CheckedTopology['clusters'];
  /** What is allowed but perhaps not meant; for the log. */
  readonly notes: readonly string[];
}

export interface TopologyFileOptions {
  /** Whether the file must list nodes, because nobody else says which there are. Default: yes. */
  readonly needsNodes?: boolean;
}

/** Reads a topology file. Throws TOPOLOGY_INVALID, listing every problem. */
export function loadTopologyFile(path: string, options: TopologyFileOptions = {}): TopologyFile {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (cause) {
    const reason = cause instanceof Error ? cause.message : String(cause);
    throw new FlowtollError(
      'TOPOLOGY_INVALID',
      `topology file ${path} cannot be read: ${reason}; check the path and its permissions`,
      { cause },
    );
  }
  return parseTopology(text, path, options);
}

/** Parses the text of a topology file, YAML or JSON; `file` names it in errors. */
export function parseTopology(text: string, file: string, options: TopologyFileOptions = {}): TopologyFile {
  const problems = new Problems(TOPOLOGY_FILE);
  const document = readDocument(text, problems, options.needsNodes ?? true);
  const checked = document === undefined ? undefined : checkTopology(document, problems);
  problems.throwIfAny(file);
  if (document === undefined || checked === undefined) {
    throw new FlowtollError('TOPOLOGY_INVALID', `topology file ${file} cannot be read`);
  }
  const topology = new FileTopology(checked);
  return {
    source: { snapshot: () => topology },
    cluster: document.cluster,
    otherClusters: checked.clusters,
    notes: notesOf(checked),
  };
}

function notesOf({ nodes }: CheckedTopology): string[] {
  const unpriced = new Map<string, string[]>();
  for (const { entry } of nodes) {
    if (entry.provider !== undefined && !PRICED_PROVIDERS.has(entry.provider)) {
      unpriced.set(entry.provider, [...(unpriced.get(entry.provider) ?? []), entry.name]);
    }
  }
  return [...unpriced].map(
    ([provider, names]) =>
      `provider "${provider}" of ${names.length} node(s) (${names.slice(0, 3).join(', ')}${names.length > 3 ? ', …' : ''}) is not one of ${[...PRICED_PROVIDERS].join(', ')}: their traffic is counted but not priced`,
  );
}

interface NamedPrefix {
  readonly prefix: Prefix;
  readonly owner: AddressOwner;
}

interface Member {
  /** As `sortableText` has it. */
  readonly address: string;
  readonly identity: NodeIdentity | PodIdentity;
}

interface Outside {
  readonly owner: AddressOwner | undefined;
  readonly inClusterRanges: boolean;
}

class FileTopology implements Topology {
  readonly isTimeless = true;
  readonly #nodes = new Map<string, NodeIdentity>();
  readonly #owners = new Map<string, AddressOwner>();
  readonly #nodePorts = new Map<number, ServiceIdentity>();
  /** Pods and nodes with each address, in the order of the addresses, to summarise prefixes. */
  readonly #members: readonly Member[];
  /** Longest prefix first. */
  readonly #external: readonly NamedPrefix[];
  readonly #clusterRanges: readonly Prefix[];
  readonly #outside = new Map<string, Outside>();
  readonly #summaries = new Map<string, PrefixSummary | undefined>();
  readonly #zoneNames: ZoneNames;

  constructor(checked: CheckedTopology) {
    // Without nodes they are Kubernetes', which has names.
    this.#zoneNames = new ZoneNames(checked.nodes.length === 0);
    for (const { entry } of checked.nodes) this.#zoneNames.learn(saidPlace(entry));
    const members = [...this.#addNodes(checked), ...this.#addPods(checked)];
    this.#members = members.sort((a, b) => (a.address < b.address ? -1 : 1));
    this.#addServices(checked);
    this.#external = checked.external
      .flatMap(({ entry, prefixes }) => {
        const identity: ExternalIdentity = { kind: 'external', name: entry.name, ...this.#placeOf(entry) };
        return prefixes.map((prefix) => ({ prefix, owner: exact(identity) }));
      })
      .sort((a, b) => b.prefix.bits - a.prefix.bits);
    this.#clusterRanges = checked.clusterRanges;
  }

  lookupNode(name: string): NodeIdentity | undefined {
    return this.#nodes.get(name);
  }

  lookupAddress(address: string): AddressOwner | undefined {
    return this.#owners.get(address) ?? this.#lookupOutside(address).owner;
  }

  lookupPrefix(prefix: string): PrefixSummary | undefined {
    if (!this.#summaries.has(prefix)) {
      makeRoom(this.#summaries);
      this.#summaries.set(prefix, this.#summarise(prefix));
    }
    return this.#summaries.get(prefix);
  }

  lookupNodePort(port: number): ServiceIdentity | undefined {
    return this.#nodePorts.get(port);
  }

  inClusterRanges(address: string): boolean {
    return this.#lookupOutside(address).inClusterRanges;
  }

  #addNodes({ nodes }: CheckedTopology): Member[] {
    const members: Member[] = [];
    for (const { entry, addresses } of nodes) {
      const identity: NodeIdentity = {
        kind: 'node',
        name: entry.name,
        addresses: addresses.map(canonicalText),
        ...this.#placeOf(entry),
      };
      this.#nodes.set(entry.name, identity);
      members.push(...this.#addOwner(identity, addresses));
    }
    return members;
  }

  #placeOf(entry: NodeEntry | ExternalEntry): SaidPlace {
    return this.#zoneNames.resolve(saidPlace(entry));
  }

  #addPods({ pods }: CheckedTopology): Member[] {
    const members: Member[] = [];
    for (const { entry, addresses } of pods) {
      const node = this.#nodes.get(entry.node);
      if (entry.hostNetwork === true || node === undefined) {
        continue;
      }
      const identity: PodIdentity = {
        kind: 'pod',
        namespace: entry.namespace,
        name: entry.name,
        node,
        // A pod that nobody owns is its own workload, so that grouping by workload hides no traffic.
        workloadKind: entry.workload?.kind ?? 'Pod',
        workload: entry.workload?.name ?? entry.name,
        labels: entry.labels ?? {},
      };
      members.push(...this.#addOwner(identity, addresses));
    }
    return members;
  }

  #addServices({ services }: CheckedTopology): void {
    for (const { entry, addresses } of services) {
      const identity: ServiceIdentity = { kind: 'service', namespace: entry.namespace, name: entry.name };
      for (const ip of addresses) {
        this.#owners.set(canonicalText(ip), exact(identity));
      }
      for (const port of entry.nodePorts ?? []) {
        this.#nodePorts.set(port, identity);
      }
    }
  }

  #addOwner(identity: NodeIdentity | PodIdentity, addresses: readonly Ip[]): Member[] {
    const owner = exact(identity);
    return addresses.map((ip) => {
      this.#owners.set(canonicalText(ip), owner);
      return { address: sortableText(ip), identity };
    });
  }

  #lookupOutside(address: string): Outside {
    let outside = this.#outside.get(address);
    if (outside === undefined) {
      makeRoom(this.#outside);
      outside = this.#resolveOutside(address);
      this.#outside.set(address, outside);
    }
    return outside;
  }

  #resolveOutside(address: string): Outside {
    const parsed = parsePrefix(address, true);
    if ('problem' in parsed) {
      return { owner: undefined, inClusterRanges: false };
    }
    return {
      owner: this.#external.find(({ prefix }) => contains(prefix, parsed.value))?.owner,
      inClusterRanges: this.#clusterRanges.some((range) => contains(range, parsed.value)),
    };
  }

  #summarise(text: string): PrefixSummary | undefined {
    const parsed = parsePrefix(text, true);
    if ('problem' in parsed) {
      return undefined;
    }
    return summaryOf(this.#membersIn(parsed.value).map(({ identity }) => identity));
  }

  #membersIn(prefix: Prefix): readonly Member[] {
    const { first, last } = sortableRange(prefix);
    return this.#members.slice(this.#countBefore(first, false), this.#countBefore(last, true));
  }

  /** How many members have an address below `bound`, or at it where that counts. */
  #countBefore(bound: string, atCounts: boolean): number {
    let low = 0;
    let high = this.#members.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      const { address } = this.#members[middle]!;
      if (address < bound || (atCounts && address === bound)) {
        low = middle + 1;
      } else {
        high = middle;
      }
    }
    return low;
  }
}

function exact(identity: Identity): AddressOwner {
  return { identity, certainty: 'exact' };
}

function makeRoom(cache: Map<string, unknown>): void {
  if (cache.size >= CACHE_ENTRIES_MAX) {
    cache.clear();
  }
}
