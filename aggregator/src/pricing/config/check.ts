// What a schema cannot say about a pricing configuration: names given once, one network for one address, and that what it names is in
// the price books. Knows no file.
import { canonicalText, parsePrefix } from '../../document/address.ts';
import type { Problems } from '../../document/problems.ts';
import type { PriceBook } from '../book/format.ts';
import { NOT_KNOWN } from '../book/region-selector.ts';
import type { Discount, PathRule, PricingConfig } from './format.ts';

type Path = readonly PropertyKey[];

/** Adds everything that is wrong with a configuration of the right shape. `books`: all that will be in force. */
export function checkConfig(config: PricingConfig, books: readonly PriceBook[], problems: Problems): void {
  const providers = new Providers(books);
  checkAccounts(config, problems);
  checkNetworks(config, providers, problems);
  checkPaths(config, providers, problems);
  checkDiscounts(config, providers, problems);
  checkPrivateRates(config, providers, problems);
  (config.monthlyAmounts ?? []).forEach((entry, index) => {
    const path = ['monthlyAmounts', index];
    providers.check(entry.provider, entry.regions, path, problems);
    if (entry.class !== undefined && entry.paths !== undefined) {
      problems.add(path, 'give either class or paths: an amount is of transfer, or of what middleboxes process');
    }
    checkPathWords(entry.paths ?? [], providers, config, [...path, 'paths'], problems);
  });
  for (const [provider, values] of Object.entries(config.switches ?? {})) {
    const path = ['switches', provider];
    if (!providers.has(provider)) problems.add(path, providers.unknown(provider));
    else checkSwitchValues(values, providers.of(provider), path, problems);
  }
}

/**
 * Adds what is wrong with what is said of some traffic of one provider alone: a path word, and values of switches.
 * @param at where they stand
 */
export function checkOwnPath(
  own: { readonly path?: string | undefined; readonly switches?: Readonly<Record<string, string>> | undefined },
  at: { readonly path: Path; readonly switches: Path },
  config: PricingConfig,
  books: readonly PriceBook[],
  problems: Problems,
): void {
  if (own.path !== undefined) checkPathWords([own.path], new Providers(books), config, at.path, problems);
  if (own.switches !== undefined) checkSwitchValues(own.switches, books, at.switches, problems);
}

/** What the books know, by provider. */
class Providers {
  readonly #books = new Map<string, PriceBook[]>();

  constructor(books: readonly PriceBook[]) {
    for (const book of books) this.#books.set(book.provider, [...(this.#books.get(book.provider) ?? []), book]);
  }

  has(provider: string): boolean {
    return this.#books.has(provider);
  }

  of(provider: string): readonly PriceBook[] {
    return this.#books.get(provider) ?? [];
  }

