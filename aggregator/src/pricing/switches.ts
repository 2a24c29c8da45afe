// The values of a book's switches for one kind of traffic, and which of them nobody has set.
import type { PriceBook } from './book/format.ts';
import { type Basis, worseBasis } from './book/words.ts';

export type SwitchValues = Readonly<Record<string, string>>;

/** Values that hold for some traffic. */
export interface Switches {
  /** The value, set or by default; undefined for a switch that the book does not have. */
  value(name: string): string | undefined;
  /** How sure a rate can be that depends on these switches. */
  basisOf(names: Iterable<string>): Basis;
}

/** @param set what is configured, the most specific first */
export function resolveSwitches(book: PriceBook, ...set: readonly (SwitchValues | undefined)[]): Switches {
  const known = book.switches ?? {};
  const configured = (name: string) =>
    set.find((values) => values !== undefined && Object.hasOwn(values, name))?.[name];
  return {
    value: (name) => (Object.hasOwn(known, name) ? (configured(name) ?? known[name]!.default) : undefined),
    basisOf(names) {
      let basis: Basis = 'exact';
      for (const name of names) {
        if (configured(name) === undefined) basis = worseBasis(basis, known[name]?.defaultBasis ?? 'estimated');
      }
      return basis;
    },
  };
}

/** Whether the conditions of a rate hold. */
export function holds(when: Readonly<Record<string, string | string[]>> | undefined, switches: Switches): boolean {
  return Object.entries(when ?? {}).every(([name, wanted]) => [wanted].flat().includes(switches.value(name) ?? ''));
}
