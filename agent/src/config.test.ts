import { Command, CommanderError } from 'commander';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { addRunOptions, type RunConfig, runConfig } from './config.ts';

afterEach(() => vi.unstubAllEnvs());

/** What a command line and its environment give; throws what commander says of bad ones. */
function configOf(args: readonly string[], environment: Readonly<Record<string, string>> = {}): RunConfig {
  for (const name of Object.keys(process.env)) if (name.startsWith('FLOWTOLL_')) vi.stubEnv(name, undefined);
  for (const [name, value] of Object.entries(environment)) vi.stubEnv(name, value);
  const command = addRunOptions(new Command('run'))
    .exitOverride()
    .configureOutput({ writeErr: () => {} });
  return runConfig(command.parse(args, { from: 'user' }));
}

describe('values', () => {
  const cases: [flag: string, text: string, name: keyof RunConfig, value: unknown][] = [
    ['--node', 'node-1.example', 'node', 'node-1.example'],
    ['--dump-interval', '500ms', 'dumpIntervalMs', 500],
    ['--window', '2m', 'windowMs', 120_000],
    ['--window', '0.5m', 'windowMs', 30_000],
    ['--max-flows', '1024', 'maxFlows', 1024],
    ['--cluster-ranges', '100.64.0.0/10, 2001:db8::/32', 'clusterRanges', ['100.64.0.0/10', '2001:db8::/32']],
    ['--initiator-prefix-v4', '0', 'initiatorPrefixV4', 0],
    ['--initiator-prefix-v6', '128', 'initiatorPrefixV6', 128],
    ['--event-buffer', '64KiB', 'eventBufferBytes', 65_536],
    ['--event-buffer', '1048576', 'eventBufferBytes', 1_048_576],
    ['--reliable-events', 'on', 'reliableEvents', true],
    ['--reliable-events', 'false', 'reliableEvents', false],
    ['--reliable-events-max-fill', '50', 'reliableEventsMaxFillPercent', 50],
    ['--keep-sysctls', 'yes', 'setSysctls', false],
    ['--keep-sysctls', '0', 'setSysctls', true],
    ['--log-level', 'debug', 'logLevel', 'debug'],
    ['--aggregator', '[fd00::1]:4460', 'aggregator', '[fd00::1]:4460'],
    ['--keepalive', '1s', 'keepaliveMs', 1000],
    ['--source', 'replay', 'source', 'replay'],
    ['--queue-size', '1MiB', 'queueBytes', 1_048_576],
    ['--drain-timeout', '0s', 'drainTimeoutMs', 0],
    ['--stream-age', '30s', 'streamAgeMs', 30_000],
    ['--metrics-listen', ':9999', 'metricsListen', { host: '::', port: 9999 }],
    ['--metrics-listen', 'none', 'metricsListen', undefined],
    ['--metrics-listen', '127.0.0.1:9465', 'metricsAsked', true],
  ];
  for (const [flag, text, name, value] of cases) {
    test(`${flag} ${text}, as a flag and in the environment`, () => {
      expect(configOf([flag, text])[name]).toEqual(value);
      expect(configOf([], { [variableOf(flag)]: text })[name]).toEqual(value);
    });
  }

  test('a switch alone is on', () => {
    expect(configOf(['--reliable-events', '--keep-sysctls'])).toMatchObject({
      reliableEvents: true,
      setSysctls: false,
    });
  });

  test('a flag wins over its variable', () => {
    expect(configOf(['--window', '30s'], { FLOWTOLL_WINDOW: '90s' }).windowMs).toBe(30_000);
  });

  test('nothing said is the default', () => {
    expect(configOf([])).toMatchObject({
      streamAgeMs: 600_000,
      metricsListen: { host: '127.0.0.1', port: 9465 },
      metricsAsked: false,
      dumpIntervalMs: 5000,
      windowMs: 60_000,
      maxFlows: 20_000,
      reliableEvents: false,
      setSysctls: true,
      aggregator: '127.0.0.1:4460',
      keepaliveMs: 30_000,
      source: 'auto',
    });
  });
});

describe('bad values', () => {
  const cases: [flag: string, text: string, accepts: RegExp][] = [
    ['--node', 'a b', /node name: up to 253 letters/],
    ['--dump-interval', '99ms', /from 100ms to 10m, like 500ms, 5s or 1m/],
    ['--dump-interval', '-1s', /duration/],
    ['--window', '60', /duration/],
    ['--window', '', /duration/],
    ['--window', '2h', /from 100ms to 60m/],
    ['--max-flows', '1023', /whole number from 1024 to 100000/],
    ['--max-flows', '2e4', /whole number/],
    ['--max-flows', '0x4000', /whole number/],
    ['--cluster-ranges', '10.0.0.0/33', /like 10\.0\.0\.0\/8 or fd00::\/8/],
    ['--cluster-ranges', '10.0.0.0/8,', /address range/],
    ['--initiator-prefix-v4', '33', /from 0 to 32/],
    ['--initiator-prefix-v6', '129', /from 0 to 128/],
    ['--event-buffer', '63KiB', /from 65536 to 1073741824 bytes, like 32MiB/],
    ['--event-buffer', '32MB', /like 32MiB/],
    ['--reliable-events', 'maybe', /true or false/],
    ['--reliable-events-max-fill', '100', /from 1 to 99/],
    ['--keep-sysctls', '', /true or false/],
    ['--log-level', 'loud', /trace, debug, info/],
    ['--aggregator', 'host', /host:port/],
    ['--aggregator', 'host:65536', /host:port/],
    ['--aggregator', 'http://host:80', /host:port/],
    ['--keepalive', '100ms', /from 500ms to 10m/],
    ['--source', 'ebpf', /auto, conntrack, cilium, replay/],
    ['--queue-size', '1KiB', /from 1048576/],
    ['--drain-timeout', '11m', /to 10m/],
  ];
  for (const [flag, text, accepts] of cases) {
    test(`${flag} "${text}" is refused; the message names flag, variable and what is accepted`, () => {
      expect(messageOf(() => configOf([`${flag}=${text}`]))).toMatch(accepts);
      const message = messageOf(() => configOf([], { [variableOf(flag)]: text }));
      expect(message).toMatch(accepts);
      expect(message).toContain(flag);
      expect(message).toContain(`'${variableOf(flag)}'`);
    });
  }
});

const variableOf = (flag: string) => `FLOWTOLL_${flag.slice(2).toUpperCase().replaceAll('-', '_')}`;

function messageOf(parse: () => unknown): string {
  try {
    parse();
  } catch (error) {
    if (error instanceof CommanderError) return error.message;
    throw error;
  }
  throw new Error('nothing was refused');
}
