import { spawn } from 'node:child_process';
import { once } from 'node:events';
import {
  cpSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { Spool, type SpoolOptions } from './spool.ts';

const BOOT = '6f0d3c36-7a54-4b51-9a0a-8d5b3c6f0d11';
const NEXT_BOOT = '7f0d3c36-7a54-4b51-9a0a-8d5b3c6f0d11';

let directory: string;
const opened: Spool[] = [];
const copies: string[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'flowtoll-spool-'));
});
afterEach(() => {
  for (const spool of opened.splice(0)) spool.close();
  for (const path of [directory, ...copies.splice(0)]) rmSync(path, { recursive: true, force: true });
});

const callbacks = { withoutFlows: () => undefined, damaged: () => new Uint8Array(0) };

function open(bootId = BOOT, path = directory, options: Partial<SpoolOptions> = {}): Spool {
  const spool = new Spool({
    directory: path,
    node: 'node-a',
    bootId,
    goesOnFrom: () => true,
    bytesMax: 1e6,
    memoryBytesMax: 1e6,
    sync: true,
    onSpooled: () => {},
    onDiskProblem: () => {},
    onSetAsideGivenUp: () => {},
    ...options,
  });
  opened.push(spool);
  return spool;
}

function closeAll() {
  for (const spool of opened.splice(0)) spool.close();
}

test('the id is made once and kept', () => {
  const { spoolId } = open();
  closeAll();
  expect(open().spoolId).toBe(spoolId);
});

test('a reinstalled node has another id', () => {
  const { spoolId } = open();
  closeAll();
  rmSync(directory, { recursive: true });
  expect(open().spoolId).not.toBe(spoolId);
});

test('a copy of the folder has another id, also on the same kernel; what both hold keeps its name', () => {
  const original = open();
  original.openQueue(`${original.spoolId}.${BOOT}`, callbacks).append(Buffer.from('batch'), '7');
  closeAll();
  const copied = mkdtempSync(join(tmpdir(), 'flowtoll-spool-copy-'));
  copies.push(copied);
  cpSync(directory, copied, { recursive: true, preserveTimestamps: true });
  const copy = open(BOOT, copied);
  expect(copy.spoolId).not.toBe(original.spoolId);
  expect(copy.lastCheckpoint, 'the accounting is the other one’s').toBeUndefined();
  expect(copy.oldEpochs().map(({ spoolId, bootId }) => [spoolId, bootId])).toEqual([[original.spoolId, BOOT]]);
  expect(open().spoolId).toBe(original.spoolId);
});

test('a node with another name has another id; what waits keeps the name that it was counted under', () => {
  const before = open();
  before.openQueue(`${before.spoolId}.${BOOT}`, callbacks).append(Buffer.from('batch'));
  closeAll();
  const after = open(BOOT, directory, { node: 'node-b' });
  expect(after.spoolId).not.toBe(before.spoolId);
  expect(after.oldEpochs().map(({ node }) => node)).toEqual(['node-a']);
});

test('what a later version wrote is left for it: the agent goes on in a new epoch', () => {
  const before = open();
  const epoch = `${before.spoolId}.${BOOT}`;
  before.openQueue(epoch, callbacks).append(Buffer.from('batch'), '7');
  closeAll();
  const file = join(directory, epoch, '0000000000000001.batch');
  const bytes = readFileSync(file);
  bytes[3] = '2'.charCodeAt(0);
  writeFileSync(file, bytes);
  const after = open();
  expect(after.setAside).toEqual([epoch]);
  expect(after.spoolId).not.toBe(before.spoolId);
  expect([after.lastCheckpoint, after.oldEpochs()]).toEqual([undefined, []]);
  after.openQueue(`${after.spoolId}.${BOOT}`, callbacks).append(Buffer.from('new'), '8');
  closeAll();
  expect(open().spoolId).toBe(after.spoolId);
  expect(readFileSync(file)).toEqual(bytes);
});

