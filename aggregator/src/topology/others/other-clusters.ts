// Names for addresses of other clusters, as far as an address can mean only one thing from here. Two clusters may give the same
// addresses to different pods, and nobody sees from outside which one a flow meant: so pods (or nodes) of a cluster are not named at
// all when any address of theirs is seen to be somebody else's, too, unless the operator said in which ranges they are reached from
// here. Knows neither stores nor tables.

import { contains, type Prefix, parsePrefix } from '../../document/address.ts';
import type { EndpointRow } from '../../model/endpoint-row.ts';
import type { AddressOwner, TopologySource } from '../../model/topology.ts';
import { type OpenHolding, RecordedCluster } from './recorded-cluster.ts';
import { SharedAddresses } from './shared-addresses.ts';

/** What the operator said of another cluster. */
export interface OtherClusterRanges {
  readonly name: string;
  /** Where its addresses are its own as seen from here; elsewhere it is not named. */
  readonly ranges: readonly Prefix[];
}

export interface OtherClustersOptions {
  readonly ranges: readonly OtherClusterRanges[];
  /** For how long what is over is kept, ms. */
  readonly keepMs: number;
  /** Most holdings of each cluster. Default: 500,000. */
  readonly holdingsMax?: number;
}

/** Two clusters have the same addresses. */
export interface Overlap {
  readonly cluster: string;
  /** What is not named for it. */
  readonly kind: 'pod' | 'node';
  /** An address that shows it. */
  readonly address: string;
  /** Who has it, too: another cluster, or undefined for the aggregator's own. */
  readonly other: string | undefined;
}

export interface OtherClustersCounts {
  readonly clusters: number;
  /** Holdings of addresses that are known of all of them. */
  readonly holdings: number;
  /** Holdings that there was no room for. */
  readonly dropped: number;
  /** Clusters of which pods or nodes are not named, because others have the same addresses. */
  readonly overlapping: number;
}

/** Who held an address in one cluster. */
interface Found {
  readonly owner: AddressOwner;
  /** Its pods, or nodes, have their addresses for themselves. */
  readonly isNameable: boolean;
}

const HOLDINGS_MAX = 500_000;
/** Two that hold an address at one moment do so for longer than clocks differ. */
const LONG_US = 30_000_000;
/** Holdings that are looked up in one turn of the event loop, and addresses that are noted: a few milliseconds. */
const LOOKUPS_AT_ONCE = 4000;
const NOTED_AT_ONCE = 40_000;

const NO_CLUSTERS: ReadonlyMap<string, RecordedCluster> = new Map();

export class OtherClusters {
  readonly #own: TopologySource;
  readonly #onOverlap: (overlap: Overlap) => void;
  readonly #options: OtherClustersOptions;
  readonly #clusters = new Map<string, RecordedCluster>();
  readonly #ranges: ReadonlyMap<string, readonly Prefix[]>;
  /** What is not named, as `CLUSTER kind`. */
  readonly #overlaps = new Map<string, Overlap>();

  constructor(options: OtherClustersOptions, own: TopologySource, onOverlap: (overlap: Overlap) => void) {
    this.#options = options;
    this.#ranges = new Map(options.ranges.map(({ name, ranges }) => [name, ranges]));
    this.#own = own;
    this.#onOverlap = onOverlap;
  }

