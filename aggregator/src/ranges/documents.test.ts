import { describe, expect, it } from 'vitest';
import { FlowtollError } from '../model/errors.ts';
import { parseAwsRanges } from './aws-ranges.ts';
import { parseAzureRanges } from './azure-ranges.ts';
import { AWS_DOCUMENT, azureDocument, CLOUD_DOCUMENT, GOOG_DOCUMENT } from './documents.testing.ts';
import { parseGoogleCloudRanges, parseGoogleRanges } from './google-ranges.ts';
import { googleServices } from './google-services.ts';
import type { ParsedRanges } from './range-document.ts';
import { createRangeTable, type RangeTable } from './range-table.ts';

function text(table: RangeTable, address: string): string {
  const place = table.lookup(address);
  return place === undefined ? '-' : `${place.provider} ${place.region} ${place.service}`;
}

function refusal(work: () => unknown): string {
  try {
    work();
  } catch (error) {
    if (error instanceof FlowtollError) return `${error.code}: ${error.message}`;
    throw error;
  }
  return 'taken';
}

describe('AWS', () => {
  const parsed = parseAwsRanges(AWS_DOCUMENT, 'ip-ranges.json');
  const table = createRangeTable([parsed.list]);

  it.each([
    ['198.51.100.1', 'aws us-east-1 null', 'machines'],
    ['198.51.100.65', 'aws us-east-1 S3', 'a service in a longer range'],
    ['198.51.100.129', 'aws us-east-1 AMAZON', 'a service without a list, in a longer range'],
    ['203.0.113.1', 'aws us-east-1 S3', 'S3, EC2 and AMAZON alike'],
    ['203.0.113.17', 'aws null CLOUDFRONT', 'no region'],
    ['203.0.113.33', 'aws us-east-1 null', 'a Local Zone'],
    ['203.0.113.48', '-', 'nobody'],
    ['2001:db8:a::1', 'aws eu-west-1 null', 'IPv6'],
    ['2001:db8:a:1::1', 'aws eu-west-1 DYNAMODB', 'a service, IPv6'],
    ['198.51.100.0/24', '-', 'a prefix of several'],
    ['198.51.100.0/26', 'aws us-east-1 null', 'a prefix of one'],
  ])('%s is %s: %s', (address, expected) => {
    expect(text(table, address)).toBe(expected);
  });

  it('says when it was made', () => {
    expect(new Date(parsed.publishedMs!).toISOString()).toBe('2026-08-22T15:17:05.000Z');
    expect(parsed).toMatchObject({ edition: 1787411825, skipped: 0, firstProblem: undefined });
    expect(parsed.list.count).toBe(12);
  });
});

describe('Google', () => {
  const cloud = parseGoogleCloudRanges(CLOUD_DOCUMENT, 'cloud.json');
  const google = parseGoogleRanges(GOOG_DOCUMENT, 'goog.json');
  const table = createRangeTable([cloud.list, googleServices(google.list, cloud.list)]);

  it.each([
    ['192.0.2.1', 'gcp us-central1 null', 'machines'],
    ['192.0.2.65', 'gcp null null', 'machines of no region'],
    ['192.0.2.129', 'gcp null GOOGLE-APIS', 'in goog.json alone'],
    ['198.18.7.1', 'gcp us-central1 null', 'in a range of goog.json that lies in one of cloud.json'],
    ['2001:db8:c::1', 'gcp europe-west1 null', 'IPv6'],
    ['2001:db8:d::1', 'gcp null GOOGLE-APIS', 'IPv6, in goog.json alone'],
  ])('%s is %s: %s', (address, expected) => {
    expect(text(table, address)).toBe(expected);
  });

  it('says when it was made', () => {
    expect(new Date(cloud.publishedMs!).toISOString()).toBe('2025-07-25T02:16:28.780Z');
  });
});

describe('Azure', () => {
  const parsed = parseAzureRanges(azureDocument(), 'ServiceTags_Public.json');
  const table = createRangeTable([parsed.list]);

  it.each([
    ['198.19.0.1', 'azure westeurope null', 'machines'],
    ['198.19.1.1', 'azure westeurope Storage', 'a service with its region'],
    ['198.19.129.1', 'azure francecentral Storage', 'a service whose region only AzureCloud names'],
    ['198.19.130.1', 'azure francecentral Sql', 'a region that others call otherwise'],
    ['198.19.2.1', 'azure westeurope AzureActiveDirectory', 'a part of a service'],
    ['2001:db8:e::1', 'azure westeurope null', 'IPv6'],
    ['2001:db8:e:1::1', 'azure westeurope Storage', 'a service, IPv6'],
  ])('%s is %s: %s', (address, expected) => {
    expect(text(table, address)).toBe(expected);
  });

  it('says which edition it is', () => {
    expect(parsed).toMatchObject({ publishedMs: null, edition: 375, skipped: 0 });
  });
});

