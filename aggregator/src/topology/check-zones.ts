// Contradictions between the places of a topology file's entries. A zone has one region, one name and one id, as far as nodes say it:
// they are in one account. What is outside may be in another one, where the same name means another zone.
import { type Path, type Problems, pathText } from '../document/problems.ts';
import type { Located } from './document.ts';
import type { ExternalEntry, NodeEntry } from './schema.ts';
import { isAwsZoneId, saidPlace } from './zone-names.ts';

type Entry = Pick<NodeEntry | ExternalEntry, 'provider' | 'region' | 'zone' | 'zoneId'>;

/** Checks the places of all entries. */
export function checkZones(
  nodes: readonly Located<NodeEntry>[],
  external: readonly Located<ExternalEntry>[],
  problems: Problems,
): void {
  const known = new KnownZones(problems);
  for (const { path, entry } of nodes) if (checkPlace(entry, path, problems)) known.add(entry, path);
  for (const { path, entry } of external) checkPlace(entry, path, problems);
}

/** A zone without a region cannot be placed, and what is no id would be taken for another zone everywhere. */
function checkPlace({ provider, region, zone, zoneId }: Entry, path: Path, problems: Problems): boolean {
  const given = zone ?? zoneId;
  if (given === undefined) return true;
  if (region === undefined) {
    problems.add([...path, 'region'], `is missing, but zone ${given} is given; give the region of the zone`);
    return false;
  }
  if (provider !== 'aws' || zoneId === undefined) return true;
  if (!isAwsZoneId(zoneId)) {
    problems.add(
      [...path, 'zoneId'],
      `${zoneId} is not an id of a zone of AWS, such as use1-az1; a name such as us-east-1a belongs under zone`,
    );
    return false;
  }
  if (zone !== undefined && isAwsZoneId(zone) && zone !== zoneId) {
    problems.add([...path, 'zoneId'], `${zoneId} is another id than the one under zone, ${zone}; keep the right one`);
    return false;
  }
  return true;
}

/** What nodes have said of zones; reports the first that says something else. */
class KnownZones {
  readonly #facts = new Map<string, { readonly value: string; readonly path: Path }>();
  readonly #problems: Problems;

  constructor(problems: Problems) {
    this.#problems = problems;
  }

  add(entry: Entry, path: Path): void {
    const { provider, region, zone, zoneId } = saidPlace(entry);
    const field = entry.zone === undefined ? 'zoneId' : 'zone';
    const facts: [of: string | null, what: string, value: string | null][] = [
      [zone, 'region', region],
      [zoneId, 'region', region],
      [zone, 'id', zoneId],
      [zoneId, 'name', zone],
    ];
    for (const [of, what, value] of facts) {
      if (of === null || value === null) continue;
      const key = JSON.stringify([provider, of, what]);
      const first = this.#facts.get(key);
      if (first === undefined) {
        this.#facts.set(key, { value, path });
      } else if (first.value !== value) {
        this.#problems.add(
          [...path, field],
          `${of} has ${what} ${value} here and ${first.value} at ${pathText(first.path)}; a zone has one ${what}`,
        );
        return;
      }
    }
  }
}
