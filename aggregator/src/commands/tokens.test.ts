import { createHash } from 'node:crypto';
import { Command } from 'commander';
import { expect, test } from 'vitest';
import { parseTokens } from '../identity/readers/token-file.ts';
import { tokensCommand } from './tokens.ts';

async function run(...args: string[]): Promise<string> {
  let said = '';
  const write = async (text: string) => {
    said += text;
  };
  const output = { write, remark: () => {} };
  const surroundings = { output, nowMs: () => Date.UTC(2026, 0, 1), randomBytes: (n: number) => Buffer.alloc(n, 7) };
  const quiet = { writeErr: () => {}, writeOut: () => {} };
  const tokens = tokensCommand(() => surroundings);
  for (const command of [tokens, ...tokens.commands]) command.exitOverride().configureOutput(quiet);
  await new Command().addCommand(tokens).parseAsync(['tokens', ...args], { from: 'user' });
  return said;
}

test('makes a token, and a line that the file takes', async () => {
  const said = await run('new', '--name', 'team-shop', '--namespaces', 'shop,cart', '--expires', '90d');
  const token = /^flowtoll_read_[\w-]{43}$/m.exec(said)![0];
  const line = / {2}- \{.*\}$/m.exec(said)![0];
  expect(said.split(token)).toHaveLength(2);
  expect(line).not.toContain('flowtoll_read_');
  const entries = parseTokens(`version: 1\ntokens:\n${line}\n`, 'tokens.yaml');
  expect(entries.get(createHash('sha256').update(token).digest('hex'))).toEqual({
    name: 'team-shop',
    sha256: expect.any(String),
    namespaces: ['shop', 'cart'],
    expires: '2026-04-01T00:00:00.000Z',
  });
});

test('the same for programs; all namespaces and no end where nothing is said', async () => {
  const { token, entry } = JSON.parse(await run('new', '--name', 'finance', '--format', 'json'));
  expect(entry).toEqual({
    name: 'finance',
    sha256: createHash('sha256').update(token).digest('hex'),
    namespaces: 'all',
  });
});

test.each([
  ['2026-06-30', '2026-06-30T00:00:00.000Z'],
  ['2026-06-30T12:00+02:00', '2026-06-30T10:00:00.000Z'],
  ['1m', '2026-01-01T00:01:00.000Z'],
])('good until %j', async (when, expires) => {
  const { entry } = JSON.parse(await run('new', '--name', 'a', '--expires', when, '--format', 'json'));
  expect(entry.expires).toBe(expires);
});

test.each([
  ['--name', 'a b'],
  ['--name', 'a\n'],
  ['--name', 'a', '--namespaces', 'Shop'],
  ['--name', 'a', '--namespaces', ''],
  ['--name', 'a', '--expires', '100y'],
  ['--name', 'a', '--expires', '2026-13-01'],
  ['--name', 'a', '--expires', '2026-06-30T12:00'],
])('refused: %j %j %j %j', async (...args) => {
  await expect(run('new', ...args)).rejects.toMatchObject({ code: 'commander.invalidArgument' });
});

test('refused: nobody who gets it, and what is over already', async () => {
  await expect(run('new')).rejects.toMatchObject({ code: 'commander.missingMandatoryOptionValue' });
  await expect(run('new', '--name', 'a', '--expires', '2025-12-31')).rejects.toMatchObject({ code: 'CONFIG_INVALID' });
});
