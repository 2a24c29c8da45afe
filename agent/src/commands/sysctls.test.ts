import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { switchOnSettings } from './sysctls.ts';

const SETTINGS = ['nf_conntrack_acct', 'nf_conntrack_timestamp', 'nf_conntrack_events'];

let directory: string;
let messages: string[];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'flowtoll-sysctls-'));
  messages = [];
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function kernelHas(values: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(values)) writeFileSync(join(directory, name), `${value}\n`);
}

/** No file can be made in /proc/sys. */
function kernelLacks(name: string): void {
  symlinkSync('/proc/sys/net/no-such-setting', join(directory, name));
}

function switchOn(loadConntrack: () => void = () => expect.unreachable('conntrack is loaded already')): void {
  switchOnSettings({ log: (level, message) => messages.push(`${level}: ${message}`), loadConntrack, directory });
}

const values = () => SETTINGS.map((name) => readFileSync(join(directory, name), 'utf8').trim());

describe('flowtoll-agent sysctls', () => {
  test('switches on what is off, and says what', () => {
    kernelHas({ nf_conntrack_acct: '0', nf_conntrack_timestamp: '0', nf_conntrack_events: '2' });
    switchOn();
    expect(values()).toEqual(['1', '1', '1']);
    expect(messages).toEqual(['info: switched on', 'info: switched on', 'info: switched on']);
  });

  test('has nothing to say where all is on', () => {
    kernelHas({ nf_conntrack_acct: '1', nf_conntrack_timestamp: '1', nf_conntrack_events: '1' });
    switchOn();
    expect(messages).toEqual([]);
  });

  test('has conntrack loaded where it is not, and then switches on', () => {
    switchOn(() => kernelHas({ nf_conntrack_acct: '0', nf_conntrack_timestamp: '0', nf_conntrack_events: '2' }));
    expect(values()).toEqual(['1', '1', '1']);
  });

  test('ends well where conntrack cannot be loaded, and says what follows', () => {
    for (const name of SETTINGS) kernelLacks(name);
    switchOn(() => {
      throw new Error('no module');
    });
    expect(messages[0]).toBe('warn: conntrack could not be loaded');
    expect(messages[1]).toContain('net.netfilter.nf_conntrack_acct is not 1: connections are not counted');
  });

  test('ends well where a kernel lacks one setting', () => {
    kernelHas({ nf_conntrack_acct: '0', nf_conntrack_events: '0' });
    kernelLacks('nf_conntrack_timestamp');
    switchOn();
    expect(messages.filter((message) => message.startsWith('warn'))).toEqual([
      expect.stringContaining('nf_conntrack_timestamp'),
    ]);
  });

  test('fails where a setting is there and cannot be written, and says what to do', () => {
    kernelHas({ nf_conntrack_timestamp: '1', nf_conntrack_events: '1' });
    // A number that not even root may write.
    symlinkSync('/proc/sys/kernel/ngroups_max', join(directory, 'nf_conntrack_acct'));
    const refused = expect.objectContaining({
      code: 'NOT_PERMITTED',
      message: expect.stringMatching(/nf_conntrack_acct \(EACCES.*privileged container on the host network/),
    });
    expect(() => switchOn()).toThrow(refused);
  });
});
