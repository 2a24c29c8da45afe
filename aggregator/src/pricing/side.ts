// One side of a flow as prices see it. Many addresses are the same side: sides are few, and pairs of them too.
import type { LocalKind, PeerKind } from '../model/flow-row.ts';
import type { AddressKind } from './address-kind.ts';
import type { NetworkEntry } from './config/format.ts';

export interface Side {
  readonly kind: LocalKind | PeerKind | null;
  readonly provider: string | null;
  readonly region: string | null;
  /** Name of the zone. */
  readonly zone: string | null;
  /** Id of the zone, the same in all accounts. */
  readonly zoneId: string | null;
  /** Whose names zones have. */
  readonly account: string;
  readonly address: AddressKind;
  /** Whether it is in the network of the reporting cluster. */
  readonly inOwnNetwork: boolean;
  /** The configured network that its address is in. */
  readonly network: NetworkEntry | null;
  /** The provider's service that it is, by the word of the address ranges. */
  readonly service: string | null;
}
