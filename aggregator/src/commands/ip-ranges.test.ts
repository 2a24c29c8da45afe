// `flowtoll ip-ranges` from the command line to the printed text and the exit code.
import { mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { AWS_DOCUMENT, azureDocument, CLOUD_DOCUMENT, GOOG_DOCUMENT } from '../ranges/documents.testing.ts';
import { ipRangesCommand } from './ip-ranges.ts';

const NOW_MS = Date.UTC(2026, 7, 25, 15, 17, 5);

let directory: string;

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'flowtoll-ip-ranges-'));
});
afterEach(() => rm(directory, { recursive: true, force: true }));

async function run(...args: string[]) {
  const ran = { text: '', remarks: '', exitCode: 0 };
  const command = ipRangesCommand(
    (code) => {
      ran.exitCode = code;
    },
    () => ({
      write: async (text) => {
        ran.text += text;
      },
      remark: (text) => {
        ran.remarks += text;
      },
    }),
    () => NOW_MS,
  );
  await command.parseAsync([...args, '--ip-ranges', directory], { from: 'user' });
  return ran;
}

const save = (file: string, text: string) => writeFile(join(directory, file), text);

async function saveAll(): Promise<void> {
  await save('ip-ranges.json', AWS_DOCUMENT);
  await save('cloud.json', CLOUD_DOCUMENT);
  await save('goog.json', GOOG_DOCUMENT);
  await save('ServiceTags_Public_20260824.json', azureDocument());
}

describe('lookup', () => {
  it('says whose addresses and prefixes are', async () => {
    await saveAll();
    const { text, remarks, exitCode } = await run(
      'lookup',
      '203.0.113.1',
      '198.51.100.0/24',
      '192.0.2.129',
      '2001:db8:e:1::9',
    );
    expect(text.split('\n').map((line) => line.trimEnd().split(/ {2,}/))).toEqual([
      ['address', 'provider', 'region', 'service'],
      [expect.any(String), expect.any(String), expect.any(String), expect.any(String)],
      ['203.0.113.1', 'aws', 'us-east-1', 'S3'],
      ['198.51.100.0/24', '-', '-', '-'],
      ['192.0.2.129', 'gcp', '-', 'GOOGLE-APIS'],
      ['2001:db8:e:1::9', 'azure', 'westeurope', 'Storage'],
      [''],
    ]);
    expect({ remarks, exitCode }).toEqual({ remarks: '', exitCode: 0 });
  });

  it('says it to programs', async () => {
    await saveAll();
    expect(JSON.parse((await run('lookup', '203.0.113.1', '9.9.9.9', '--format', 'json')).text)).toEqual([
      { address: '203.0.113.1', place: { provider: 'aws', region: 'us-east-1', service: 'S3' } },
      { address: '9.9.9.9', place: null },
    ]);
  });

  it.each(['s3.amazonaws.com', '203.0.113.1/40', ''])('refuses %j', async (address) => {
    await saveAll();
    await expect(run('lookup', address)).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
  });

  it('refuses a directory without documents', async () => {
    await expect(run('lookup', '9.9.9.9')).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
    await save('ip-ranges.json', '{}');
    await expect(run('lookup', '9.9.9.9')).rejects.toMatchObject({ code: 'RANGES_INVALID' });
  });
});

describe('show', () => {
  it('says how many prefixes there are and how old documents are', async () => {
    await saveAll();
    const { documents, prefixes } = JSON.parse((await run('show', '--format', 'json')).text);
    expect(documents[0]).toEqual({
      document: 'aws',
      file: join(directory, 'ip-ranges.json'),
      prefixes: 12,
      skipped_prefixes: 0,
      published: '2026-08-22T15:17:05Z',
      edition: 1787411825,
      newest_until: '2026-08-22T15:17:05Z',
      age_seconds: 3 * 86_400,
    });
    expect(documents.map(({ document }: { document: string }) => document)).toEqual([
      'aws',
      'google-cloud',
      'google',
      'azure',
    ]);
    expect(prefixes).toEqual({ aws: 12, gcp: 6, azure: 13 });
    expect((await run('show')).text).toMatch(
      /^aws +12 +2026-08-22T15:17:05Z +2026-08-22T15:17:05Z +3 d +\S+ip-ranges\.json$/m,
    );
  });

  it('shows what can be read, says what cannot, and ends with 1', async () => {
    await save('ip-ranges.json', AWS_DOCUMENT.replace('198.51.100.0/24', '198.51.100.1/24'));
    await save('goog.json', GOOG_DOCUMENT);
    await save('cloud.json', '{}');
    const { text, remarks, exitCode } = await run('show');
    expect(text).toMatch(/^aws +11 /m);
    expect(remarks).toContain('prefixes[0].ip_prefix: 198.51.100.1/24 has bits set after its prefix length');
    expect(remarks).toContain('cloud.json: prefixes is missing');
    expect(remarks).toContain('goog.json is not used without cloud.json');
    expect(exitCode).toBe(1);
  });
});

describe('fetch', () => {
  it('fetches what has a source, says what is new, and ends with 1 when one cannot be had', async () => {
    const file = join(directory, 'elsewhere.json');
    await writeFile(file, AWS_DOCUMENT);
    const sources = ['--ip-ranges-sources', `aws=${file},azure=${file}.gone,google=none,google-cloud=none`];
    const first = await run('fetch', ...sources);
    expect(first.text).toBe('aws: a new edition, 12 prefixes\n');
    expect(first.remarks).toMatch(
      /^flowtoll: RANGES_UNAVAILABLE: .*gone cannot be fetched: ENOENT.*; there is no copy\n$/,
    );
    expect(first.exitCode).toBe(1);
    expect((await readdir(directory)).sort()).toEqual(['elsewhere.json', 'fetched.json', 'ip-ranges.json']);
    expect((await run('fetch', ...sources)).text).toBe('aws: unchanged, 12 prefixes\n');
  });
});