test('all epochs together keep the bound: the oldest flows go first', () => {
  const before = open();
  const fill = (spool: Spool, bootId: string, count: number) => {
    const given: string[] = [];
    const queue = spool.openQueue(`${spool.spoolId}.${bootId}`, {
      ...callbacks,
      withoutFlows: ({ sequence, bytes }) => {
        if (bytes.length < 100) return undefined;
        given.push(`${bootId === BOOT ? 'old' : 'new'} ${sequence}`);
        return Buffer.alloc(10);
      },
    });
    for (let i = 0; i < count; i++) queue.append(Buffer.alloc(200));
    return given;
  };
  fill(before, BOOT, 3);
  closeAll();
  const after = open(NEXT_BOOT, directory, { bytesMax: 1100 });
  const [old] = after.oldEpochs();
  const given: string[] = [];
  const queue = old!.openQueue(`${before.spoolId}.${BOOT}`, {
    ...callbacks,
    withoutFlows: ({ sequence, bytes }) => {
      if (bytes.length < 100) return undefined;
      given.push(`old ${sequence}`);
      return Buffer.alloc(10);
    },
  });
  const newest = fill(after, NEXT_BOOT, 6);
  expect(given).toEqual(['old 1', 'old 2', 'old 3']);
  expect(newest).toEqual(['new 1']);
  expect(queue.count).toBe(3);
});

describe('batches that a later version wrote', () => {
  /** Three of 200 bytes. */
  function leave(): { spoolId: string; epoch: string; files: string[] } {
    const before = open();
    const epoch = `${before.spoolId}.${BOOT}`;
    const queue = before.openQueue(epoch, callbacks);
    for (let i = 0; i < 3; i++) queue.append(Buffer.alloc(200 - 12), '');
    closeAll();
    const files = [1, 2, 3].map((number) => join(directory, epoch, `000000000000000${number}.batch`));
    for (const [i, file] of files.entries()) {
      setVersion(file, '2');
      utimesSync(file, 1000 + i, 1000 + i);
    }
    return { spoolId: before.spoolId, epoch, files };
  }
  function setVersion(file: string, version: string): void {
    const bytes = readFileSync(file);
    if (bytes.length === 0) return;
    bytes[3] = version.charCodeAt(0);
    writeFileSync(file, bytes);
  }
  const sizes = (files: readonly string[]) => files.map((file) => statSync(file).size);

  test('count into the bound, and are given up first, the oldest first; the later version tells them as losses', () => {
    const { spoolId, epoch, files } = leave();
    const givenUp: string[] = [];
    const after = open(BOOT, directory, { bytesMax: 1000, onSetAsideGivenUp: (name) => givenUp.push(name) });
    const lost: number[] = [];
    const queue = after.openQueue(`${after.spoolId}.${BOOT}`, {
      ...callbacks,
      withoutFlows: ({ sequence }) => {
        lost.push(sequence);
        return Buffer.alloc(1);
      },
    });
    for (let i = 0; i < 2; i++) queue.append(Buffer.alloc(200));
    expect([sizes(files), givenUp]).toEqual([[200, 200, 200], []]);
    for (let i = 0; i < 2; i++) queue.append(Buffer.alloc(200));
    expect([sizes(files), givenUp]).toEqual([
      [0, 0, 200],
      [epoch, epoch],
    ]);
    queue.append(Buffer.alloc(200));
    expect([sizes(files), givenUp.length, lost]).toEqual([[0, 0, 0], 3, []]);
    queue.append(Buffer.alloc(200));
    expect([queue.count, lost]).toEqual([6, [1, 2]]);
    closeAll();

    // The later version reads what it wrote; here it is this one.
    for (const file of files) setVersion(file, '1');
    const damaged: [number, number][] = [];
    const later = open(NEXT_BOOT);
    const old = later.oldEpochs().find((one) => one.spoolId === spoolId)!;
    const waiting = old.openQueue(epoch, {
      ...callbacks,
      damaged: (sequence, timeMs) => {
        damaged.push([sequence, timeMs]);
        return Buffer.from('loss');
      },
    });
    expect([waiting.firstSequence, waiting.lastSequence]).toEqual([1, 3]);
    for (const sequence of [0, 1, 2]) waiting.peekAfter(sequence);
    expect(damaged).toEqual([
      [1, 1_000_000],
      [2, 1_001_000],
      [3, 1_002_000],
    ]);
  });

  test('that are all given up are told by this version, when it starts anew', () => {
    const { epoch, files } = leave();
    const after = open(BOOT, directory, { bytesMax: 300 });
    after.openQueue(`${after.spoolId}.${BOOT}`, callbacks).append(Buffer.alloc(250));
    expect(sizes(files)).toEqual([0, 0, 0]);
    expect(after.setAside, 'until then they wait').toEqual([epoch]);
    closeAll();
    const again = open();
    expect(again.setAside).toEqual([]);
    expect(again.oldEpochs().map(({ spoolId, bootId }) => `${spoolId}.${bootId}`)).toContain(epoch);
  });
});

