// The form of a bill worked by hand: what a row of the table must cost, and how a person finds it. Knows neither the input of
// the calculator nor a price book: rates were typed from the facts about list prices (ids such as A1, G2, Z8, or their
// sections), figures were worked out with exact fractions outside the product and checked again with decimals of 60 digits.

/** A cost that is known to be nothing. */
export const ZERO = '0.000000000000';

export interface HandWorkedBill {
  /** What it shows. Unique. */
  readonly name: string;
  /** A worked example of others: where, and the figures it states, read mostly in copies. Where ours differ, `arithmetic` says why. */
  readonly published?: { readonly address: string; readonly says: string };
  /** The side that the row is about. `network`: its VPC, where a bill has two. */
  readonly local: {
    readonly provider: Provider;
    readonly region: string;
    readonly zone?: string;
    /** The same in all accounts (AWS). */
    readonly zoneId?: string;
    /** Absent on both sides: one account. */
    readonly account?: string;
    readonly node?: string;
    readonly ip?: string;
    readonly kind: 'pod' | 'node';
    readonly network?: string;
  };
  readonly peer: {
    readonly kind: 'pod' | 'node' | 'internet' | 'provider-service' | 'private';
    readonly provider?: Provider;
    readonly region?: string;
    readonly zone?: string;
    readonly zoneId?: string;
    readonly account?: string;
    readonly node?: string;
    readonly ip?: string;
    /** As address ranges name it: S3, EC2, Storage, …; for `private` what the operator says it is. */
    readonly service?: string;
    /** Another network than the local side's; `own`: the operator's, reached without peering. Absent: the same network. */
    readonly network?: { readonly kind: 'peered' | 'on-premises' | 'own'; readonly via?: string };
    /** Of an address on the internet; absent: not known. */
    readonly geography?: 'china' | 'australia';
  };
  /**
   * What the operator says lies between. `zone`: of the middlebox; absent: the node's own. What the row has in the end is
   * `expect.path`: a NAT gateway does not see IPv6.
   */
  readonly path?: {
    readonly kind: string;
    readonly zone?: string;
    readonly loadBalancer?: 'classic' | 'application' | 'network' | 'standard';
  };
  /** Words of the configuration; absent: every default. */
  readonly switches?: {
    /** Google. Default: premium. */
    readonly networkTier?: 'standard';
    /** Azure: by Microsoft's network, or by the operator's ISP. Default: Microsoft's, assumed. */
    readonly routingPreference?: 'microsoft' | 'internet';
    /** Azure: the meters between zones, which are listed and not charged. */
    readonly interZone?: 'billed';
    /** Azure: a GB has 2^30 bytes. */
    readonly gigabyte?: 'binary';
    /** The other end of the hop between a node and a NAT gateway in another zone is charged to the row, as processing. */
    readonly chargeGatewaySide?: 'yes';
    /** What a service of another region bills for what is read from it is charged to the row that reads, as received. */
    readonly chargeServiceSide?: 'yes';
    /** Bytes that an overlay adds to each packet between pods. */
    readonly overlayHeaderBytes?: string;
  };
  /** Absent: TCP to port 443. */
  readonly transport?: { readonly protocol: 'udp'; readonly port: number };
  readonly txBytes: number;
  readonly rxBytes: number;
  /** Given where headers per packet count. */
  readonly txPackets?: number;
  readonly rxPackets?: number;
  /** Bytes that the tiered meter of this bill has already counted this month, before the row's. */
  readonly alreadyThisMonthBytes?: number;
  readonly expect: {
    readonly class: string;
    readonly path: string | null;
    /** USD with 12 places, rounded once half-even, at the first rate of the tiers that is not zero; null: no rate. */
    readonly txCost: string | null;
    readonly rxCost: string | null;
    readonly processingCost: string | null;
    readonly basis: 'exact' | 'estimated' | 'disputed' | 'none';
    /** The month's statement of this traffic alone, tiers and free amounts settled. */
    readonly month?: {
      /** What the row's bytes add. Exact sum, rounded once to 12 places. */
      readonly usd: string;
      /** In the order of a bill; "≈": rounded in print, not in the sum. */
      readonly lines: readonly string[];
      /** With what was counted already. */
      readonly usdWithEarlier?: string;
    };
  };
  /** How a person works it out, and what was decided where the facts leave something open. */
  readonly arithmetic: string;
  /** Ids of the facts' sources, and sections. */
  readonly facts: readonly string[];
}

type Provider = 'aws' | 'gcp' | 'azure';
