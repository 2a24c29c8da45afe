// Contradictions between the entries of a topology file, and canonical text for every address in it. Reports all it
// finds; what it returns may be used only if it reported nothing.

import { canonicalText, contains, type Ip, type Prefix, parseAddress, parsePrefix } from '../document/address.ts';
import { type Path, type Problems, pathText } from '../document/problems.ts';
import { checkZones } from './check-zones.ts';
import type { Located, TopologyDocument } from './document.ts';
import type { ClusterEntry, ExternalEntry, NodeEntry, PodEntry, ServiceEntry } from './schema.ts';

/** An entry with its addresses in canonical form. */
export interface Checked<T> {
  readonly entry: T;
  readonly addresses: readonly Ip[];
}

/** A file without contradictions. */
export interface CheckedTopology {
  readonly nodes: readonly Checked<NodeEntry>[];
  readonly pods: readonly Checked<PodEntry>[];
  readonly services: readonly Checked<ServiceEntry>[];
  readonly external: readonly { readonly entry: ExternalEntry; readonly prefixes: readonly Prefix[] }[];
  readonly clusterRanges: readonly Prefix[];
  /** Other clusters, and where their addresses are their own. */
  readonly clusters: readonly { readonly name: string; readonly ranges: readonly Prefix[] }[];
}

/** Checks the whole document; problems go to `problems`. */
export function checkTopology(document: TopologyDocument, problems: Problems): CheckedTopology {
  const owners = new AddressOwners(problems);
  checkUnique(document.nodes, (node) => node.name, 'node', problems);
  checkZones(document.nodes, document.external, problems);
  const nodes = document.nodes.map((node) => checkNode(node, owners));
  checkUnique(document.pods, (pod) => `${pod.namespace}/${pod.name}`, 'pod', problems);
  const nodeAddresses = addressesByNode(nodes);
  const pods = document.pods.map((pod) => checkPod(pod, document, nodeAddresses, owners, problems));
  checkUnique(document.services, (service) => `${service.namespace}/${service.name}`, 'service', problems);
  const services = document.services.map((service) => checkService(service, owners));
  checkNodePorts(document.services, problems);
  checkUnique(document.external, (external) => external.name, 'external', problems);
  const external = checkExternal(document.external, problems);
  checkUnique(document.clusters, (cluster) => cluster.name, 'cluster', problems);
  const clusters = checkClusters(document.clusters, problems);
  return { nodes, pods, services, external, clusterRanges: rangesOf(document), clusters };
}

/** Remembers who has an address, and reports the second one. */
class AddressOwners {
  readonly #owners = new Map<string, { readonly what: string; readonly path: Path }>();
  readonly #problems: Problems;

  constructor(problems: Problems) {
    this.#problems = problems;
  }

  claim(ip: Ip, what: string, path: Path, advice: string): void {
    const text = canonicalText(ip);
    const owner = this.#owners.get(text);
    if (owner !== undefined) {
      this.#problems.add(path, `${text} is also the address of ${owner.what} (${pathText(owner.path)}); ${advice}`);
      return;
    }
    this.#owners.set(text, { what, path });
  }
}

function checkUnique<T>(
  entries: readonly Located<T>[],
  nameOf: (entry: T) => string,
  what: string,
  problems: Problems,
): void {
  const seen = new Map<string, Path>();
  for (const { path, entry } of entries) {
    const name = nameOf(entry);
    const first = seen.get(name);
    if (first !== undefined) {
      problems.add([...path, 'name'], `${what} ${name} is also ${pathText(first)}; give each ${what} one entry`);
    } else {
      seen.set(name, path);
    }
  }
}

/** The schema let no text through that does not parse. */
function located(texts: readonly string[], path: Path): { ip: Ip; path: Path }[] {
  return texts.flatMap((text, index) => {
    const parsed = parseAddress(text);
    return 'problem' in parsed ? [] : [{ ip: parsed.value, path: [...path, 'addresses', index] }];
  });
}

function checkNode({ path, entry }: Located<NodeEntry>, owners: AddressOwners): Checked<NodeEntry> {
  const addresses = located(entry.addresses, path);
  for (const { ip, path: addressPath } of addresses) {
    owners.claim(ip, `node ${entry.name}`, addressPath, 'give each node its own addresses');
  }
  return { entry, addresses: addresses.map(({ ip }) => ip) };
}

function addressesByNode(nodes: readonly Checked<NodeEntry>[]): Map<string, Set<string>> {
  return new Map(nodes.map(({ entry, addresses }) => [entry.name, new Set(addresses.map(canonicalText))]));
}

