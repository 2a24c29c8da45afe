import { describe, expect, test } from 'vitest';
import type { EpochNote } from '../model/epoch-note.ts';
import type { TxnAction } from './delta-actions.ts';
import { agentsHeard, findVanished, newestBatchMs, newNotes, nodesHeard } from './epoch-notes.ts';

const HOUR_MS = 3_600_000;
const NOW_MS = 1_800_000_000_000;
const uuid = (digit: string) => '00000000-0000-0000-0000-000000000000'.replaceAll('0', digit);
const EPOCH = `${uuid('1')}.${uuid('a')}`;
const NEXT_BOOT = `${uuid('1')}.${uuid('b')}`;
const OTHER_SPOOL = `${uuid('2')}.${uuid('b')}`;

/** "<what> <version> <hours ago>" → the log's transactions. */
function txns(...lines: string[]): Map<string, TxnAction> {
  return new Map(
    lines.map((line) => {
      const [appId = '', version, hours] = line.split(' ');
      return [appId, { appId, version: Number(version), lastUpdated: NOW_MS - Number(hours) * HOUR_MS }];
    }),
  );
}

function vanished(log: Map<string, TxnAction>, alive: string[] = []): string[] {
  return findVanished(log, {
    nowMs: NOW_MS,
    silentMs: 24 * HOUR_MS,
    retentionMs: 720 * HOUR_MS,
    isAlive: (epoch) => alive.includes(epoch),
  }).map((found) => {
    const since = (NOW_MS - found.missingSinceMs) / HOUR_MS;
    return `${found.node} ${found.committedSequence} of ${found.knownSequence}, missing for ${since} h`;
  });
}

describe('a node that never comes back', () => {
  const announced = `${EPOCH}/announced/node-a 7 40`;
  const cases: { name: string; log: string[]; alive?: string[]; found: string[] }[] = [
    { name: 'silent for a day', log: [announced, `${EPOCH} 9 30`], found: ['node-a 9 of 9, missing for 30 h'] },
    { name: 'silent for less', log: [announced, `${EPOCH} 9 23`], found: [] },
    { name: 'heard by a Hello only', log: [`${EPOCH}/announced/n 9 23`, `${EPOCH} 9 30`], found: [] },
    {
      name: 'what it announced never came: a minute for each batch',
      log: [`${EPOCH}/announced/node-a 127 30`, `${EPOCH} 7 29`],
      found: ['node-a 7 of 127, missing for 32 h'],
    },
    {
      name: 'nothing of it ever came',
      log: [`${EPOCH}/announced/node-a 60 30`],
      found: ['node-a 0 of 60, missing for 31 h'],
    },
    { name: 'never made anything', log: [`${EPOCH}/announced/node-a 0 30`], found: [] },
    { name: 'connected here', log: [announced, `${EPOCH} 9 30`], alive: [EPOCH], found: [] },
    { name: 'ended as it should', log: [announced, `${EPOCH} 9 30`, `${EPOCH}/ended 9 30`], found: [] },
    {
      name: 'went on after its end',
      log: [announced, `${EPOCH} 12 30`, `${EPOCH}/ended 9 50`],
      found: ['node-a 12 of 12, missing for 30 h'],
    },
    { name: 'recorded before', log: [announced, `${EPOCH} 9 30`, `${EPOCH}/vanished 9 6`], found: [] },
    {
      name: 'came back after it was recorded, and brought what was announced',
      log: [`${EPOCH}/announced/node-a 20 40`, `${EPOCH} 20 30`, `${EPOCH}/vanished 20 60`],
      found: [],
    },
    {
      name: 'came back after it was recorded, and vanished again',
      log: [announced, `${EPOCH} 12 30`, `${EPOCH}/vanished 9 60`],
      found: ['node-a 12 of 12, missing for 30 h'],
    },
    { name: 'lives on after a reboot', log: [announced, `${EPOCH} 9 30`, `${NEXT_BOOT} 1 29`], found: [] },
    {
      name: 'lives on after a reboot, without what it had announced',
      log: [`${EPOCH}/announced/node-a 69 30`, `${EPOCH} 9 31`, `${NEXT_BOOT} 1 1`],
      found: ['node-a 9 of 69, missing for 31 h'],
    },
    {
      name: 'a new node of that name, with another spool',
      log: [announced, `${EPOCH} 9 30`, `${OTHER_SPOOL} 1 1`],
      found: ['node-a 9 of 9, missing for 30 h'],
    },
    {
      name: 'renamed: the last name counts, and it may hold a slash',
      log: [announced, `${EPOCH}/announced/b/c 8 35`, `${EPOCH} 9 30`],
      found: ['b/c 9 of 9, missing for 30 h'],
    },
    {
      name: 'older than the log remembers',
      log: [announced, `${EPOCH} 9 721`].map((l) => l.replace(/ 40$/, ' 730')),
      found: [],
    },
    { name: 'transactions of another program', log: ['spark 9 30', `x/${EPOCH} 9 30`], found: [] },
  ];
  for (const { name, log, alive, found } of cases) {
    test(name, () => expect(vanished(txns(...log), alive)).toEqual(found));
  }
});

