// Who held which address in another cluster, from the rows of its table `endpoints`. Rows come more than once, from several replicas
// and in any order; each holding begins once and ends once, at the end that is heard of first. Who gets back an address holds it anew:
// holding-rows.ts. Knows neither stores nor what is
// named by it.
import type { EndpointRow } from '../../model/endpoint-row.ts';
import { beginningAfter, isAfterEnd } from '../../model/holding-rows.ts';
import { lookBackMs } from '../../model/holding-times.ts';
import type { AddressOwner, Certainty, NodeIdentity, Place, PodIdentity } from '../../model/topology.ts';
import { AddressHistory, type Grip, type Holder, NEVER_SURE, NO_SLOTS } from '../cluster/address-history.ts';
import { saidPlace } from '../zone-names.ts';

/**
 * What is known of another cluster is as old as its watch's last bookmark, its aggregator's next row and our next reading, a
 * minute each: it is not silent yet.
 */
const DELAY_US = 180_000_000;

/** Holders that are looked at in one turn of the event loop, or holdings that are forgotten: a few milliseconds. */
const EXPIRED_AT_ONCE = 20_000;

/** Rows have labels of their local side only. */
const NO_LABELS = Object.freeze({});

export interface RecordedClusterRules {
  readonly name: string;
  /** For how long what is over is kept, µs. */
  readonly keepUs: number;
  /** Most holdings. */
  readonly holdingsMax: number;
}

/** A holding that lasts, for whoever compares clusters. */
export interface OpenHolding {
  readonly kind: 'pod' | 'node';
  readonly address: string;
  readonly fromUs: number;
}

/** One holding of an address: what begins and ends. */
interface Held extends Grip {
  readonly address: string;
  readonly fromUs: number;
  /** When it was first heard of, by who recorded the row that began it here. */
  readonly heardUs: number;
  recordedUs: number;
  /** The row of whoever heard of it last. */
  lastHeard: { readonly fromUs: number; readonly heardUs: number };
  /** Its end; null while it lasts. */
  toUs: number | null;
  /** When the end was heard of. */
  overUs: number | null;
}

class RecordedHolder implements Holder {
  readonly heard: { readonly untilUs: number };
  /** Of each address in order of time. */
  held: readonly Held[] = [];
  identity: PodIdentity | NodeIdentity;
  /** When the row was recorded that gives the identity. */
  namedUs: number;

  constructor(heard: { readonly untilUs: number }, identity: PodIdentity | NodeIdentity, namedUs: number) {
    this.heard = heard;
    this.identity = identity;
    this.namedUs = namedUs;
  }

  rename(identity: PodIdentity | NodeIdentity, namedUs: number): void {
    this.identity = identity;
    this.namedUs = namedUs;
  }

  isSameAs(other: Holder): boolean {
    if (!(other instanceof RecordedHolder)) return false;
    const [a, b] = [this.identity, other.identity];
    if (a.kind === 'node' || b.kind === 'node') return a.kind === b.kind && a.name === b.name;
    return a.namespace === b.namespace && a.name === b.name && a.node.name === b.node.name;
  }

  ownerAs(certainty: Certainty): AddressOwner {
    return { identity: this.identity, certainty };
  }
}

export class RecordedCluster {
  readonly #rules: RecordedClusterRules;
  readonly #heard = { untilUs: Number.NEGATIVE_INFINITY };
  readonly #history: AddressHistory;
  readonly #holders = new Map<string, RecordedHolder>();
  /** One object for all pods of a node, and when the last row was recorded that named it. */
  readonly #nodes = new Map<string, { identity: NodeIdentity; namedUs: number }>();
  #size = 0;
  #knownUntilUs = Number.NEGATIVE_INFINITY;
  #dropped = 0;

  constructor(rules: RecordedClusterRules) {
    this.#rules = rules;
    this.#history = new AddressHistory({ keepUs: rules.keepUs, endedMax: rules.holdingsMax, isExclusive: true });
  }