function checkPod(
  { path, entry }: Located<PodEntry>,
  document: TopologyDocument,
  nodeAddresses: ReadonlyMap<string, ReadonlySet<string>>,
  owners: AddressOwners,
  problems: Problems,
): Checked<PodEntry> {
  if (!document.nodeNames.has(entry.node)) {
    problems.add([...path, 'node'], `node ${entry.node} is not in nodes; add it there, or correct the name`);
  }
  const addresses = located(entry.addresses, path);
  const own = nodeAddresses.get(entry.node);
  for (const { ip, path: addressPath } of addresses) {
    if (entry.hostNetwork !== true) {
      const advice = 'give each pod its own addresses, or set hostNetwork: true if it uses those of its node';
      owners.claim(ip, `pod ${entry.namespace}/${entry.name}`, addressPath, advice);
    } else if (own !== undefined && !own.has(canonicalText(ip))) {
      problems.add(
        addressPath,
        `${canonicalText(ip)} is not an address of node ${entry.node}, but the pod has hostNetwork: true; list it under the node, or remove hostNetwork`,
      );
    }
  }
  return { entry, addresses: addresses.map(({ ip }) => ip) };
}

function checkService({ path, entry }: Located<ServiceEntry>, owners: AddressOwners): Checked<ServiceEntry> {
  const addresses = located(entry.addresses ?? [], path);
  for (const { ip, path: addressPath } of addresses) {
    const advice = 'a service needs addresses of its own; for ports on node addresses list nodePorts';
    owners.claim(ip, `service ${entry.namespace}/${entry.name}`, addressPath, advice);
  }
  return { entry, addresses: addresses.map(({ ip }) => ip) };
}

function checkNodePorts(services: readonly Located<ServiceEntry>[], problems: Problems): void {
  const seen = new Map<number, { readonly what: string; readonly path: Path }>();
  for (const { path, entry } of services) {
    const what = `${entry.namespace}/${entry.name}`;
    (entry.nodePorts ?? []).forEach((port, index) => {
      const portPath = [...path, 'nodePorts', index];
      const first = seen.get(port);
      if (first === undefined) {
        seen.set(port, { what, path: portPath });
      } else if (first.what !== what) {
        problems.add(
          portPath,
          `${port} is also a node port of service ${first.what} (${pathText(first.path)}); keep one`,
        );
      }
    });
  }
}

function checkExternal(
  entries: readonly Located<ExternalEntry>[],
  problems: Problems,
): { entry: ExternalEntry; prefixes: Prefix[] }[] {
  const seen = new Map<string, Path>();
  return entries.map(({ path, entry }) => {
    const prefixes = locatedPrefixes(entry.addresses, [...path, 'addresses']);
    for (const { prefix, path: prefixPath } of prefixes) {
      const text = `${canonicalText(prefix.network)}/${prefix.bits}`;
      const first = seen.get(text);
      if (first === undefined) {
        seen.set(text, prefixPath);
      } else {
        problems.add(prefixPath, `${text} is also ${pathText(first)}; name it once`);
      }
    }
    return { entry, prefixes: prefixes.map(({ prefix }) => prefix) };
  });
}

/** An address is one cluster's at most. */
function checkClusters(
  entries: readonly Located<ClusterEntry>[],
  problems: Problems,
): { name: string; ranges: Prefix[] }[] {
  const seen: { readonly prefix: Prefix; readonly name: string; readonly path: Path }[] = [];
  return entries.map(({ path, entry: { name, ranges } }) => {
    const prefixes = locatedPrefixes(ranges, [...path, 'ranges']);
    for (const { prefix, path: prefixPath } of prefixes) {
      const other = seen.find((one) => contains(one.prefix, prefix) || contains(prefix, one.prefix));
      if (other === undefined) seen.push({ prefix, name, path: prefixPath });
      else {
        const text = `${canonicalText(prefix.network)}/${prefix.bits}`;
        problems.add(
          prefixPath,
          `${text} overlaps a range of cluster ${other.name} (${pathText(other.path)}); say whose it is as seen from here`,
        );
      }
    }
    return { name, ranges: prefixes.map(({ prefix }) => prefix) };
  });
}

function rangesOf(document: TopologyDocument): Prefix[] {
  const { pods, services, nodes } = document.ranges;
  return [pods, services, nodes].flatMap((texts) => locatedPrefixes(texts ?? [], []).map(({ prefix }) => prefix));
}

/** As `located`. */
function locatedPrefixes(texts: readonly string[], path: Path): { prefix: Prefix; path: Path }[] {
  return texts.flatMap((text, index) => {
    const parsed = parsePrefix(text, true);
    return 'problem' in parsed ? [] : [{ prefix: parsed.value, path: [...path, index] }];
  });
}
