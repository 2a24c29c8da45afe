// Lists that select regions in a price book: names, "prefix*", "@group", and "!" before any of these to leave it out.

/** A list as written in a book. */
export type RegionSelector = readonly string[];

/** Named lists of a book. */
export type RegionGroups = Readonly<Record<string, readonly string[]>>;

/** The list with groups replaced by their members; "!@group" leaves every member out. */
export function expandSelector(selector: RegionSelector, groups: RegionGroups): string[] {
  return selector.flatMap((term) => {
    const negation = term.startsWith('!') ? '!' : '';
    const name = term.slice(negation.length);
    const members = name.startsWith('@') ? expandSelector(groups[name.slice(1)] ?? [], {}) : [name];
    return members.map((member) => (member.startsWith('!') ? member : negation + member));
  });
}

/** Whether an expanded list selects a region: some term does and no "!" term does. */
export function selects(terms: readonly string[], region: string): boolean {
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

function matches(pattern: string, region: string): boolean {
  return pattern.endsWith('*') ? region.startsWith(pattern.slice(0, -1)) : region === pattern;
}

/** One name for every set of regions that the terms can tell apart: "us-*" stands for a region that no name lists. */
export function representatives(terms: readonly string[]): Set<string> {
  return new Set(['~', ...terms.map((term) => term.replace(/^!/, '').replace(/\*$/, '~'))]);
}

/** Those of `names` that the list selects; all, if there is no list. */
export function selectRegions(
  names: ReadonlySet<string>,
  selector: RegionSelector | undefined,
  groups: RegionGroups,
): Set<string> {
  if (selector === undefined) {
    return new Set(names);
  }
  const terms = expandSelector(selector, groups);
  return new Set([...names].filter((name) => selects(terms, name)));
}