  /** Nodes that are known by name. */
  get nodeCount(): number {
    return this.#nodes.size;
  }

  /** Holdings that are kept. */
  get size(): number {
    return this.#size;
  }

  /** Holdings that there was no room for. */
  get dropped(): number {
    return this.#dropped;
  }

  /** Until when all is known, µs; -Infinity while nobody has said it. */
  get knownUntilUs(): number {
    return this.#knownUntilUs;
  }

  /** Takes in rows that were recorded, in any order. */
  take(rows: readonly EndpointRow[], atUs: number): void {
    for (const row of rows.toSorted((a, b) => a.recordedUs - b.recordedUs)) this.#takeRow(row, atUs);
  }

  /** So many were not even taken in. */
  leaveOut(count: number): void {
    this.#dropped += count;
  }

  /** All that happened until then has been taken in. */
  knownUntil(untilUs: number): void {
    this.#knownUntilUs = Math.max(this.#knownUntilUs, untilUs);
    this.#heard.untilUs = this.#knownUntilUs + DELAY_US;
  }

  /**
   * Forgets what ended too long ago. What lasts is recorded again and again: what was not for so long ended at some time since,
   * and nobody is left to say when. `rest` is awaited between pieces of the work.
   */
  async expire(nowUs: number, rest: () => Promise<unknown>): Promise<void> {
    const overBeforeUs = nowUs - this.#rules.keepUs;
    const recordedBeforeUs = nowUs - lookBackMs(this.#rules.keepUs / 1000) * 1000;
    let count = 0;
    for (const [uid, holder] of this.#holders) {
      if (++count % EXPIRED_AT_ONCE === 0) await rest();
      const kept = holder.held.filter(({ overUs, recordedUs }) =>
        overUs === null ? recordedUs >= recordedBeforeUs : overUs >= overBeforeUs,
      );
      if (kept.length === holder.held.length) continue;
      // Who comes back begins anew: its next row may say that it was there all the time.
      for (const held of holder.held) {
        if (held.overUs === null && !kept.includes(held)) {
          this.#history.release(holder, held, nowUs, nowUs, held.recordedUs);
        }
      }
      this.#size -= holder.held.length - kept.length;
      holder.held = kept;
      if (kept.length === 0) this.#holders.delete(uid);
    }
    // Whoever is on a node that lasts is recorded again and again. To those that are over the object is as good as before.
    for (const [name, { namedUs }] of this.#nodes) if (namedUs < recordedBeforeUs) this.#nodes.delete(name);
    while (!this.#history.expire(nowUs, EXPIRED_AT_ONCE)) await rest();
  }

  /** As of AddressHistory. */
  lookup(address: string, startUs: number, endUs: number): AddressOwner | undefined {
    return this.#history.lookup(address, startUs, endUs);
  }

  /** The address of each holding. */
  *addresses(): Generator<string> {
    for (const { held } of this.#holders.values()) for (const { address } of held) yield address;
  }

  /** What lasts, as far as is known. */
  *open(): Generator<OpenHolding> {
    for (const { identity, held } of this.#holders.values()) {
      for (const { address, fromUs, overUs } of held) {
        if (overUs === null) yield { kind: identity.kind, address, fromUs };
      }
    }
  }

  #takeRow(row: EndpointRow, atUs: number): void {
    const holder = this.#holderOf(row);
    // The first that had not ended long before the row's replica heard of what it holds.
    const i = holder.held.findIndex(
      ({ address, toUs }) => address === row.address && (toUs === null || !isAfterEnd(row.heardUs, toUs)),
    );
    const held = holder.held[i];
    if (held === undefined) this.#beginLast(holder, row, atUs);
    else if (row.toUs !== null && isAfterEnd(held.heardUs, row.toUs)) this.#begin(holder, i, row, atUs);
    else if (held.overUs === null) this.#goOn(holder, held, row, atUs);
    if (holder.held.length > 0) this.#holders.set(row.uid, holder);
  }

  #holderOf(row: EndpointRow): RecordedHolder {
    const known = this.#holders.get(row.uid);
    if (known === undefined) return new RecordedHolder(this.#heard, this.#identityOf(row), row.recordedUs);
    if (row.recordedUs >= known.namedUs) known.rename(this.#identityOf(row), row.recordedUs);
    return known;
  }

  /** After what it held of the address before. */
  #beginLast(holder: RecordedHolder, row: EndpointRow, atUs: number): void {
    const before = holder.held.findLast(({ address }) => address === row.address)?.toUs ?? null;
    this.#begin(holder, holder.held.length, before === null ? row : beginningAfter(row, before), atUs);
  }

  /** @param i its place among the holdings */
  #begin(holder: RecordedHolder, i: number, row: EndpointRow, atUs: number): void {
    const { address, fromUs, toUs, heardUs, recordedUs } = row;
    if (toUs !== null && toUs < atUs - this.#rules.keepUs) return;
    if (this.#size >= this.#rules.holdingsMax) {
      this.#dropped++;
      return;
    }
    const overUs = toUs === null ? null : atUs;
    const held: Held = {
      address,
      fromUs,
      heardUs,
      recordedUs,
      lastHeard: { fromUs, heardUs },
      toUs,
      overUs,
      slots: NO_SLOTS,
    };
    holder.held = holder.held.length === 0 ? [held] : holder.held.toSpliced(i, 0, held);
    this.#size++;
    if (toUs === null) this.#history.hold(holder, held, [address], fromUs, heardUs);
    else this.#history.restore(holder, address, { fromUs, toUs, sureUntilUs: sureUntil(row), heardUs }, atUs);
  }

  #goOn(holder: RecordedHolder, held: Held, row: EndpointRow, atUs: number): void {
    held.recordedUs = Math.max(held.recordedUs, row.recordedUs);
    if (row.heardUs > held.lastHeard.heardUs) held.lastHeard = { fromUs: row.fromUs, heardUs: row.heardUs };
    if (row.toUs === null) return;
    this.#history.release(holder, held, atUs, row.toUs, sureUntil(row));
    held.toUs = row.toUs;
    held.overUs = atUs;
    // Of who had heard of it after that end, and spoke first.
    const { lastHeard, recordedUs } = held;
    if (!isAfterEnd(lastHeard.heardUs, row.toUs)) return;
    this.#beginLast(holder, { ...row, ...lastHeard, recordedUs, toUs: null, sureUntilUs: null }, atUs);
  }

  #identityOf(row: EndpointRow): PodIdentity | NodeIdentity {
    const node = this.#nodeOf(row);
    if (row.kind === 'node') return node;
    const { namespace, pod, workloadKind, workload } = row;
    return {
      kind: 'pod',
      namespace: namespace ?? '',
      name: pod ?? '',
      node,
      workloadKind,
      workload,
      labels: NO_LABELS,
    };
  }

  #nodeOf(row: EndpointRow): NodeIdentity {
    const { node: name, provider, region, zone } = row;
    const { zoneId } = saidPlace(row);
    const known = this.#nodes.get(name);
    if (known !== undefined && isAt(known.identity, { provider, region, zone, zoneId })) {
      known.namedUs = Math.max(known.namedUs, row.recordedUs);
      return known.identity;
    }
    const cluster = this.#rules.name;
    const node: NodeIdentity = { kind: 'node', name, cluster, provider, region, zone, zoneId, addresses: [] };
    this.#nodes.set(name, { identity: node, namedUs: row.recordedUs });
    return node;
  }
}

function isAt(node: NodeIdentity, { provider, region, zone, zoneId }: Place): boolean {
  return node.provider === provider && node.region === region && node.zone === zone && node.zoneId === zoneId;
}

function sureUntil({ sureUntilUs }: EndpointRow): number {
  return sureUntilUs ?? NEVER_SURE;
}