test('after a reboot the batches of the life before wait under their old epoch, and the new one begins empty', () => {
  const before = open();
  before.openQueue(`${before.spoolId}.${BOOT}`, callbacks).append(Buffer.from('old'), '7');
  expect(before.oldEpochs()).toEqual([]);
  closeAll();
  const after = open(NEXT_BOOT);
  expect(after.lastCheckpoint).toBeUndefined();
  const [old, ...others] = after.oldEpochs();
  expect(others).toEqual([]);
  expect([old!.spoolId, old!.bootId]).toEqual([before.spoolId, BOOT]);
  const queue = old!.openQueue(`${old!.spoolId}.${old!.bootId}`, callbacks);
  expect([queue.firstSequence, queue.lastSequence]).toEqual([1, 1]);
  old!.remove();
  expect(after.oldEpochs()).toEqual([]);
});

describe('an agent that cannot go on from the newest batch', () => {
  const cannot = (asked: (string | undefined)[] = []) =>
    open(BOOT, directory, {
      goesOnFrom: (checkpoint) => {
        asked.push(checkpoint);
        return false;
      },
    });
  const queueOf = (spool: Spool) => spool.openQueue(`${spool.spoolId}.${BOOT}`, callbacks);

  test('begins a new epoch, and sends what waits under the old name first', () => {
    const before = open();
    queueOf(before).append(Buffer.from('old'), '7');
    closeAll();
    const asked: (string | undefined)[] = [];
    const after = cannot(asked);
    expect(asked).toEqual(['7']);
    expect(after.spoolId).not.toBe(before.spoolId);
    expect(after.lastCheckpoint, 'that something is lost has to be said').toBe('7');
    expect(after.oldEpochs().map(({ spoolId, bootId }) => [spoolId, bootId])).toEqual([[before.spoolId, BOOT]]);
    expect(queueOf(after).lastSequence).toBe(0);
  });

  test('does so also when all is acknowledged, or when batches have no checkpoint', () => {
    const before = open();
    const queue = queueOf(before);
    queue.append(Buffer.from('old'));
    queue.dropThrough(1);
    closeAll();
    expect(open().spoolId).not.toBe(before.spoolId);
  });

  test('begins one also when the spool knows nothing of this life of the kernel: it may be an older copy', () => {
    const { spoolId } = open(NEXT_BOOT);
    closeAll();
    const asked: (string | undefined)[] = [];
    expect(cannot(asked).spoolId).not.toBe(spoolId);
    expect(asked).toEqual([undefined]);
  });

  test('stays in it after a restart that can go on', () => {
    open();
    closeAll();
    const second = cannot();
    queueOf(second).append(Buffer.from('b'), '2');
    closeAll();
    expect(open().spoolId).toBe(second.spoolId);
    closeAll();
    expect(open(NEXT_BOOT).spoolId).toBe(second.spoolId);
  });

  test('does not go back to the numbers before when the new name could not be written', () => {
    const before = open();
    queueOf(before).append(Buffer.from('old'), '7');
    closeAll();
    // Nothing can be written in the place of a folder.
    mkdirSync(join(directory, 'spool-id.tmp'));
    const problems: (Error | undefined)[] = [];
    const after = open(BOOT, directory, {
      goesOnFrom: () => false,
      onDiskProblem: (problem) => problems.push(problem),
    });
    expect(problems).toHaveLength(1);
    expect(after.spoolId).not.toBe(before.spoolId);
    queueOf(after).append(Buffer.from('new'), '9');
    closeAll();
    rmSync(join(directory, 'spool-id.tmp'), { recursive: true });
    // What is kept now is the accounting after batch 9; that after batch 7 is not.
    const third = open(BOOT, directory, { goesOnFrom: (checkpoint) => checkpoint === '9' });
    expect([before.spoolId, after.spoolId]).not.toContain(third.spoolId);
    expect(
      third
        .oldEpochs()
        .map(({ spoolId }) => spoolId)
        .sort(),
    ).toEqual([before.spoolId, after.spoolId].sort());
  });
});

