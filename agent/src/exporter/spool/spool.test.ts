import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { Spool } from './spool.ts';

const BOOT = '6f0d3c36-7a54-4b51-9a0a-8d5b3c6f0d11';
const NEXT_BOOT = '7f0d3c36-7a54-4b51-9a0a-8d5b3c6f0d11';

let directory: string;
const opened: Spool[] = [];
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'flowtoll-spool-'));
});
afterEach(() => {
  for (const spool of opened.splice(0)) spool.close();
  rmSync(directory, { recursive: true, force: true });
});

const callbacks = { withoutFlows: () => undefined, damaged: () => new Uint8Array(0) };

function open(bootId = BOOT, path = directory): Spool {
  const spool = new Spool({
    directory: path,
    bootId,
    bytesMax: 1e6,
    memoryBytesMax: 1e6,
    sync: true,
    onSpooled: () => {},
    onDiskProblem: () => {},
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
     new Spool({ directory: ${JSON.stringify(directory)}, bootId: '${BOOT}', bytesMax: 1, memoryBytesMax: 1, sync: true,
       onSpooled: () => {}, onDiskProblem: () => {} });
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
