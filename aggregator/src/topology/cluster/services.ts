// Addresses and ports of services. A service address is not its alone: load balancers and external addresses may be shared, by port.
import type { ServiceObject } from '../../model/cluster-objects.ts';
import type { AddressOwner, Certainty, ServiceIdentity } from '../../model/topology.ts';
import { AddressHistory, type Grip, type HistoryRules, type Holder, lastHeardUs, NO_SLOTS } from './address-history.ts';

const PROTOCOL_NUMBERS: Readonly<Record<string, number>> = { tcp: 6, udp: 17, sctp: 132 };

class ServiceHolder implements Holder {
  readonly heard: { readonly untilUs: number };
  readonly addresses: Grip = { slots: NO_SLOTS };
  readonly ports: Grip = { slots: NO_SLOTS };
  readonly identity: ServiceIdentity;
  readonly #exact: AddressOwner;

  constructor({ namespace, name }: ServiceObject, heard: { readonly untilUs: number }) {
    this.heard = heard;
    this.identity = { kind: 'service', namespace, name };
    this.#exact = { identity: this.identity, certainty: 'exact' };
  }

  isSameAs(other: Holder): boolean {
    return (
      other instanceof ServiceHolder &&
      other.identity.name === this.identity.name &&
      other.identity.namespace === this.identity.namespace
    );
  }

  ownerAs(certainty: Certainty): AddressOwner {
    return certainty === 'exact' ? this.#exact : { identity: this.identity, certainty };
  }
}

export class Services {
  readonly #byUid = new Map<string, ServiceHolder>();
  readonly #addresses: AddressHistory;
  /** By `6:30080` for node ports, by `192.0.2.1 6:443` for ports of addresses. */
  readonly #ports: AddressHistory;
  readonly #heard: { readonly untilUs: number };

  constructor(rules: Omit<HistoryRules, 'isExclusive'>, heard: { readonly untilUs: number }) {
    this.#heard = heard;
    this.#addresses = new AddressHistory({ ...rules, isExclusive: false });
    this.#ports = new AddressHistory({ ...rules, isExclusive: false });
  }

  /** Services that exist. */
  get size(): number {
    return this.#byUid.size;
  }

  put(service: ServiceObject, atUs: number): void {
    const known = this.#byUid.get(service.uid);
    const holder = known ?? new ServiceHolder(service, this.#heard);
    this.#byUid.set(service.uid, holder);
    const fromUs = known === undefined ? service.createdUs : lastHeardUs(holder, atUs);
    const addresses = [...new Set([...service.clusterIps, ...service.externalIps])];
    this.#addresses.hold(holder, holder.addresses, addresses, fromUs, atUs);
    this.#ports.hold(holder, holder.ports, portKeys(service), fromUs, atUs);
  }

  remove(uid: string, atUs: number): void {
    const holder = this.#byUid.get(uid);
    if (holder === undefined) return;
    this.#byUid.delete(uid);
    this.#addresses.release(holder, holder.addresses, atUs);
    this.#ports.release(holder, holder.ports, atUs);
  }

  expire(nowUs: number): void {
    this.#addresses.expire(nowUs);
    this.#ports.expire(nowUs);
  }

  lookupAddress(address: string, startUs: number, endUs: number): AddressOwner | undefined {
    return this.#addresses.lookup(address, startUs, endUs);
  }

  /** The service that answers on this port of this address, or on this node port. */
  lookupPort(
    address: string,
    protocol: number,
    port: number,
    startUs: number,
    endUs: number,
  ): ServiceIdentity | undefined {
    const owner =
      this.#ports.lookup(`${address} ${protocol}:${port}`, startUs, endUs) ??
      this.#ports.lookup(`${protocol}:${port}`, startUs, endUs);
    return owner?.identity.kind === 'service' ? owner.identity : undefined;
  }
}

/** Ports of external addresses are kept, since several services may share one; a cluster address is one service's alone. */
function portKeys({ externalIps, ports }: ServiceObject): string[] {
  const keys = new Set<string>();
  for (const { protocol, port, nodePort } of ports) {
    const number = PROTOCOL_NUMBERS[protocol];
    if (number === undefined) continue;
    if (nodePort !== 0) keys.add(`${number}:${nodePort}`);
    for (const address of externalIps) keys.add(`${address} ${number}:${port}`);
  }
  return [...keys];
}
