// Azure's service tags, ServiceTags_Public_DATE.json: a list of tags, each with its prefixes. AzureCloud.REGION has all of a region's
// addresses; Storage.WestEurope, Sql.EastUS and the like are services inside of it; Storage without a region is the same again.
import { isMapping, type Raw } from '../document/parse-text.ts';
import { RANK, type RangePlace } from './prefix-list.ts';
import { numberOf, type ParsedRanges, RangeReader, wordOf } from './range-document.ts';

const MACHINES = 'AzureCloud';

/** Regions that the document calls otherwise than prices, labels of nodes and everybody else do. */
const REGION_NAMES: ReadonlyMap<string, string> = new Map([
  ['germanywc', 'germanywestcentral'],
  ['germanyn', 'germanynorth'],
  ['centralfrance', 'francecentral'],
  ['southfrance', 'francesouth'],
  ['norwaye', 'norwayeast'],
  ['norwayw', 'norwaywest'],
  ['switzerlandn', 'switzerlandnorth'],
  ['switzerlandw', 'switzerlandwest'],
  ['brazilse', 'brazilsoutheast'],
  ['brazilne', 'brazilnortheast'],
  ['chilec', 'chilecentral'],
]);

/**
 * Reads the document. A tag without a region does not say that there is none: its prefixes take that of the range around them.
 *
 * @param where what errors call the document
 */
export function parseAzureRanges(text: string, where: string): ParsedRanges {
  const reader = new RangeReader(where);
  const raw = reader.parse(text);
  for (const [i, tag] of reader.array(raw, 'values').entries()) {
    if (isMapping(tag)) readTag(reader, i, tag);
    else reader.skip(['values', i], 'is no object');
  }
  return reader.finish(null, numberOf(raw['changeNumber']));
}

function readTag(reader: RangeReader, index: number, tag: Raw): void {
  const path = ['values', index, 'properties'];
  const name = wordOf(tag['name']);
  const properties = isMapping(tag['properties']) ? tag['properties'] : {};
  const prefixes = properties['addressPrefixes'];
  const region = properties['region'] === '' ? null : wordOf(properties['region']);
  if (!Array.isArray(prefixes)) {
    reader.skip([...path, 'addressPrefixes'], 'is no array');
  } else if (name === undefined) {
    reader.skip(['values', index, 'name'], 'is no name', prefixes.length);
  } else if (region === undefined) {
    reader.skip([...path, 'region'], 'is no region', prefixes.length);
  } else {
    const place = placeOf(name, region);
    for (const [i, prefix] of prefixes.entries()) reader.add([...path, 'addressPrefixes', i], prefix, place);
  }
}

/** The service is the tag's name up to the first dot: what follows is a region, or a part of the service. */
function placeOf(name: string, region: string | null): RangePlace {
  const word = name.split('.', 1)[0]!;
  return {
    provider: 'azure',
    region: region === null ? null : (REGION_NAMES.get(region) ?? region),
    service: word === MACHINES ? null : word,
    rank: word === MACHINES ? RANK.machines : RANK.service,
    inheritsRegion: region === null,
  };
}
