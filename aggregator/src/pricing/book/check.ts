// What a schema cannot say about the single entries of a price book: everything that an entry refers to is there, a unit has as
// many bytes as its name says, tiers ascend. How entries go together is check-coverage.ts's. Knows no file.
import type { Problems } from '../../document/problems.ts';
import { checkCoverage, RELATED_CLASSES } from './check-coverage.ts';
import type { AmountEntry, PriceBook, RateEntry, TreatAsEntry } from './format.ts';
import { NOT_KNOWN, type RegionSelector } from './region-selector.ts';
import { POOL_BY_REGION } from './words.ts';

type Path = readonly PropertyKey[];

/** Bytes that a unit of this name can have. */
const UNIT_BYTES: Readonly<Record<string, readonly number[]>> = Object.fromEntries(
  ['K', 'M', 'G', 'T', 'P'].flatMap((letter, index) => [
    [`${letter}B`, [1000 ** (index + 1), 1024 ** (index + 1)]],
    [`${letter}iB`, [1024 ** (index + 1)]],
  ]),
);

/** Adds everything that is wrong with a book of the right shape. */
export function checkBook(book: PriceBook, problems: Problems): void {
  const before = problems.count;
  checkUnits(book, problems);
  checkSources(book, problems);
  checkSwitches(book, problems);
  checkSelectors(book, problems);
  for (const [index, rate] of book.rates.entries()) checkRate(book, rate, ['rates', index], problems);
  for (const [index, entry] of (book.processing ?? []).entries()) {
    checkAmount(book, entry, ['processing', index], problems);
  }
  checkPools(book, problems);
  checkTreatAs(book, problems);
  checkAllowances(book, problems);
  // What follows would only repeat what is wrong with the single entries.
  if (problems.count > before) return;
  checkCoverage(book, problems);
}

function checkUnits(book: PriceBook, problems: Problems): void {
  for (const [name, unit] of Object.entries(book.units)) {
    const path = ['units', name];
    const expected = UNIT_BYTES[name];
    if (expected === undefined) {
      problems.add(path, `"${name}" is no unit of bytes; use one of ${Object.keys(UNIT_BYTES).join(', ')}`);
      continue;
    }
    for (const bytes of new Set([unit.bytes, ...Object.values(unit.switch?.bytes ?? {})])) {
      if (!expected.includes(bytes)) {
        problems.add(path, `${bytes} bytes are no ${name}; it has ${expected.join(' or ')}`);
      }
    }
    if (unit.switch !== undefined) checkUnitSwitch(book, unit.bytes, unit.switch, [...path, 'switch'], problems);
  }
}

function checkUnitSwitch(
  book: PriceBook,
  bytes: number,
  byValue: { name: string; bytes: Record<string, number> },
  path: Path,
  problems: Problems,
): void {
  const known = book.switches?.[byValue.name];
  const given = Object.keys(byValue.bytes);
  if (known === undefined) {
    problems.add([...path, 'name'], `${byValue.name} is not in switches; add it there, or correct the name`);
  } else if (known.values.length !== given.length || !known.values.every((value) => given.includes(value))) {
    problems.add([...path, 'bytes'], `must give bytes for each value of ${byValue.name}: ${known.values.join(', ')}`);
  } else if (byValue.bytes[known.default] !== bytes) {
    problems.add([...path, 'bytes'], `${known.default} is the default and must be the ${bytes} bytes of the unit`);
  }
}

function checkSources(book: PriceBook, problems: Problems): void {
  const entries: [Path, readonly string[]][] = [
    ...Object.entries(book.units).map(([name, unit]): [Path, readonly string[]] => [['units', name], unit.sources]),
    ...(['rates', 'processing', 'allowances'] as const).flatMap((list) =>
      (book[list] ?? []).map(({ sources }, index): [Path, readonly string[]] => [[list, index], sources]),
    ),
  ];
  for (const [path, ids] of entries) {
    for (const id of ids) {
      if (!Object.hasOwn(book.sources, id)) {
        problems.add(path, `source ${id} is not in sources; add its address and date`);
      }
    }
  }
}

function checkSwitches(book: PriceBook, problems: Problems): void {
  const switches = book.switches ?? {};
  const used = new Set(Object.values(book.units).flatMap((unit) => (unit.switch ? [unit.switch.name] : [])));
  for (const list of ['rates', 'processing', 'allowances'] as const) {
    for (const [index, { when }] of (book[list] ?? []).entries()) {
      for (const [name, wanted] of Object.entries(when ?? {})) {
        used.add(name);
        checkWhen([list, index, 'when', name], [wanted].flat(), switches[name]?.values, problems);
      }
    }
  }
  for (const [name, { values, default: value }] of Object.entries(switches)) {
    const path = ['switches', name];
    if (new Set(values).size !== values.length) problems.add([...path, 'values'], 'names a value twice');
    if (!values.includes(value)) problems.add([...path, 'default'], `"${value}" is none of its values`);
    if (!used.has(name)) problems.add(path, 'nothing depends on it; remove it');
  }
}

function checkWhen(
  path: Path,
  wanted: readonly string[],
  known: readonly string[] | undefined,
  problems: Problems,
): void {
  if (known === undefined) {
    problems.add(path, 'is not in switches; add it there, or correct the name');
    return;
  }
  for (const value of wanted) {
    if (!known.includes(value)) problems.add(path, `"${value}" is none of its values ${known.join(', ')}`);
  }
}

