// What is known of address ranges at present: the documents, and the table made of them, which is swapped as a whole. Where documents
// come from is not known here.
import type { AddressPlace, PlacesOfAddresses } from '../model/address-place.ts';
import { googleServices } from './google-services.ts';
import type { PrefixList } from './prefix-list.ts';
import type { ParsedRanges } from './range-document.ts';
import { RANGE_NAMES, type RangeName } from './range-sources.ts';
import { createRangeTable, type RangeTable } from './range-table.ts';

/** A document that is in use. */
export interface KnownRanges extends ParsedRanges {
  readonly name: RangeName;
  /** The file or address that it was read from. */
  readonly from: string;
  /** Until when it is known to be the newest, ms since the Unix epoch: when it was published, or its source confirmed it. */
  readonly knownMs: number;
  /** Of the text, in hexadecimal. */
  readonly sha256: string;
}

/** Places of addresses by the documents that are known. */
export class IpRanges implements PlacesOfAddresses {
  #documents: ReadonlyMap<RangeName, KnownRanges> = new Map();
  #table: RangeTable = createRangeTable([]);
  #version = 1;
  #prefixes: ReadonlyMap<string, number> = new Map();

  get version(): number {
    return this.#version;
  }

  lookup(address: string): AddressPlace | undefined {
    return this.#table.lookup(address);
  }

  /** In the order of RANGE_NAMES. */
  get documents(): readonly KnownRanges[] {
    return RANGE_NAMES.flatMap((name) => this.#documents.get(name) ?? []);
  }

  document(name: RangeName): KnownRanges | undefined {
    return this.#documents.get(name);
  }

  /** Prefixes in use, repeated ones too, by provider. */
  get prefixes(): ReadonlyMap<string, number> {
    return this.#prefixes;
  }

  /** goog.json alone would call machines of customers Google's own. */
  get lacksGoogleCloud(): boolean {
    return this.#documents.has('google') && !this.#documents.has('google-cloud');
  }

  /** Takes documents in place of those of the same names. Throws RANGES_INVALID, and changes nothing, where no table can be made. */
  replace(documents: readonly KnownRanges[]): void {
    const next = new Map(this.#documents);
    for (const document of documents) next.set(document.name, document);
    const lists = listsOf(next);
    this.#table = createRangeTable([...lists.values()].flat());
    this.#documents = next;
    this.#prefixes = new Map(
      [...lists].map(([provider, some]) => [provider, some.reduce((sum, { count }) => sum + count, 0)]),
    );
    this.#version++;
  }

  /** The source of a document says that it is still the newest. */
  confirm(name: RangeName, knownMs: number): void {
    const known = this.#documents.get(name);
    if (known !== undefined) this.#documents = new Map(this.#documents).set(name, { ...known, knownMs });
  }
}

function listsOf(documents: ReadonlyMap<RangeName, KnownRanges>): Map<string, PrefixList[]> {
  const lists = new Map<string, PrefixList[]>();
  const [aws, cloud, google, azure] = RANGE_NAMES.map((name) => documents.get(name)?.list);
  if (aws) lists.set('aws', [aws]);
  if (cloud) lists.set('gcp', google ? [cloud, googleServices(google, cloud)] : [cloud]);
  if (azure) lists.set('azure', [azure]);
  return lists;
}
