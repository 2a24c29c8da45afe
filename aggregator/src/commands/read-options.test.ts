// What flowtoll serve takes of options for readers, and what it refuses because it would be open to others.
import { Command } from 'commander';
import { describe, expect, test } from 'vitest';
import { addReadOptions, type ReadFlags, type ReadSurroundings, readAccess } from './read-options.ts';

const LOOPBACK = { host: '127.0.0.1', port: 4460 };

function accessOf(args: readonly string[], surroundings: Partial<ReadSurroundings> = {}) {
  const command = addReadOptions(new Command()).exitOverride();
  command.configureOutput({ writeErr: () => undefined }).parse(args, { from: 'user' });
  return readAccess(command.opts<ReadFlags>(), {
    ...{ listen: LOOPBACK, hasTls: false, insecure: false },
    ...surroundings,
  });
}

const tokens = ['--read-auth', 'tokens', '--read-tokens', 'tokens.yaml'];

test.each<{ name: string; args: string[]; with?: Partial<ReadSurroundings>; at: string; kind: string }>([
  { name: 'nothing', args: [], at: 'ingest', kind: 'none' },
  {
    name: 'nothing, and agents come from elsewhere',
    args: [],
    ...{ with: { listen: { host: '0.0.0.0', port: 4460 } }, at: 'closed', kind: 'none' },
  },
  {
    name: 'nothing, agents come from elsewhere, and all may be open',
    args: [],
    ...{ with: { listen: { host: '::', port: 4460 }, insecure: true }, at: 'ingest', kind: 'none' },
  },
  { name: 'a port on this machine', args: ['--read-listen', '127.0.0.1:4461'], at: 'own', kind: 'none' },
  { name: 'a port on this machine by IPv6', args: ['--read-listen', '[::1]:4461'], at: 'own', kind: 'none' },
  {
    name: 'tokens with encryption',
    args: ['--read-listen', ':4461', ...tokens],
    ...{ with: { hasTls: true }, at: 'own', kind: 'tokens' },
  },
  { name: 'tokens on this machine', args: ['--read-listen', 'localhost:0', ...tokens], at: 'own', kind: 'tokens' },
  {
    name: 'Kubernetes',
    args: ['--read-listen', ':4461', '--read-auth', 'kubernetes'],
    ...{ with: { hasTls: true, kubernetes: 'in-cluster' }, at: 'own', kind: 'kubernetes' },
  },
  {
    name: 'all may be open',
    args: ['--read-listen', ':4461'],
    ...{ with: { insecure: true }, at: 'own', kind: 'none' },
  },
])('$name', ({ args, with: surroundings, at, kind }) => {
  expect(accessOf(args, surroundings ?? {})).toMatchObject({ at, source: { kind } });
});

describe('is refused:', () => {
  test.each<[string, string[], Partial<ReadSurroundings>, RegExp]>([
    ['open to all', ['--read-listen', ':4461'], { hasTls: true }, /anybody could read all flows: give --read-auth/],
    ['open to a network', ['--read-listen', '10.0.0.1:4461'], { hasTls: true }, /10\.0\.0\.1:4461 can be reached/],
    ['tokens in plain text', ['--read-listen', ':4461', ...tokens], {}, /plain text: give --tls-cert and --tls-key/],
    ['no port of their own', tokens, {}, /--read-auth tokens is for a port of the readers' own: give --read-listen/],
    ['no file', ['--read-listen', '[::1]:1', '--read-auth', 'tokens'], {}, /needs a file: give --read-tokens/],
    ['a file for nothing', ['--read-listen', '[::1]:1', '--read-tokens', 'x'], {}, /of no use with --read-auth none/],
    ['no API server', ['--read-listen', '[::1]:1', '--read-auth', 'kubernetes'], {}, /give --kubernetes$/],
    ['the port of agents', ['--read-listen', '127.0.0.1:4460'], {}, /have the same port 4460/],
  ])('%s', (_, args, surroundings, message) => {
    expect(() => accessOf(args, surroundings)).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringMatching(message) }),
    );
  });

  test.each([
    ['--read-auth', 'ldap'],
    ['--read-auth', ''],
    ['--read-audience', 'a b'],
    ['--read-audience', ''],
    ['--read-tokens', ''],
    ['--read-listen', '4461'],
    ['--watchers-per-reader', '0'],
  ])('%s %j', (...args) => {
    expect(() => accessOf(args)).toThrow(expect.objectContaining({ code: 'commander.invalidArgument' }));
  });
});
