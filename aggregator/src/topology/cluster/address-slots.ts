// A number for each of many addresses. IPv4 is found by its bits: they are next to the number in one line of the processor's cache, where
// a Map of texts reads three. Knows no meaning of the numbers.
import { readIpv4 } from '../../model/ipv4-number.ts';
import { KeyNumbers } from '../../model/key-numbers.ts';

export class AddressSlots {
  /** Of IPv4, by the address and one. */
  readonly #ipv4 = new KeyNumbers('any');
  /** IPv6, prefixes, the last address of IPv4, and what else there may be. */
  readonly #others = new Map<string, number>();

  get size(): number {
    return this.#ipv4.size + this.#others.size;
  }

  /** The number of this address; -1 if it has none. */
  get(address: string): number {
    const key = keyOf(address);
    return key === NO_KEY ? (this.#others.get(address) ?? -1) : this.#ipv4.find(key);
  }

  /** Gives the address this number, an integer from 0 to 2^32 - 1. */
  set(address: string, slot: number): void {
    const key = keyOf(address);
    if (key === NO_KEY) this.#others.set(address, slot);
    else this.#ipv4.set(key, slot);
  }

  delete(address: string): void {
    const key = keyOf(address);
    if (key === NO_KEY) this.#others.delete(address);
    else this.#ipv4.delete(key);
  }
}

const NO_KEY = 0;
const LAST_IPV4 = 2 ** 32 - 1;

function keyOf(address: string): number {
  const ipv4 = readIpv4(address);
  return ipv4 === LAST_IPV4 ? NO_KEY : ipv4 + 1;
}