function checkSelectors(book: PriceBook, problems: Problems): void {
  const known = new Set(book.regions);
  if (known.size !== book.regions.length) problems.add(['regions'], 'names a region twice');
  const isRegions = (name: string) =>
    name === NOT_KNOWN ||
    known.has(name) ||
    (name.endsWith('*') && book.regions.some((region) => region.startsWith(name.slice(0, -1))));
  const isRegionsOrGroup = (name: string) =>
    name.startsWith('@') ? Object.hasOwn(book.groups ?? {}, name.slice(1)) : isRegions(name);
  const check = (path: Path, selector: RegionSelector | undefined, isKnown: (name: string) => boolean) => {
    for (const term of selector ?? []) {
      const name = term.replace(/^!/, '');
      if (!isKnown(name)) problems.add(path, `${name} is unknown; ${adviceFor(name)}`);
    }
  };
  for (const [name, members] of Object.entries(book.groups ?? {})) {
    check(['groups', name], members, isRegions);
    // It would leave regions out of the whole list that names the group, also those of other terms.
    if (members.some((term) => term.startsWith('!'))) {
      problems.add(['groups', name], 'leaves out with "!"; do that where the group is used');
    }
  }
  for (const list of ['rates', 'processing', 'allowances', 'missing'] as const) {
    for (const [index, entry] of (book[list] ?? []).entries()) {
      check([list, index, 'regions'], entry.regions, isRegionsOrGroup);
      if ('peerRegions' in entry) check([list, index, 'peerRegions'], entry.peerRegions, isRegionsOrGroup);
    }
  }
}

function adviceFor(name: string): string {
  return name.startsWith('@')
    ? 'it is not in groups, and a group holds no group'
    : 'no such region is in regions: add it there, or correct the name';
}

function checkRate(book: PriceBook, rate: RateEntry, path: Path, problems: Problems): void {
  checkAmount(book, rate, path, problems);
  checkTraffic(rate, path, problems);
}

/** What only some classes have. */
function checkTraffic(
  entry: Pick<TreatAsEntry, 'class' | 'relations' | 'services'>,
  path: Path,
  problems: Problems,
): void {
  if (entry.relations !== undefined && !RELATED_CLASSES.has(entry.class)) {
    problems.add([...path, 'relations'], `class ${entry.class} says already where the sides are; remove it`);
  }
  if (entry.services !== undefined && entry.class !== 'provider-service') {
    problems.add([...path, 'services'], 'only class provider-service has services; remove it');
  }
}

function checkAmount(book: PriceBook, entry: AmountEntry, path: Path, problems: Problems): void {
  if (!Object.hasOwn(book.units, entry.unit)) {
    problems.add([...path, 'unit'], `${entry.unit} is not in units; add it there with its bytes`);
  }
  if ((entry.usdPerUnit === undefined) === (entry.tiers === undefined)) {
    problems.add(path, 'give either usdPerUnit or tiers');
  }
  if (entry.pool !== undefined && entry.tiers === undefined) {
    problems.add([...path, 'pool'], 'is for tiers only; remove it');
  }
  const bounds = (entry.tiers ?? []).map((tier) => tier.from);
  bounds.forEach((bound, index) => {
    const tier = [...path, 'tiers', index, 'from'];
    if (index === 0 && bound !== 0) problems.add(tier, `is ${bound}; the first tier begins at 0`);
    if (index > 0 && bound <= bounds[index - 1]!) {
      problems.add(tier, `is ${bound}, not above the ${bounds[index - 1]} of the tier before: the tiers overlap`);
    }
  });
}

/** Amounts of one pool are added up. */
function checkPools(book: PriceBook, problems: Problems): void {
  const firsts = new Map<string, string>();
  for (const list of ['rates', 'processing'] as const) {
    for (const [index, { pool, unit }] of (book[list] ?? []).entries()) {
      if (pool === undefined || pool === POOL_BY_REGION) continue;
      const first = firsts.get(pool);
      if (first === undefined) firsts.set(pool, unit);
      else if (first !== unit) {
        problems.add([list, index, 'unit'], `is ${unit}, but pool ${pool} counts ${first}; name another pool`);
      }
    }
  }
}

function checkTreatAs(book: PriceBook, problems: Problems): void {
  const rules = book.treatAs ?? [];
  for (const [index, rule] of rules.entries()) {
    const path = ['treatAs', index];
    checkTraffic(rule, path, problems);
    if (rule.as === rule.class || !book.rates.some((rate) => rate.class === rule.as)) {
      problems.add([...path, 'as'], `no rate is for class ${rule.as}; name another class that has rates of its own`);
    }
    const first = rules.findIndex((other) => covers(other, rule));
    if (first < index) problems.add(path, `is never reached: treatAs[${first}] fits whatever it fits; put it before`);
  }
}

function covers(a: TreatAsEntry, b: TreatAsEntry): boolean {
  const includes = (all: readonly string[] | undefined, some: readonly string[] | undefined) =>
    all === undefined || some?.every((item) => all.includes(item)) === true;
  return (
    a.class === b.class &&
    includes(a.relations, b.relations) &&
    includes(a.services, b.services) &&
    includes(a.paths, b.paths)
  );
}

function checkAllowances(book: PriceBook, problems: Problems): void {
  const allowances = book.allowances ?? [];
  for (const [index, { name, unit, class: trafficClass }] of allowances.entries()) {
    const path = ['allowances', index];
    if (!Object.hasOwn(book.units, unit)) {
      problems.add([...path, 'unit'], `${unit} is not in units; add it there with its bytes`);
    }
    if (!book.rates.some((rate) => rate.class === trafficClass && rate.directions.includes('out'))) {
      problems.add(
        [...path, 'class'],
        `no rate is for what ${trafficClass} traffic sends; add one, or correct the class`,
      );
    }
    if (allowances.findIndex((other) => other.name === name) < index) {
      problems.add([...path, 'name'], `"${name}" is there already; each has a name of its own`);
    }
  }
}