  get counts(): OtherClustersCounts {
    const clusters = [...this.#clusters.values()];
    return {
      clusters: clusters.length,
      holdings: clusters.reduce((sum, { size }) => sum + size, 0),
      dropped: clusters.reduce((sum, { dropped }) => sum + dropped, 0),
      overlapping: new Set(Array.from(this.#overlaps.values(), ({ cluster }) => cluster)).size,
    };
  }

  /** Most holdings of each cluster. */
  get holdingsMax(): number {
    return this.#options.holdingsMax ?? HOLDINGS_MAX;
  }

  /** Whether the operator said that a cluster is never named. */
  isIgnored(cluster: string): boolean {
    return this.#ranges.get(cluster)?.length === 0;
  }

  take(cluster: string, rows: readonly EndpointRow[], atUs: number): void {
    let recorded = this.#clusters.get(cluster);
    if (recorded === undefined) {
      const keepUs = this.#options.keepMs * 1000;
      recorded = new RecordedCluster({ name: cluster, keepUs, holdingsMax: this.holdingsMax });
      this.#clusters.set(cluster, recorded);
    }
    recorded.take(rows, atUs);
  }

  /** So many holdings of a cluster were not even taken in, for want of room. */
  leaveOut(cluster: string, count: number): void {
    this.#clusters.get(cluster)?.leaveOut(count);
  }

  /** All that happened in a cluster until then has been taken in. */
  knownUntil(cluster: string, untilUs: number): void {
    this.#clusters.get(cluster)?.knownUntil(untilUs);
  }

  /** Forgets what ended too long ago. `rest` is awaited between pieces of the work. */
  async expire(nowUs: number, rest: () => Promise<unknown>): Promise<void> {
    for (const recorded of this.#clusters.values()) {
      await recorded.expire(nowUs, rest);
      await rest();
    }
  }

  /** Compares what all hold now. `rest` is awaited between pieces of the work. */
  async compare(rest: () => Promise<unknown>): Promise<void> {
    const compared = new Map([...this.#clusters].filter(([name]) => !this.#ranges.has(name)));
    const shared = await sharedAddresses([...compared.values()], rest);
    let lookups = 0;
    for (const [name, recorded] of compared) {
      for (const holding of recorded.open()) {
        const others = shared.mayBeShared(holding.address) ? compared : NO_CLUSTERS;
        lookups += 1 + others.size;
        if (lookups >= LOOKUPS_AT_ONCE) {
          await rest();
          lookups = 0;
        }
        this.#compareOne(name, recorded, holding, others);
      }
    }
  }

  /**
   * Whose address it was, in another cluster. Where two may be meant nobody is named: `ambiguous` would say that one of them is
   * likely. Who is never named may be meant as well.
   */
  lookupAddress(address: string, startUs: number, endUs: number): AddressOwner | undefined {
    const found: Found[] = [];
    for (const [name, recorded] of this.#clusters) {
      const owner = recorded.lookup(address, startUs, endUs);
      if (owner === undefined) continue;
      const ranges = this.#ranges.get(name);
      if (ranges === undefined)
        found.push({ owner, isNameable: !this.#overlaps.has(`${name} ${owner.identity.kind}`) });
      else if (isWithin(address, ranges)) return owner;
    }
    if (found.length === 0) return undefined;
    // Who held it before is meant by nobody when another one has it now.
    const now = found.filter(({ owner }) => owner.certainty !== 'stale');
    const [one, ...more] = now.length > 0 ? now : found;
    if (one?.isNameable !== true || more.length > 0 || this.#own.snapshot().inClusterRanges(address)) return undefined;
    return one.owner;
  }

  #compareOne(
    cluster: string,
    recorded: RecordedCluster,
    { kind, address, fromUs }: OpenHolding,
    others: ReadonlyMap<string, RecordedCluster>,
  ): void {
    const atUs = recorded.knownUntilUs - LONG_US;
    if (this.#overlaps.has(`${cluster} ${kind}`) || fromUs > atUs) return;
    const own = this.#own.snapshot();
    const ownOwner = own.lookupAddress(address, atUs, atUs + 1);
    const isOwn = ownOwner?.certainty === 'exact' && ownOwner.identity.kind !== 'external';
    if (own.inClusterRanges(address) || isOwn) {
      this.#found({ cluster, kind, address, other: undefined });
      return;
    }
    for (const [other, itsHoldings] of others) {
      if (other === cluster) continue;
      const owner = itsHoldings.lookup(address, atUs, atUs + 1);
      if (itsHoldings.knownUntilUs < atUs || owner?.certainty !== 'exact') continue;
      this.#found({ cluster, kind, address, other });
      // It may not be compared by itself for as long as nobody tells of it.
      if (owner.identity.kind === 'pod' || owner.identity.kind === 'node') {
        this.#found({ cluster: other, kind: owner.identity.kind, address, other: cluster });
      }
      return;
    }
  }

  #found(overlap: Overlap): void {
    const key = `${overlap.cluster} ${overlap.kind}`;
    if (this.#overlaps.has(key)) return;
    this.#overlaps.set(key, overlap);
    this.#onOverlap(overlap);
  }
}

async function sharedAddresses(
  clusters: readonly RecordedCluster[],
  rest: () => Promise<unknown>,
): Promise<SharedAddresses> {
  const shared = new SharedAddresses(clusters.reduce((sum, { size }) => sum + size, 0));
  let noted = 0;
  for (const [i, recorded] of clusters.entries()) {
    for (const address of recorded.addresses()) {
      if (++noted % NOTED_AT_ONCE === 0) await rest();
      shared.add(address, i + 1);
    }
  }
  return shared;
}

function isWithin(address: string, ranges: readonly Prefix[]): boolean {
  const parsed = parsePrefix(address, true);
  return !('problem' in parsed) && ranges.some((range) => contains(range, parsed.value));
}
