import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { kubeconfigText } from '../../../test/support/kubernetes/test-cluster.ts';
import { loadApiConfig } from './api-config.ts';

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'flowtoll-api-config-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

function written(name: string, text: string): string {
  const path = join(folder, name);
  writeFileSync(path, text);
  return path;
}

const withUser = (user: Readonly<Record<string, unknown>>): string =>
  kubeconfigText({ server: 'https://192.0.2.1:6443', ca: 'CA', user });

async function headers(source: string): Promise<unknown> {
  return (await loadApiConfig({ source }).requestOptions()).headers;
}

describe('a kubeconfig', () => {
  test('says server, certificates and token', async () => {
    const config = loadApiConfig({ source: written('config', withUser({ token: 'T' })) });
    expect(config.server).toBe('https://192.0.2.1:6443');
    expect(config.credentials).toBe(`the kubeconfig ${folder}/config, context "test"`);
    expect(await config.requestOptions()).toMatchObject({
      headers: { Authorization: 'Bearer T' },
      ca: Buffer.from('CA'),
    });
    expect((await config.requestOptions()).rejectUnauthorized).not.toBe(false);
  });

  test('may name a file with the token, which is read again when the configuration is', async () => {
    written('token', 'first\n');
    const source = written('config', withUser({ tokenFile: 'token' }));
    expect(await headers(source)).toEqual({ Authorization: 'Bearer first' });
    written('token', 'second\n');
    expect(await headers(source)).toEqual({ Authorization: 'Bearer second' });
  });

  test('may name a plugin', async () => {
    const credential = { kind: 'ExecCredential', status: { token: 'from-plugin' } };
    const source = written(
      'config',
      withUser({ exec: { command: process.execPath, args: ['-p', `JSON.stringify(${JSON.stringify(credential)})`] } }),
    );
    expect(await headers(source)).toEqual({ Authorization: 'Bearer from-plugin' });
    const failing = written(
      'failing',
      withUser({ exec: { command: process.execPath, args: ['-e', 'console.error("log in first"); process.exit(1)'] } }),
    );
    await expect(loadApiConfig({ source: failing }).requestOptions()).rejects.toMatchObject({
      reason: 'credentials',
      message: 'log in first',
    });
  });

  test('is found as kubectl finds it', () => {
    const one = written('one', withUser({ token: '1' }));
    const two = written('two', withUser({ token: '2' }).replaceAll('"test"', '"other"'));
    const load = (env: NodeJS.ProcessEnv, context?: string) =>
      loadApiConfig({ source: 'kubeconfig', env, context }).credentials;
    expect(load({ KUBECONFIG: `${one}:${two}` })).toContain('context "test"');
    expect(load({ KUBECONFIG: `${one}:${two}` }, 'other')).toContain('context "other"');
    mkdirSync(join(folder, '.kube'));
    writeFileSync(join(folder, '.kube', 'config'), withUser({}));
    expect(load({ HOME: folder })).toBe(`the kubeconfig ${folder}/.kube/config, context "test"`);
  });

  test('without a user still has its certificate authority', async () => {
    const text = withUser({ token: 'T' }).replace('"user":"test"', '"user":"nobody"');
    const options = await loadApiConfig({ source: written('config', text) }).requestOptions();
    expect(options).toMatchObject({ headers: {}, ca: Buffer.from('CA') });
  });

  const wrong: [string, string, RegExp][] = [
    ['no YAML', '{', /cannot read the kubeconfig .*: check that it is there/],
    ['empty', '', /cannot read the kubeconfig/],
    ['no context', '{}', /has no current context: choose one with --kube-context: it has none/],
    [
      'another context',
      withUser({}).replace('"current-context":"test"', '"current-context":"gone"'),
      /has no context "gone": choose one with --kube-context: test/,
    ],
    [
      'another cluster',
      withUser({}).replace('"cluster":"test"', '"cluster":"gone"'),
      /has no cluster: correct the context/,
    ],
    [
      'a server without scheme',
      withUser({}).replace('https://', ''),
      /has the server "192.0.2.1:6443": give it as https/,
    ],
    [
      'no TLS',
      withUser({}).replace('https://', 'http://'),
      /has the server http:\/\/192.0.2.1:6443 without TLS: use https/,
    ],
  ];
  test.each(wrong)('%s: says what is wrong', (_, text, message) => {
    const source = written('config', text);
    expect(() => loadApiConfig({ source })).toThrow(
      expect.objectContaining({ code: 'KUBERNETES_CONFIG_INVALID', message: expect.stringMatching(message) }),
    );
  });

  test('that is not there', () => {
    expect(() => loadApiConfig({ source: join(folder, 'none') })).toThrow(/cannot read the kubeconfig .*none \(ENOENT/);
    expect(() => loadApiConfig({ source: 'kubeconfig', env: { KUBECONFIG: ':' } })).toThrow('KUBECONFIG names no file');
  });
});

describe('in a pod', () => {
  const root = 'var/run/secrets/kubernetes.io/serviceaccount';

  test("the service account's files are taken, and read again", async () => {
    mkdirSync(join(folder, root), { recursive: true });
    written(`${root}/ca.crt`, 'CA');
    written(`${root}/token`, 'first');
    process.env['KUBERNETES_SERVICE_HOST'] = 'fd00::1';
    process.env['KUBERNETES_SERVICE_PORT'] = '443';
    try {
      const load = () => loadApiConfig({ source: 'in-cluster', rootDirectory: `${folder}/` });
      expect(load().server).toBe('https://[fd00::1]:443');
      expect(await load().requestOptions()).toMatchObject({
        headers: { Authorization: 'Bearer first' },
        ca: Buffer.from('CA'),
      });
      written(`${root}/token`, 'second');
      expect(await load().requestOptions()).toMatchObject({ headers: { Authorization: 'Bearer second' } });
      rmSync(join(folder, root, 'token'));
      await expect(load().requestOptions()).rejects.toMatchObject({ reason: 'credentials', message: /ENOENT.*token/ });
    } finally {
      delete process.env['KUBERNETES_SERVICE_HOST'];
      delete process.env['KUBERNETES_SERVICE_PORT'];
    }
  });

  test('that is none: says so', () => {
    expect(() => loadApiConfig({ source: 'in-cluster', env: {} })).toThrow('this process does not run in a pod');
  });
});
