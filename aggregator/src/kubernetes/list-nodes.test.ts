// The nodes of a stand-in for a control plane, and what is said where it refuses or is away.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type StandIn, startStandIn } from '../../../test/support/kubernetes/stand-in/stand-in.ts';
import { kubeconfigText } from '../../../test/support/kubernetes/test-cluster.ts';
import { loadApiConfig } from './api-config.ts';
import { listNodes } from './list-nodes.ts';
import { SYSTEM_TIMING } from './timing.ts';

let standIn: StandIn;
let folder: string;

beforeEach(async () => {
  standIn = await startStandIn({ controllers: false });
  folder = mkdtempSync(join(tmpdir(), 'flowtoll-list-nodes-'));
});
afterEach(async () => {
  rmSync(folder, { recursive: true });
  await standIn.stop();
});

function list(token: string, server = standIn.server) {
  const kubeconfig = join(folder, 'config');
  writeFileSync(kubeconfig, kubeconfigText({ server, ca: undefined, user: { token } }));
  return listNodes(() => loadApiConfig({ source: kubeconfig }), SYSTEM_TIMING);
}

const put = (name: string, creationTimestamp: string) =>
  standIn.store.put('nodes', {
    ...{ kind: 'Node', apiVersion: 'v1' },
    metadata: { name, uid: `uid-of-${name}`, resourceVersion: '', creationTimestamp },
  });

test('all nodes of all pages, and when each was made', async () => {
  const expected = new Map<string, number>();
  for (let i = 0; i < 1234; i++) {
    const createdMs = Date.UTC(2026, 0, 1, 0, 0, i);
    put(`n${i}`, new Date(createdMs).toISOString());
    expected.set(`n${i}`, createdMs);
  }
  expect(await list(standIn.adminToken)).toEqual(expected);
});

test('none where there are none', async () => {
  expect(await list(standIn.adminToken)).toEqual(new Map());
});

test('what is refused or away is said once, with what to do and no promise to try again', async () => {
  await expect(list(standIn.access.issue('default', 'nobody'))).rejects.toMatchObject({
    code: 'KUBERNETES_FORBIDDEN',
    message: expect.stringMatching(
      /^cannot list nodes at http:.*: the account of .* may not list resource "nodes" .* rule .*\(docs\/kubernetes\.md\)$/,
    ),
  });
  await expect(list('nonsense')).rejects.toMatchObject({
    code: 'KUBERNETES_UNAVAILABLE',
    message: expect.stringMatching(/: the server does not accept the kubeconfig [^;]*$/),
  });
  await expect(list('any', 'http://127.0.0.1:9')).rejects.toMatchObject({
    code: 'KUBERNETES_UNAVAILABLE',
    message: expect.stringMatching(/ECONNREFUSED.*: check the network and the address of the server$/),
  });
});
