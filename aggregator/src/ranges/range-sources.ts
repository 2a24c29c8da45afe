// Which documents there are: what they are called in options and metrics, as which files a directory has them, where their providers
// publish them, and who reads them.
import { FlowtollError } from '../model/errors.ts';
import { parseAwsRanges } from './aws-ranges.ts';
import { parseAzureRanges } from './azure-ranges.ts';
import { parseGoogleCloudRanges, parseGoogleRanges } from './google-ranges.ts';
import type { ParsedRanges } from './range-document.ts';

export const RANGE_NAMES = ['aws', 'google-cloud', 'google', 'azure'] as const;

/** A document, as options and metrics call it. */
export type RangeName = (typeof RANGE_NAMES)[number];

export interface RangeKind {
  /** The file that a fetched copy becomes. */
  readonly file: string;
  /** Names of files in a directory that are this document. */
  readonly isFile: RegExp;
  /** Where the provider publishes it, or the page that links to it. */
  readonly source: string;
  /** Finds the document's address in the text of a page; absent where there is no such page. */
  readonly link?: RegExp;
  /** @param where what errors call the document */
  parse(text: string, where: string): ParsedRanges;
}

export const RANGE_KINDS: Readonly<Record<RangeName, RangeKind>> = {
  aws: {
    file: 'ip-ranges.json',
    isFile: /^ip-ranges\.json$/,
    source: 'https://ip-ranges.amazonaws.com/ip-ranges.json',
    parse: parseAwsRanges,
  },
  'google-cloud': {
    file: 'cloud.json',
    isFile: /^cloud\.json$/,
    source: 'https://www.gstatic.com/ipranges/cloud.json',
    parse: parseGoogleCloudRanges,
  },
  google: {
    file: 'goog.json',
    isFile: /^goog\.json$/,
    source: 'https://www.gstatic.com/ipranges/goog.json',
    parse: parseGoogleRanges,
  },
  azure: {
    file: 'ServiceTags_Public.json',
    isFile: /^ServiceTags_Public(_\d{8})?\.json$/,
    // The document gets another address each week; this page links to the newest.
    source: 'https://www.microsoft.com/en-us/download/details.aspx?id=56519',
    link: /https?:\/\/[^\s"'<>\\]+\/ServiceTags_Public_\d{8}\.json/,
    parse: parseAzureRanges,
  },
};

/** Where each document comes from: an http or https URL, or the path of a file. Those that are absent are not asked for. */
export type RangeSources = ReadonlyMap<RangeName, string>;

/** The official addresses, but for what a list like "aws=https://mirror/ip-ranges.json" says; "none" leaves one out. */
export function rangeSources(overrides: readonly string[]): RangeSources {
  const sources = new Map<RangeName, string>(RANGE_NAMES.map((name) => [name, RANGE_KINDS[name].source]));
  for (const override of overrides) {
    const split = override.indexOf('=');
    const name = RANGE_NAMES.find((known) => known === override.slice(0, split).trim());
    const source = override.slice(split + 1).trim();
    if (split === -1 || name === undefined || source === '') {
      throw new FlowtollError(
        'CONFIG_INVALID',
        `${JSON.stringify(override)} says no source of address ranges; write DOCUMENT=URL, DOCUMENT=FILE or DOCUMENT=none, with DOCUMENT ` +
          `one of ${RANGE_NAMES.join(', ')}`,
      );
    }
    if (source === 'none') sources.delete(name);
    else sources.set(name, source);
  }
  return sources;
}

/** Whether the source is asked over the network. */
export function isUrl(source: string): boolean {
  return /^https?:\/\//i.test(source);
}
