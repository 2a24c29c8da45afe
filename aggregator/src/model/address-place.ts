// Where a public address is, by what its provider publishes, as enrichment reads it. Which documents say so is not known here.

/** What a provider says of an address. */
export interface AddressPlace {
  /** "aws", "gcp" or "azure". */
  readonly provider: string;
  /** As the provider's prices name it; null where the address belongs to no region, or nobody says to which. */
  readonly region: string | null;
  /** The provider's own word for what answers there, such as "S3" or "Storage"; null where it is a machine of some customer. */
  readonly service: string | null;
}

/** Looks up addresses; what it knows may be replaced as a whole. */
export interface PlacesOfAddresses {
  /** Another number whenever answers may be others. */
  readonly version: number;
  /**
   * Place of an address in canonical text; of a prefix ("198.51.100.0/24") where all of it has the same. Undefined where no
   * provider names it. The same object for the same place, until the version changes.
   */
  lookup(address: string): AddressPlace | undefined;
}