  get all(): readonly PriceBook[] {
    return [...this.#books.values()].flat();
  }

  unknown(provider: string): string {
    return `there is no price book of provider ${provider}; there are ${[...this.#books.keys()].join(', ')}: add one under books, or correct the name`;
  }

  /** The provider has a book, and its books know the regions. */
  check(provider: string, regions: readonly string[] | undefined, path: Path, problems: Problems): void {
    if (!this.has(provider)) {
      problems.add([...path, 'provider'], this.unknown(provider));
      return;
    }
    for (const term of regions ?? []) {
      const name = term.replace(/^!/, '');
      if (!this.of(provider).some((book) => knowsRegion(book, name))) {
        problems.add(
          [...path, 'regions'],
          `${name} is no region or group of the price book of ${provider}; correct the name`,
        );
      }
    }
  }
}

function knowsRegion({ regions, groups }: PriceBook, name: string): boolean {
  if (name.startsWith('@')) return Object.hasOwn(groups ?? {}, name.slice(1));
  if (name.endsWith('*')) return regions.some((region) => region.startsWith(name.slice(0, -1)));
  return name === NOT_KNOWN || regions.includes(name);
}

function checkAccounts({ accounts = [] }: PricingConfig, problems: Problems): void {
  const clusters = new Map<string, string>();
  checkNames(accounts, 'accounts', problems);
  accounts.forEach((account, index) => {
    for (const cluster of account.clusters ?? []) {
      const other = clusters.get(cluster);
      if (other !== undefined) {
        problems.add(['accounts', index, 'clusters'], `cluster ${cluster} is in account ${other} already; leave one`);
      }
      clusters.set(cluster, account.name);
    }
    const ids = Object.values(account.zoneIds ?? {});
    for (const id of new Set(ids.filter((candidate, at) => ids.indexOf(candidate) !== at))) {
      problems.add(['accounts', index, 'zoneIds'], `two zones have the id ${id}; within an account each has its own`);
    }
  });
}

function checkNetworks(
  { networks = [], accounts = [] }: PricingConfig,
  providers: Providers,
  problems: Problems,
): void {
  checkNames(networks, 'networks', problems);
  const owners = new Map<string, string>();
  networks.forEach((network, index) => {
    const path = ['networks', index];
    for (const [at, range] of network.ranges.entries()) {
      const key = canonicalPrefix(range);
      const other = owners.get(key);
      if (other !== undefined) {
        problems.add(
          [...path, 'ranges', at],
          `${range} is in network ${other}, too; an address is in one network: leave one`,
        );
      }
      owners.set(key, network.name);
    }
    if (network.zone !== undefined && network.region === undefined) {
      problems.add([...path, 'zone'], 'needs its region beside it');
    }
    if (network.region !== undefined && network.provider === undefined) {
      problems.add([...path, 'region'], 'needs its provider beside it');
    }
    if (network.provider !== undefined && providers.has(network.provider) && network.region !== undefined) {
      providers.check(network.provider, [network.region], path, problems);
    }
    if (network.account !== undefined && !accounts.some(({ name }) => name === network.account)) {
      problems.add([...path, 'account'], `${network.account} is not in accounts; add it there, or correct the name`);
    }
    if (network.via !== undefined) checkPathWords([network.via], providers, {}, [...path, 'via'], problems);
    if (network.destination !== undefined) {
      if (network.kind !== 'internet') problems.add([...path, 'destination'], 'is for kind internet only; remove it');
      checkDestination(network.destination, providers, [...path, 'destination'], problems);
    }
  });
}

function checkDestination(destination: string, providers: Providers, path: Path, problems: Problems): void {
  const known = providers.all.flatMap((book) => book.switches?.['destination']?.values ?? []);
  if (!known.includes(destination)) {
    problems.add(path, `no price book has a rate for it; there are ${[...new Set(known)].join(', ') || 'none'}`);
  }
}

function checkPaths(config: PricingConfig, providers: Providers, problems: Problems): void {
  const { paths = [], networks = [] } = config;
  checkNames(paths, 'paths', problems);
  paths.forEach((rule, index) => {
    const path = ['paths', index];
    checkPathWords([rule.path], providers, config, [...path, 'path'], problems);
    for (const name of rule.to?.networks ?? []) {
      if (!name.endsWith('*') && !networks.some((network) => network.name === name)) {
        problems.add([...path, 'to', 'networks'], `${name} is not in networks; add it there, or correct the name`);
      }
    }
    for (const name of rule.from?.regions ?? []) {
      if (!providers.all.some((book) => knowsRegion(book, name))) {
        problems.add([...path, 'from', 'regions'], `${name} is a region of no price book; correct the name`);
      }
    }
    if (rule.switches !== undefined) checkSwitchValues(rule.switches, providers.all, [...path, 'switches'], problems);
    paths.slice(0, index).forEach((earlier) => {
      const range = sharedRange(earlier, rule);
      if (range !== undefined) {
        problems.add(path, `rule "${earlier.name}" is for ${range}, too, and for the same traffic; leave one`);
      }
    });
  });
}

/** A range that two rules name for traffic that they do not tell apart otherwise; undefined where they do. */
function sharedRange(a: PathRule, b: PathRule): string | undefined {
  const rest = ({ from, to, family }: PathRule, without: 'subnets' | 'ranges') =>
    JSON.stringify([{ ...from, [without]: null }, { ...to, [without]: null }, family]);
  for (const [side, key] of [
    ['from', 'subnets'],
    ['to', 'ranges'],
  ] as const) {
    const lists = [a, b].map((rule) => (side === 'from' ? rule.from?.subnets : rule.to?.ranges) ?? []);
    if (rest(a, key) !== rest(b, key)) continue;
    if (lists.every((list) => list.length === 0)) return side === 'from' ? 'all of it' : undefined;
    const others = new Set(lists[1]!.map(canonicalPrefix));
    const shared = lists[0]!.find((range) => others.has(canonicalPrefix(range)));
    if (shared !== undefined) return shared;
  }
  return undefined;
}

function checkDiscounts({ discounts = [] }: PricingConfig, providers: Providers, problems: Problems): void {
  discounts.forEach((discount, index) => {
    const path = ['discounts', index];
    if (discount.provider !== undefined) providers.check(discount.provider, discount.regions, path, problems);
    else if (discount.regions !== undefined) {
      problems.add([...path, 'regions'], 'needs its provider beside it: regions have names of a provider');
    }
    discounts.slice(0, index).forEach((earlier, other) => {
      if (isSameTraffic(earlier, discount)) {
        problems.add(
          path,
          `discounts[${other}] is for the same traffic at the same time; discounts do not add up: leave one`,
        );
      }
    });
  });
}

/** Whether two discounts say equally much about some traffic, at one time. */
function isSameTraffic(a: Discount, b: Discount): boolean {
  const isSameKind =
    a.provider === b.provider &&
    (a.classes === undefined) === (b.classes === undefined) &&
    (a.regions === undefined) === (b.regions === undefined);
  const sharesClass = a.classes === undefined || a.classes.some((name) => b.classes?.includes(name));
  const sharesRegion = a.regions === undefined || a.regions.some((name) => b.regions?.includes(name));
  return isSameKind && sharesClass && sharesRegion;
}

function checkPrivateRates(config: PricingConfig, providers: Providers, problems: Problems): void {
  (config.privateRates ?? []).forEach((rate, index) => {
    const path = ['privateRates', index];
    // A provider without a book may have private rates alone.
    if (providers.has(rate.provider)) {
      providers.check(rate.provider, rate.regions, path, problems);
      providers.check(rate.provider, rate.peerRegions, path, problems);
    }
    if ('processing' in rate && rate.paths === undefined) {
      problems.add([...path, 'paths'], 'is missing; say what processes the bytes: nat-gateway, …');
    }
    if (rate.unitBytes !== 1 && !isUnit(rate.unitBytes)) {
      problems.add(
        [...path, 'unitBytes'],
        `${rate.unitBytes} is no power of 1000 or 1024; a GB has 1000000000 or 1073741824`,
      );
    }
    if (rate.from !== undefined && rate.until !== undefined && rate.from >= rate.until) {
      problems.add([...path, 'until'], `is not after from (${rate.from}), so that it never holds`);
    }
  });
}

function isUnit(bytes: number): boolean {
  return [1000, 1024].some((base) => [1, 2, 3, 4, 5].some((power) => base ** power === bytes));
}

/** A path that nobody can price would make every cost on it unknown. */
function checkPathWords(
  words: readonly string[],
  providers: Providers,
  { privateRates = [] }: Pick<PricingConfig, 'privateRates'>,
  path: Path,
  problems: Problems,
): void {
  const known = new Set([
    ...providers.all.flatMap((book) =>
      [...book.rates, ...(book.processing ?? [])].flatMap((entry) => entry.paths ?? []),
    ),
    ...privateRates.flatMap((rate) => rate.paths ?? []),
  ]);
  for (const word of words) {
    if (!known.has(word)) {
      problems.add(path, `no price book has a rate for "${word}"; there are ${[...known].toSorted().join(', ')}`);
    }
  }
}

function checkSwitchValues(
  values: Readonly<Record<string, string>>,
  books: readonly PriceBook[],
  path: Path,
  problems: Problems,
): void {
  for (const [name, value] of Object.entries(values)) {
    const known = books.flatMap((book) => book.switches?.[name]?.values ?? []);
    const names = [...new Set(books.flatMap((book) => Object.keys(book.switches ?? {})))].join(', ');
    if (known.length === 0)
      problems.add([...path, name], `is no switch of the price book; there are ${names || 'none'}`);
    else if (!known.includes(value))
      problems.add([...path, name], `"${value}" is none of ${[...new Set(known)].join(', ')}`);
  }
}

function checkNames(entries: readonly { readonly name: string }[], list: string, problems: Problems): void {
  const indexes = new Map<string, number>();
  entries.forEach(({ name }, index) => {
    const earlier = indexes.get(name);
    if (earlier !== undefined) problems.add([list, index, 'name'], `${name} is the name of ${list}[${earlier}], too`);
    indexes.set(name, index);
  });
}

function canonicalPrefix(text: string): string {
  const parsed = parsePrefix(text, true);
  return 'problem' in parsed ? text : `${canonicalText(parsed.value.network)}/${parsed.value.bits}`;
}
