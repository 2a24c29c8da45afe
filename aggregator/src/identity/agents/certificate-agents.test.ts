// Certificates that openssl made, and the nodes they name.
import { X509Certificate } from 'node:crypto';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { TestAuthority, temporaryFolder } from '../../../../proto/src/tls/certificates.testing.ts';
import { createCertificateAgents } from './certificate-agents.ts';

let folder: ReturnType<typeof temporaryFolder>;
let authority: TestAuthority;
beforeAll(() => {
  folder = temporaryFolder();
  authority = new TestAuthority(folder.path);
});
afterAll(() => folder.remove());

const agents = (nowMs = Date.now()) => createCertificateAgents(() => nowMs);
const shown = (pem: string) => ({ authorization: [], certificate: new X509Certificate(pem).raw });

test.each([
  ['common name', { commonName: 'system:node:node-a' }],
  ['URI', { commonName: 'agent', names: 'DNS:agent.example,URI:flowtoll:node:node-a' }],
  ['both', { commonName: 'system:node:node-a', names: 'URI:flowtoll:node:node-a' }],
])('the node of a %s', async (_where, options) => {
  const { cert } = authority.issue(options);
  expect(await agents().identify(shown(cert))).toMatchObject({
    node: 'node-a',
    untilMs: new X509Certificate(cert).validToDate.getTime(),
  });
});

test.each([
  ['of a server', { commonName: 'node-a', names: 'DNS:node-a' }],
  ['of two nodes', { commonName: 'system:node:node-a', names: 'URI:flowtoll:node:node-b' }],
  ['of a path', { commonName: 'system:node:..' }],
  ['of nobody', { commonName: 'system:node:' }],
  ['with the prefix in a name of another kind', { commonName: 'agent', names: 'DNS:flowtoll:node:node-a' }],
  ['with a URI inside another', { commonName: 'agent', names: '@names\n[names]\nURI.1=x:y, URI:flowtoll:node:node-a' }],
])('a certificate %s is refused', async (_what, options) => {
  await expect(agents().identify(shown(authority.issue(options).cert))).rejects.toMatchObject({ reason: 'malformed' });
});

test('none, or one whose time is over, is refused', async () => {
  await expect(agents().identify({ authorization: ['Bearer x'], certificate: undefined })).rejects.toMatchObject({
    reason: 'no-proof',
  });
  const { cert } = authority.issue({ commonName: 'system:node:node-a', days: 2 });
  await expect(agents(Date.now() + 3 * 86_400_000).identify(shown(cert))).rejects.toMatchObject({
    reason: 'not-authenticated',
  });
});