describe('documents that are not what they should be', () => {
  const cases: [name: string, parse: (text: string, where: string) => ParsedRanges, text: string, message: string][] = [
    ['no JSON', parseAwsRanges, '<html>', 'x: is not JSON: '],
    ['cut', parseAwsRanges, AWS_DOCUMENT.slice(0, -20), 'x: is not JSON: '],
    ['a list', parseAzureRanges, '[]', 'x: holds no JSON object; '],
    ['without prefixes', parseAwsRanges, '{"ipv6_prefixes": []}', 'x: prefixes is missing; '],
    ['without IPv6', parseAwsRanges, '{"prefixes": []}', 'x: ipv6_prefixes is missing; '],
    ['no array', parseGoogleRanges, '{"prefixes": {}}', 'x: prefixes is no array; '],
    ['empty', parseGoogleRanges, '{"prefixes": []}', 'x: has no prefixes; '],
    ['empty tags', parseAzureRanges, '{"values": []}', 'x: has no prefixes; '],
    [
      'cloud.json in the place of goog.json',
      parseGoogleRanges,
      CLOUD_DOCUMENT,
      'x: has no prefixes; the first that cannot be read: prefixes[0]: has a scope',
    ],
    [
      'goog.json in the place of cloud.json',
      parseGoogleCloudRanges,
      GOOG_DOCUMENT,
      'x: has no prefixes; the first that cannot be read: prefixes[0]: has no scope and service',
    ],
    [
      'most of it unreadable',
      parseGoogleRanges,
      '{"prefixes": [{"ipv4Prefix": "192.0.2.0/24"}, {"ipv4Prefix": "192.0.2.1/24"}, {"ipv4Prefix": 5}]}',
      'x: has 2 of 3 prefixes that cannot be read; the first that cannot be read: prefixes[1]: 192.0.2.1/24 has bits set after its prefix length',
    ],
  ];

  it.each(cases)('%s', (_, parse, document, message) => {
    expect(refusal(() => parse(document, 'x'))).toContain(`RANGES_INVALID: ${message}`);
  });

  it('skips and counts single lines that cannot be read, and says the first', () => {
    const parsed = parseAwsRanges(
      JSON.stringify({
        prefixes: [
          { ip_prefix: '0.0.0.0/0', region: 'us-east-1', service: 'EC2' },
          { ip_prefix: '198.51.100.0/24', region: 'us-east-1', service: 'EC2' },
          { ip_prefix: '198.51.101.0/24', region: 'us-east-1', service: 'EC2' },
          { ip_prefix: '198.51.102.0/24', region: '', service: 'EC2' },
          { ip_prefix: '198.51.103.0/24', region: 'us-east-1', service: 7 },
          'x',
          { ip_prefix: '198.51.104.0/24', region: 'us-east-1', service: 'EC2' },
        ],
        ipv6_prefixes: [{ ipv6_prefix: '2001:db8::/32', region: 'us-east-1', service: 'EC2' }],
      }),
      'x',
    );
    expect(parsed).toMatchObject({
      skipped: 4,
      firstProblem: "prefixes[0].ip_prefix: 0.0.0.0/0 is wider than any provider's range",
    });
    expect(parsed.list.count).toBe(4);
  });

  it('counts the prefixes of a tag that cannot be read', () => {
    const tag = (region: unknown, addressPrefixes: unknown) => ({
      name: 'Storage',
      properties: { region, addressPrefixes },
    });
    const parsed = parseAzureRanges(
      JSON.stringify({
        values: [
          tag('westeurope', ['198.51.100.0/24', '198.51.101.0/24', '198.51.102.0/24', '198.51.103.0/24']),
          tag(7, ['192.0.2.0/25', '192.0.2.128/25']),
          tag('', null),
        ],
      }),
      'x',
    );
    expect(parsed).toMatchObject({ skipped: 3, firstProblem: 'values[1].properties.region: is no region' });
  });
});
