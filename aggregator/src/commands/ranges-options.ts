// Options about address ranges, which `serve` and `ip-ranges` share.
import { Option } from 'commander';
import { RANGE_NAMES } from '../ranges/range-sources.ts';
import { parseList, parsePath } from './option-values.ts';

export function ipRangesOption(): Option {
  return new Option(
    '--ip-ranges <directory>',
    'where documents of providers’ address ranges are (ip-ranges.json, cloud.json, goog.json, ServiceTags_Public*.json): docs/ip-ranges.md',
  )
    .env('FLOWTOLL_IP_RANGES')
    .argParser(parsePath);
}

export function ipRangesSourcesOption(): Option {
  return new Option(
    '--ip-ranges-sources <document=url,…>',
    `other sources than the providers' own: a URL, a file, or "none"; documents are ${RANGE_NAMES.join(', ')}`,
  )
    .env('FLOWTOLL_IP_RANGES_SOURCES')
    .default([], 'official addresses')
    .argParser(parseList);
}
