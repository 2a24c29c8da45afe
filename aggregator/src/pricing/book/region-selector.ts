// Lists that select regions in price books and pricing configurations: names, "prefix*", "@group", "?" for a region that is not
// known, and "!" before any of these to leave it out.

/** A list as written. */
export type RegionSelector = readonly string[];

/** Named lists of a book; they leave nothing out. */
export type RegionGroups = Readonly<Record<string, readonly string[]>>;

/** The term for a region that is not known. */
export const NOT_KNOWN = '?';

/** Prepares a list for many questions: whether a region (null: not known) is selected. */
export function compileSelector(selector: RegionSelector, groups: RegionGroups): (region: string | null) => boolean {
  const terms = expandSelector(selector, groups);
  return (region) => selects(terms, region);
}

/** The list with groups replaced by their members; "!@group" leaves every member out. A group that is not there has none. */
export function expandSelector(selector: RegionSelector, groups: RegionGroups): string[] {
  return selector.flatMap((term) => {
    const negation = term.startsWith('!') ? '!' : '';
    const name = term.slice(negation.length);
    return name.startsWith('@') ? (groups[name.slice(1)] ?? []).map((member) => negation + member) : [term];
  });
}

/** Whether an expanded list selects a region (null: not known): some term does and no "!" term does. */
export function selects(terms: readonly string[], region: string | null): boolean {
  let isSelected = false;
  for (const term of terms) {
    if (term.startsWith('!')) {
      if (matches(term.slice(1), region)) {
        return false;
      }
    } else {
      isSelected ||= matches(term, region);
    }
  }
  return isSelected;
}

function matches(pattern: string, region: string | null): boolean {
  if (pattern === NOT_KNOWN || region === null) {
    return pattern === NOT_KNOWN && region === null;
  }
  return pattern.endsWith('*') ? region.startsWith(pattern.slice(0, -1)) : region === pattern;
}

/** One region for every set of regions that the lists can tell apart: "us-~" stands for one of "us-*" that no name lists. */
export function representatives(selectors: Iterable<RegionSelector>, groups: RegionGroups): Set<string | null> {
  const terms = [...selectors].flatMap((selector) => expandSelector(selector, groups));
  const names = terms.map((term) => term.replace(/^!/, '')).filter((name) => name !== NOT_KNOWN);
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
