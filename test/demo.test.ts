// What the demo refuses, and what it says then; and what is missing of a control plane.
import { spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { findControlPlaneAssets } from './support/kubernetes/assets.ts';

const MAIN = fileURLToPath(new URL('./demo/main.ts', import.meta.url));

describe('the command line of the demo', () => {
  const demo = (...args: string[]) =>
    spawnSync(process.execPath, [MAIN, ...args], { encoding: 'utf8', timeout: 15_000 });

  test('help', () => {
    const { status, stdout } = demo('--help');
    expect(status).toBe(0);
    expect(stdout).toContain('--kubernetes');
  });

  test.each([['--kubernets'], ['everything']])('%s is refused, and nothing is started', (argument) => {
    const { status, stdout, stderr } = demo(argument);
    expect(status).toBe(2);
    expect(stdout).toBe('');
    expect(stderr).toContain(argument);
    expect(stderr).toContain('Usage: npm run demo');
  });
});

describe('programs of a control plane', () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'flowtoll-assets-'));
  });
  afterEach(() => {
    vi.unstubAllEnvs();
    rmSync(folder, { recursive: true });
  });
  const found = (assets: string | undefined) => {
    vi.stubEnv('PATH', '');
    vi.stubEnv('KUBEBUILDER_ASSETS', assets);
    return findControlPlaneAssets();
  };

  test('nobody says where they are', async () => {
    expect(await found(undefined)).toMatchObject({ missing: expect.stringContaining('KUBEBUILDER_ASSETS is not set') });
  });

  test('no such folder', async () => {
    const nowhere = join(folder, 'nowhere');
    expect(await found(nowhere)).toMatchObject({
      missing: expect.stringContaining(`${nowhere}, and there is no such`),
    });
  });

  test('each that is not there is named, as with what envtest has alone', async () => {
    writeFileSync(join(folder, 'kube-apiserver'), '');
    expect(await found(folder)).toMatchObject({
      missing: expect.stringContaining('etcd is neither in KUBEBUILDER_ASSETS'),
    });
    writeFileSync(join(folder, 'etcd'), '');
    expect(await found(folder)).toEqual({
      missing: `KUBEBUILDER_ASSETS (${folder}) has no kube-controller-manager, no kube-scheduler`,
    });
  });
});
