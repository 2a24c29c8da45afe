// The agent as a process: what it refuses, with which words and which exit code. Needs root, to give a capability away.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';

const MAIN = fileURLToPath(new URL('../../agent/src/main.ts', import.meta.url));

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'flowtoll-agent-errors-'));
});
afterEach(() => rmSync(directory, { recursive: true }));

interface Outcome {
  readonly status: number | null;
  readonly stderr: string;
  readonly stdout: string;
}

/** Runs the agent to its end. */
function agent(
  args: readonly string[],
  options: { env?: Record<string, string>; wrapper?: readonly string[] } = {},
): Outcome {
  const [command, ...rest] = [...(options.wrapper ?? []), process.execPath, MAIN, ...args];
  const { status, stderr, stdout, error } = spawnSync(command!, rest, {
    encoding: 'utf8',
    timeout: 30_000,
    env: { PATH: process.env['PATH'], ...options.env },
  });
  if (error) throw error;
  return { status, stderr, stdout };
}

describe('configuration', () => {
  const cases: { name: string; args?: string[]; env?: Record<string, string>; text: RegExp }[] = [
    {
      name: 'a window that is no duration',
      env: { FLOWTOLL_WINDOW: 'soon' },
      text: /'soon' from env 'FLOWTOLL_WINDOW' is invalid.*Expected a duration .* like 500ms, 5s or 1m/,
    },
    { name: 'a dump interval of nothing', args: ['--dump-interval', '0s'], text: /--dump-interval.*'0s' is invalid/ },
    {
      name: 'an address range',
      env: { FLOWTOLL_CLUSTER_RANGES: '10.0.0.0/99' },
      text: /FLOWTOLL_CLUSTER_RANGES.*10\.0\.0\.0\/99/,
    },
    {
      name: 'a cap that cannot be kept',
      args: ['--max-flows', '10'],
      text: /--max-flows.*whole number from 1024 to 100000/,
    },
    {
      name: 'an aggregator without a port',
      env: { FLOWTOLL_AGGREGATOR: 'host' },
      text: /FLOWTOLL_AGGREGATOR.*host:port/,
    },
    { name: 'a node name', args: ['--node', 'a b'], text: /--node.*'a b' is invalid/ },
    { name: 'a switch', env: { FLOWTOLL_RELIABLE_EVENTS: 'maybe' }, text: /FLOWTOLL_RELIABLE_EVENTS.*true or false/ },
    { name: 'a log level', args: ['--log-level', 'loud'], text: /Allowed choices are trace, debug, info/ },
    { name: 'a size', args: ['--event-buffer', '1TB'], text: /--event-buffer.*like 32MiB/ },
    { name: 'an unknown option', args: ['--colour'], text: /unknown option '--colour'/ },
    {
      name: 'a window shorter than the dump interval',
      args: ['--window', '1s', '--dump-interval', '2s'],
      text: /CONFIG_INVALID.*--window \(FLOWTOLL_WINDOW\)/,
    },
    {
      name: 'a replay of nothing',
      args: ['--source', 'replay'],
      text: /CONFIG_INVALID.*--replay-file \(FLOWTOLL_REPLAY_FILE\)/,
    },
  ];
  for (const { name, args = [], env = {}, text } of cases) {
    test(`${name} is refused with exit code 2, and the message says what is accepted`, () => {
      const outcome = agent(['run', ...args], { env });
      expect(outcome.stderr).toMatch(text);
      expect(outcome.status).toBe(2);
    });
  }

  test('--help names each option, its variable and its default', () => {
    const { stdout, status } = agent(['run', '--help']);
    expect(status).toBe(0);
    for (const option of ['--node', '--aggregator', '--dump-interval', '--window', '--max-flows', '--event-buffer']) {
      expect(stdout).toContain(option);
      const variable = `FLOWTOLL_${option.slice(2).toUpperCase().replaceAll('-', '_')}`;
      expect(stdout.replaceAll(/\s+/g, ' ')).toContain(`env: ${variable}`);
    }
  });
});

describe('files', () => {
  test('a recording that is none is named', () => {
    const file = join(directory, 'notes.txt');
    writeFileSync(file, 'these are not the datagrams you are looking for');
    const outcome = agent(['run', '--source', 'replay', '--replay-file', file]);
    expect(outcome.stderr).toContain(`flowtoll-agent: RECORDING_INVALID: ${file} is not a conntrack recording`);
    expect(outcome.status).toBe(1);
  });

  test('a recording that is not there is named', () => {
    const outcome = agent(['run', '--source', 'replay', '--replay-file', join(directory, 'none')]);
    expect(outcome.stderr).toMatch(/RECORDING_INVALID: cannot read .*none.*ENOENT/);
    expect(outcome.status).toBe(1);
  });

  test('a recording does not overwrite a file', () => {
    const file = join(directory, 'kept');
    writeFileSync(file, '');
    const outcome = agent(['record', '--output', file, '--duration', '1s']);
    expect(outcome.stderr).toMatch(/RECORDING_INVALID: .*kept exists/);
    expect(outcome.status).toBe(1);
  });
});

test('without CAP_NET_ADMIN it says what is missing, in one line', () => {
  const outcome = agent(['run', '--node', 'n1', '--log-level', 'silent', '--spool', 'none'], {
    wrapper: ['unshare', '--net', 'setpriv', '--bounding-set', '-net_admin', '--inh-caps', '-net_admin'],
  });
  expect(outcome.stderr.trim()).toMatch(/^flowtoll-agent: NOT_PERMITTED: .*CAP_NET_ADMIN.*$/);
  expect(outcome.status).toBe(1);
});
