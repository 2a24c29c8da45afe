import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { ConntrackSettings } from './conntrack-settings.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'flowtoll-settings-'));
  set({ acct: 0, timestamp: 0, events: 2 });
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function set(values: Record<string, number>): void {
  for (const [name, value] of Object.entries(values))
    writeFileSync(join(directory, `nf_conntrack_${name}`), `${value}\n`);
}

const values = () =>
  ['acct', 'timestamp', 'events'].map((name) => Number(readFileSync(join(directory, `nf_conntrack_${name}`), 'utf8')));

function settings(maySet = true) {
  const warnings: string[] = [];
  const it = new ConntrackSettings(
    maySet,
    (level, message) => {
      if (level === 'warn') warnings.push(message);
    },
    directory,
  );
  return { it, warnings };
}

describe('the settings', () => {
  test('are switched on', () => {
    const { it, warnings } = settings();
    it.switchOn();
    expect(values()).toEqual([1, 1, 1]);
    expect(it.timestamps).toBe(true);
    expect(warnings).toEqual([]);
    expect(it.recheck()).toEqual([]);
  });

  test('are switched on again when somebody switched them off, and it is said which', () => {
    const { it, warnings } = settings();
    it.switchOn();
    set({ timestamp: 0 });
    expect(it.recheck()).toEqual(['nf_conntrack_timestamp']);
    expect(values()).toEqual([1, 1, 1]);
    expect(warnings).toEqual([expect.stringContaining('switched on again')]);
    expect(it.recheck()).toEqual([]);
  });

  test('that may not be written are complained of once, with what is lost', () => {
    const { it, warnings } = settings(false);
    it.switchOn();
    expect(values()).toEqual([0, 0, 2]);
    expect(it.timestamps).toBe(false);
    expect(warnings).toEqual([
      expect.stringContaining('"no-counters"'),
      expect.stringContaining('may be mistaken'),
      expect.stringContaining('open before the agent began'),
    ]);
    expect(it.recheck()).toHaveLength(3);
    expect(warnings).toHaveLength(3);
  });

  test('say more where events are off altogether', () => {
    set({ events: 0 });
    const { it, warnings } = settings(false);
    it.switchOn();
    expect(warnings[2]).toContain('those between two readings are not seen at all');
  });

  test('that appear only later are switched on then', () => {
    rmSync(directory, { recursive: true });
    const { it } = settings();
    it.switchOn();
    expect(it.timestamps).toBe(false);
    mkdirSync(directory);
    set({ acct: 0, timestamp: 0, events: 2 });
    it.recheck();
    expect(values()).toEqual([1, 1, 1]);
    expect(it.timestamps).toBe(true);
  });
});
