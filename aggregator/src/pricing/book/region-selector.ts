// Lists that select regions in price books and pricing configurations: names, "prefix*", "@group", "?" for a region that is not
// known, and "!" before any of these to leave it out. What a group leaves out is left out of the group alone.

/** A list as written. */
export type RegionSelector = readonly string[];

/** Named lists of a book. */
export type RegionGroups = Readonly<Record<string, readonly string[]>>;

/** Whether a region (null: not known) is selected. */
export type SelectsRegion = (region: string | null) => boolean;

/** The term for a region that is not known. */
export const NOT_KNOWN = '?';

/** Prepares a list: it selects a region that some term selects and no "!" term does. A group that is not there selects nothing. */
export function compileSelector(selector: RegionSelector, groups: RegionGroups): SelectsRegion {
  const wanted = selector.filter((term) => !term.startsWith('!')).map((term) => compileTerm(term, groups));
  const unwanted = selector.filter((term) => term.startsWith('!')).map((term) => compileTerm(term.slice(1), groups));
  return (region) => wanted.some((selects) => selects(region)) && !unwanted.some((selects) => selects(region));
}

function compileTerm(term: string, groups: RegionGroups): SelectsRegion {
  if (term.startsWith('@')) return compileSelector(groups[term.slice(1)] ?? [], {});
  if (term === NOT_KNOWN) return (region) => region === null;
  if (!term.endsWith('*')) return (region) => region === term;
  const prefix = term.slice(0, -1);
  return (region) => region?.startsWith(prefix) === true;
}

/** One region for every set of regions that the lists can tell apart: "us-~" stands for one of "us-*" that no name lists. */
export function representatives(selectors: Iterable<RegionSelector>, groups: RegionGroups): Set<string | null> {
  const terms = [...selectors, ...Object.values(groups)].flat().map((term) => term.replace(/^!/, ''));
  const names = terms.filter((term) => term !== NOT_KNOWN && !term.startsWith('@'));
  return new Set([null, '~', ...names.map((name) => name.replace(/\*$/, '~'))]);
}

/** Those of `regions` that the list selects; all, if there is no list. */
export function selectRegions(
  regions: ReadonlySet<string | null>,
  selector: RegionSelector | undefined,
  groups: RegionGroups,
): Set<string | null> {
  return selector === undefined ? new Set(regions) : new Set([...regions].filter(compileSelector(selector, groups)));
}
