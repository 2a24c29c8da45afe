// Google's two documents, https://www.gstatic.com/ipranges/: cloud.json has the addresses that customers' machines can have, with
// regions; goog.json has all of Google's, without. What is in the second alone is Google's own services and APIs.
import { isMapping } from '../document/parse-text.ts';
import { RANK, type RangePlace } from './prefix-list.ts';
import { numberOf, type ParsedRanges, RangeReader, wordOf } from './range-document.ts';

/** The name that rows have for addresses of Google's own: neither document has a word for them. */
export const GOOGLE_APIS = 'GOOGLE-APIS';

const CUSTOMERS = 'Google Cloud';
const NO_REGION = 'global';

/**
 * Reads cloud.json.
 *
 * @param where what errors call the document
 */
export function parseGoogleCloudRanges(text: string, where: string): ParsedRanges {
  return parseGoogle(text, where, (line) => {
    const scope = wordOf(line['scope']);
    const service = wordOf(line['service']);
    if (scope === undefined || service === undefined) {
      return 'has no scope and service, which all lines of cloud.json have';
    }
    return {
      provider: 'gcp',
      region: scope === NO_REGION ? null : scope,
      service: service === CUSTOMERS ? null : service,
      rank: service === CUSTOMERS ? RANK.machines : RANK.service,
      inheritsRegion: false,
    };
  });
}

/**
 * Reads goog.json. Its ranges count only where cloud.json has none (google-services.ts).
 *
 * @param where what errors call the document
 */
export function parseGoogleRanges(text: string, where: string): ParsedRanges {
  const place: RangePlace = {
    provider: 'gcp',
    region: null,
    service: GOOGLE_APIS,
    rank: RANK.everything,
    inheritsRegion: false,
  };
  return parseGoogle(text, where, (line) =>
    line['scope'] === undefined ? place : 'has a scope, which lines of cloud.json have and those of goog.json have not',
  );
}

function parseGoogle(
  text: string,
  where: string,
  placeOf: (line: Readonly<Record<string, unknown>>) => RangePlace | string,
): ParsedRanges {
  const reader = new RangeReader(where);
  const raw = reader.parse(text);
  for (const [i, line] of reader.array(raw, 'prefixes').entries()) {
    if (!isMapping(line)) {
      reader.skip(['prefixes', i], 'is no object');
      continue;
    }
    const place = placeOf(line);
    if (typeof place === 'string') reader.skip(['prefixes', i], place);
    else reader.add(['prefixes', i], line['ipv4Prefix'] ?? line['ipv6Prefix'], place);
  }
  const ms = numberOf(raw['syncToken']);
  return reader.finish(ms, ms);
}
