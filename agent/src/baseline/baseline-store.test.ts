import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { BaselineStore, hasBaseline, wasAccounted } from './baseline-store.ts';

const BOOT = '6f0d3c36-7a54-4b51-9a0a-8d5b3c6f0d11';

let root: string;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'flowtoll-baseline-'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

test('what can be gone on from is seen without reading it; that somebody was here also when nothing is left', () => {
  expect([wasAccounted(root, BOOT), hasBaseline(root, BOOT, '3')]).toEqual([false, false]);
  const store = new BaselineStore(root, BOOT);
  store.write(3, { header: {}, columns: [] });
  expect([wasAccounted(root, BOOT), hasBaseline(root, BOOT, '3'), hasBaseline(root, BOOT, '2')]).toEqual([
    true,
    true,
    false,
  ]);
  store.clear();
  expect([wasAccounted(root, BOOT), hasBaseline(root, BOOT, '3')]).toEqual([true, false]);
});
