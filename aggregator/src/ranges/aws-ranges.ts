// AWS ip-ranges.json: https://docs.aws.amazon.com/vpc/latest/userguide/aws-ip-syntax.html. Each range is listed as AMAZON, and
// again under the services that have lists of their own.
import { isMapping } from '../document/parse-text.ts';
import { RANK, type RangePlace } from './prefix-list.ts';
import { numberOf, type ParsedRanges, RangeReader, wordOf } from './range-document.ts';

const EVERYTHING = 'AMAZON';
const MACHINES = 'EC2';
const NO_REGION = 'GLOBAL';

/**
 * Reads the document. `network_border_group` is not used: a Local Zone belongs to its region.
 *
 * @param where what errors call the document
 */
export function parseAwsRanges(text: string, where: string): ParsedRanges {
  const reader = new RangeReader(where);
  const raw = reader.parse(text);
  readPrefixes(reader, 'prefixes', reader.array(raw, 'prefixes'), 'ip_prefix');
  readPrefixes(reader, 'ipv6_prefixes', reader.array(raw, 'ipv6_prefixes'), 'ipv6_prefix');
  const seconds = numberOf(raw['syncToken']);
  return reader.finish(seconds && 1000 * seconds, seconds);
}

function readPrefixes(reader: RangeReader, name: string, lines: readonly unknown[], key: string): void {
  for (const [i, line] of lines.entries()) {
    if (!isMapping(line)) {
      reader.skip([name, i], 'is no object');
      continue;
    }
    const region = wordOf(line['region']);
    const service = wordOf(line['service']);
    if (region === undefined) reader.skip([name, i, 'region'], 'is no region');
    else if (service === undefined) reader.skip([name, i, 'service'], 'is no service');
    else reader.add([name, i, key], line[key], placeOf(region, service));
  }
}

function placeOf(region: string, service: string): RangePlace {
  return {
    provider: 'aws',
    region: region === NO_REGION ? null : region,
    service: service === MACHINES ? null : service,
    rank: service === EVERYTHING ? RANK.everything : service === MACHINES ? RANK.machines : RANK.service,
    inheritsRegion: false,
  };
}