test('what is rewritten of an old epoch is no checkpoint of this one', () => {
  const before = open();
  before.openQueue(`${before.spoolId}.${BOOT}`, callbacks).append(Buffer.from('old'), '57');
  closeAll();
  const spooled: string[] = [];
  const after = open(NEXT_BOOT, directory, { onSpooled: (checkpoint) => spooled.push(checkpoint) });
  const [old] = after.oldEpochs();
  const lost = { ...callbacks, withoutFlows: () => Buffer.from('lost') };
  const queue = old!.openQueue(`${old!.spoolId}.${old!.bootId}`, lost);
  expect(queue.giveUp(1, 'rejected')).toBe(true);
  after.openQueue(`${after.spoolId}.${NEXT_BOOT}`, callbacks).append(Buffer.from('new'), '3');
  expect(spooled).toEqual(['3']);
});

test('the checkpoint of the newest batch is known at once', () => {
  const first = open();
  first.openQueue(`${first.spoolId}.${BOOT}`, callbacks).append(Buffer.from('batch'), '42');
  closeAll();
  expect(open().lastCheckpoint).toBe('42');
});

test('what is no epoch is left alone', () => {
  mkdirSync(join(directory, 'lost+found'));
  expect(open().oldEpochs()).toEqual([]);
  expect(readdirSync(directory)).toContain('lost+found');
});

test('a directory that cannot be made is a clear error', () => {
  writeFileSync(join(directory, 'file'), '');
  expect(() => open(BOOT, join(directory, 'file'))).toThrow(
    expect.objectContaining({ code: 'SPOOL_INVALID', message: expect.stringMatching(/--spool \(FLOWTOLL_SPOOL\)/) }),
  );
});

test('two agents never share one, also of two processes', async () => {
  const module = fileURLToPath(new URL('./spool.ts', import.meta.url));
  const holder = spawn(process.execPath, [
    '--input-type=module',
    '--eval',
    `const { Spool } = await import(${JSON.stringify(module)});
     new Spool({ directory: ${JSON.stringify(directory)}, node: 'node-a', bootId: '${BOOT}', goesOnFrom: () => true,
       bytesMax: 1, memoryBytesMax: 1, sync: true, onSpooled: () => {}, onDiskProblem: () => {},
       onSetAsideGivenUp: () => {} });
     console.log('held');
     process.stdin.resume();`,
  ]);
  try {
    await once(holder.stdout, 'data');
    expect(() => open()).toThrow(
      expect.objectContaining({
        code: 'SPOOL_LOCKED',
        message: expect.stringContaining(`in use by another agent (process ${holder.pid})`),
      }),
    );
  } finally {
    holder.kill('SIGKILL');
    await once(holder, 'exit');
  }
  expect(open().spoolId).toBeDefined();
});