test('only what the log does not know is written', () => {
  const log = txns(`${EPOCH}/announced/a 5 1`, `${EPOCH}/ended 4 1`);
  const notes: EpochNote[] = [
    { kind: 'announced', epoch: EPOCH, node: 'a', sequence: 5 },
    { kind: 'ended', epoch: EPOCH, sequence: 6 },
    { kind: 'ended', epoch: EPOCH, sequence: 5 },
    { kind: 'announced', epoch: OTHER_SPOOL, node: 'b', sequence: 0 },
  ];
  expect([...newNotes(notes, log)]).toEqual([
    [`${EPOCH}/ended`, 6],
    [`${OTHER_SPOOL}/announced/b`, 0],
  ]);
});

test('nodes that agents spoke for: the newest of their epochs, whichever replica heard it; now where one is connected', () => {
  const log = txns(
    `${EPOCH}/announced/node-a 7 40`,
    `${EPOCH} 9 30`,
    `${NEXT_BOOT}/announced/node-a 0 20`,
    `${NEXT_BOOT} 1 3`,
    `${OTHER_SPOOL}/announced/node-b 0 8`,
    `${uuid('3')}.${uuid('c')} 5 1`,
  );
  const hours = (alive: string[]) =>
    Array.from(nodesHeard(log, { nowMs: NOW_MS, isAlive: (epoch) => alive.includes(epoch) }), ([node, heardMs]) => [
      node,
      (NOW_MS - heardMs) / HOUR_MS,
    ]);
  expect(hours([])).toEqual([
    ['node-a', 3],
    ['node-b', 8],
  ]);
  expect(hours([OTHER_SPOOL])).toEqual([
    ['node-a', 3],
    ['node-b', 0],
  ]);
});

describe('agents, from the log alone', () => {
  const agents = (...log: string[]) =>
    Array.from(agentsHeard(txns(...log)), ([node, { heardMs, hasEnded }]) => {
      return `${node} ${(NOW_MS - heardMs) / HOUR_MS} h ago${hasEnded ? ', ended' : ''}`;
    });

  const announced = `${EPOCH}/announced/a 7 40`;
  const cases: { name: string; log: string[]; found: string[] }[] = [
    { name: 'one that goes on', log: [announced, `${EPOCH} 9 3`], found: ['a 3 h ago'] },
    {
      name: 'one that said Goodbye',
      log: [announced, `${EPOCH} 9 3`, `${EPOCH}/ended 9 2`],
      found: ['a 3 h ago, ended'],
    },
    {
      name: 'one that went on after that',
      log: [announced, `${EPOCH} 9 3`, `${EPOCH}/ended 8 4`],
      found: ['a 3 h ago'],
    },
    {
      name: 'the last of several epochs counts, in whatever order the log has them',
      log: [`${NEXT_BOOT}/announced/a 0 2`, announced, `${EPOCH} 9 30`, `${EPOCH}/ended 9 30`],
      found: ['a 2 h ago'],
    },
    { name: 'one of which nobody knows the node', log: [`${EPOCH} 9 3`], found: [] },
  ];
  for (const { name, log, found } of cases) test(name, () => expect(agents(...log)).toEqual(found));

  test('the newest batch: no Hello, no Goodbye, no other program', () => {
    const newest = (...log: string[]) => newestBatchMs(txns(...log));
    expect(newest(announced, `${EPOCH} 9 3`, `${OTHER_SPOOL} 1 5`, `${EPOCH}/ended 9 2`, 'spark 1 1')).toBe(
      NOW_MS - 3 * HOUR_MS,
    );
    expect(newest(announced)).toBeUndefined();
    expect(newest()).toBeUndefined();
  });
});
