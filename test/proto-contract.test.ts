// The .proto as strangers and later versions see it: a batch of the agent is decoded by buf with nothing but the folder
// proto/, generated code is what the .proto says, and no change breaks what an earlier commit promised.
import { execFileSync, spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { zstdDecompressSync } from 'node:zlib';
import { encodeBatch } from '@flowtoll/agent/exporter/batch-codec.ts';
import { windowFlows } from '@flowtoll/agent/exporter/windows.testing.ts';
import { afterAll, beforeAll, expect, test } from 'vitest';

const ROOT = join(import.meta.dirname, '..');
const BUF = join(ROOT, 'node_modules', '.bin', 'buf');
const GENERATED = 'proto/gen';

let work: string;

beforeAll(() => {
  work = mkdtempSync(join(tmpdir(), 'flowtoll-proto-'));
});

afterAll(() => rmSync(work, { recursive: true, force: true }));

/** Runs buf in the repository; its output on failure is the test's message. */
function buf(...args: string[]): string {
  const env = { ...process.env, PATH: `${join(ROOT, 'node_modules', '.bin')}:${process.env['PATH']}` };
  const { status, stdout, stderr, error } = spawnSync(BUF, args, { cwd: ROOT, env, encoding: 'utf8' });
  if (error !== undefined) throw error;
  if (status !== 0) throw new Error(`buf ${args.join(' ')}:\n${stdout}${stderr}`);
  return stdout;
}

function git(...args: string[]): string | undefined {
  const { status, stdout } = spawnSync('git', args, { cwd: ROOT, encoding: 'utf8' });
  return status === 0 ? stdout.trim() : undefined;
}

/** A message's bytes as JSON, by a reader that has the .proto files and nothing of our code. */
function decodeAsStranger(type: string, bytes: Uint8Array): Record<string, unknown> {
  const file = join(work, `${type}.binpb`);
  writeFileSync(file, bytes);
  return JSON.parse(buf('convert', 'proto', '--type', type, '--from', file, '--to', '-#format=json'));
}

test('a stranger with only the .proto decodes a batch', () => {
  const loss = { reason: 'events-dropped', entries: undefined, bytes: undefined } as const;
  const bytes = encodeBatch({ epoch: 'an-epoch', sequence: 7 }, windowFlows(3, 3, [loss]), []);
  const { zstdColumns, ...batch } = decodeAsStranger('flowtoll.v1.Batch', bytes);
  expect(batch).toEqual({
    epoch: 'an-epoch',
    sequence: '7',
    windowStart: '2026-06-01T12:03:00Z',
    windowEnd: '2026-06-01T12:04:00Z',
    flowCount: 3,
    losses: [{ reason: 'events-dropped' }],
  });
  const frame = Buffer.from(String(zstdColumns), 'base64');
  const columns = decodeAsStranger('flowtoll.v1.FlowColumns', zstdDecompressSync(frame));
  const base64 = (...values: number[]) => Buffer.from(values).toString('base64');
  // Sorted by port: flow 2 has the lowest.
  expect(columns).toEqual({
    addresses: [base64(10, 3, 0, 0), base64(10, 3, 0, 1), base64(10, 3, 0, 2), base64(10, 3, 0, 3)],
    prefixLengths: base64(32, 32, 32, 32),
    initiator: [0, 0, 0],
    responder: [3, 2, 1],
    originalDestination: [0, 0, 0],
    originalDestinationPort: [0, 0, 0],
    translatedSource: [0, 0, 0],
    protocol: base64(6, 6, 6),
    responderPort: [59_998, 59_999, 60_000],
    initiatorBytes: ['3002', '3001', '3000'],
    initiatorPackets: ['1', '1', '1'],
    responderBytes: ['1', '1', '1'],
    responderPackets: ['1', '1', '1'],
    connections: [1, 1, 1],
  });
});

test('the .proto files pass buf lint', () => {
  expect(buf('lint')).toBe('');
});

test('generating again changes nothing', () => {
  buf('generate', '--output', work);
  const names = (root: string) =>
    readdirSync(join(root, GENERATED), { recursive: true, encoding: 'utf8' })
      .filter((name) => name.endsWith('.ts'))
      .sort();
  expect(names(work)).toEqual(names(ROOT));
  for (const name of names(ROOT)) {
    const read = (root: string) => readFileSync(join(root, GENERATED, name), 'utf8');
    expect(read(work), `${GENERATED}/${name}: run npm run generate and commit`).toBe(read(ROOT));
  }
});

/**
 * What the contract must not break: that of the main branch, or of the commit before where this is the main branch.
 * Undefined where there is no history: an exported tree, a shallow clone, the first commit.
 */
function baseCommit(): string | undefined {
  const head = git('rev-parse', 'HEAD');
  for (const name of ['origin/main', 'main', 'HEAD^']) {
    const commit = git('rev-parse', '--verify', '--quiet', `${name}^{commit}`);
    if (commit !== undefined && commit !== head) return git('merge-base', commit, 'HEAD');
  }
  return undefined;
}

const base = baseCommit();

test.skipIf(base === undefined)(
  'no change breaks what an earlier commit promised (skipped without git history)',
  () => {
    const earlier = join(work, 'earlier');
    mkdirSync(earlier);
    const archive = execFileSync('git', ['archive', base!, 'buf.yaml', 'proto/flowtoll'], { cwd: ROOT });
    execFileSync('tar', ['-x', '-C', earlier], { input: archive });
    expect(buf('breaking', '--against', earlier)).toBe('');
  },
);
