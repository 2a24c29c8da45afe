// Tokens that node:crypto signed, and what the issuer's keys say of them.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { createKeyAgents } from './key-agents.ts';
import { createKeySet, keysFromFile, keysFromUrl } from './key-set.ts';
import { serviceAccounts } from './service-accounts.ts';
import { ACCOUNT, AUDIENCE, ISSUER, TestIssuer } from './signed-tokens.testing.ts';

let issuer: TestIssuer;
beforeAll(() => {
  issuer = new TestIssuer();
});

function agentsOf(load: () => Promise<unknown>) {
  const clock = { nowMs: Date.now() };
  const warnings: string[] = [];
  const now = () => clock.nowMs;
  const keys = createKeySet('the keys', load, { now, log: { warn: (_, message) => warnings.push(message) } });
  const accounts = serviceAccounts([ACCOUNT]);
  const agents = createKeyAgents({ issuer: ISSUER, audience: AUDIENCE, accounts }, { keys, now });
  /** The node, or why not. */
  const nodeOf = (token: string) =>
    agents.identify({ authorization: [`Bearer ${token}`], certificate: undefined }).then(
      ({ node }) => node,
      (error) => error.reason ?? error.code,
    );
  return { agents, nodeOf, clock, warnings };
}

const agents = () => agentsOf(async () => issuer.jwks);

test('a token says node, account, pod and end', async () => {
  const token = issuer.token('node-a');
  const evidence = { authorization: [`Bearer ${token}`], certificate: undefined };
  const { exp } = JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString());
  expect(await agents().agents.identify(evidence)).toEqual({
    node: 'node-a',
    name: 'system:serviceaccount:flowtoll:agent (pod agent-node-a)',
    untilMs: exp * 1000,
  });
});

const second = () => Math.floor(Date.now() / 1000);
const kubernetes = (claims: object) => ({ 'kubernetes.io': claims });
const pod = { name: 'agent-x', uid: 'x' };

test.each<[string, () => string, string]>([
  ['for others', () => issuer.token('a', { aud: ['https://kubernetes.default.svc'] }), 'wrong-audience'],
  ['for nobody', () => issuer.token('a', { aud: undefined }), 'wrong-audience'],
  ['of another issuer', () => issuer.token('a', { iss: 'https://elsewhere' }), 'not-authenticated'],
  ['expired', () => issuer.token('a', { exp: second() - 31 }), 'not-authenticated'],
  ['without end', () => issuer.token('a', { exp: undefined }), 'not-authenticated'],
  ['not valid yet', () => issuer.token('a', { nbf: second() + 300 }), 'not-authenticated'],
  ['of another account', () => issuer.token('a', { sub: 'system:serviceaccount:shop:agent' }), 'wrong-account'],
  ['of nobody', () => issuer.token('a', { sub: undefined }), 'not-authenticated'],
  ['of no pod', () => issuer.token('a', kubernetes({ namespace: 'flowtoll' })), 'no-node'],
  ['of a pod on no node', () => issuer.token('a', kubernetes({ pod })), 'no-node'],
  ['of a node that is a path', () => issuer.token('a', kubernetes({ pod, node: { name: '../b' } })), 'no-node'],
  ['of a node that is a list', () => issuer.token('a', kubernetes({ pod, node: { name: ['a'] } })), 'no-node'],
  ['with claims that are none', () => issuer.token('a', { 'kubernetes.io': 'node-a' }), 'no-node'],
  ['signed by somebody else', () => new TestIssuer().token('a'), 'not-authenticated'],
  ['signed with a key that is unknown', () => new TestIssuer('key-2').token('a'), 'not-authenticated'],
  ['signed with the public key as a secret', () => issuer.confusedToken('a'), 'not-authenticated'],
  ['not signed', () => issuer.unsignedToken('a'), 'not-authenticated'],
  ['with a key of its own', () => new TestIssuer().token('a', {}, { jwk: issuer.jwks.keys[0] }), 'not-authenticated'],
  ['cut', () => issuer.token('a').slice(0, -20), 'not-authenticated'],
  ['no token', () => 'hello', 'malformed'],
])('a token %s is refused', async (_what, token, reason) => {
  expect(await agents().nodeOf(token())).toBe(reason);
});

test('claims of one token and the signature of another are refused', async () => {
  const [mine, theirs] = [issuer.token('a').split('.'), issuer.token('b').split('.')];
  expect(await agents().nodeOf([mine[0], theirs[1], mine[2]].join('.'))).toBe('not-authenticated');
});

test.each([
  [[], 'no-proof'],
  [['Basic YTpi'], 'malformed'],
  [['Bearer a b'], 'malformed'],
  [['Bearer a', 'Bearer b'], 'malformed'],
  [['Bearer '], 'malformed'],
  [[`Bearer ${'a'.repeat(20_000)}`], 'malformed'],
])('headers %j are refused', async (authorization, reason) => {
  await expect(agents().agents.identify({ authorization, certificate: undefined })).rejects.toMatchObject({ reason });
});

test('no message holds what was shown', async () => {
  for (const token of [
    issuer.token('a').slice(0, -20),
    issuer.token('a', { aud: ['x'] }),
    new TestIssuer().token('a'),
  ]) {
    const evidence = { authorization: [`Bearer ${token}`], certificate: undefined };
    const error = await agents()
      .agents.identify(evidence)
      .catch((caught: Error) => caught);
    expect(error).toBeInstanceOf(Error);
    for (const part of token.split('.')) expect(String((error as Error).stack)).not.toContain(part);
  }
});

describe('keys', () => {
  let folder: string | undefined;
  let server: Server | undefined;
  afterEach(() => {
    server?.close();
    if (folder) rmSync(folder, { recursive: true });
    [folder, server] = [undefined, undefined];
  });

  test('that are new are read when a token names one, not more often than every ten seconds', async () => {
    let reads = 0;
    let current = issuer;
    const { nodeOf, clock } = agentsOf(async () => {
      reads++;
      return current.jwks;
    });
    expect(await nodeOf(issuer.token('a'))).toBe('a');
    const next = new TestIssuer('key-2');
    current = next;
    for (let i = 0; i < 50; i++) expect(await nodeOf(next.token('b'))).toBe('not-authenticated');
    expect(reads).toBe(1);
    clock.nowMs += 10_000;
    expect(await nodeOf(next.token('b'))).toBe('b');
    expect(await nodeOf(issuer.token('a')), 'the issuer has withdrawn it').toBe('not-authenticated');
    expect(reads).toBe(2);
  });

  test('that cannot be read leave those before for a day, and refuse nobody', async () => {
    let fails = false;
    const { nodeOf, clock, warnings } = agentsOf(async () => {
      if (fails) throw new Error('HTTP 500');
      return issuer.jwks;
    });
    expect(await nodeOf(issuer.token('a'))).toBe('a');
    fails = true;
    clock.nowMs += 3_600_000;
    expect(await nodeOf(issuer.token('a', { exp: second() + 7200 }))).toBe('a');
    clock.nowMs += 24 * 3_600_000;
    expect(await nodeOf(issuer.token('a', { exp: second() + 90_000 }))).toBe('IDENTITY_UNAVAILABLE');
    expect(warnings).toEqual(["the keys of agents' tokens cannot be read: HTTP 500"]);
  });

  test('of types that tell nobody apart are not taken', async () => {
    const { nodeOf, warnings } = agentsOf(async () => ({ keys: [{ kty: 'oct', k: 'c2VjcmV0', kid: 'key-1' }] }));
    expect(await nodeOf(issuer.token('a'))).toBe('IDENTITY_UNAVAILABLE');
    expect(warnings[0]).toMatch(/no key of type RSA, EC or OKP/);
  });

  test('come from a file', async () => {
    folder = mkdtempSync(join(tmpdir(), 'flowtoll-keys-'));
    writeFileSync(join(folder, 'jwks.json'), JSON.stringify(issuer.jwks));
    expect(await agentsOf(keysFromFile(join(folder, 'jwks.json'))).nodeOf(issuer.token('a'))).toBe('a');
  });

  test.each<[string, (path: string) => { status: number; headers?: Record<string, string>; body: string }, string]>([
    ['come from an address', () => ({ status: 200, body: JSON.stringify(issuer.jwks) }), 'a'],
    [
      'behind a redirection are not followed',
      () => ({ status: 302, headers: { location: '/x' }, body: '' }),
      'IDENTITY_UNAVAILABLE',
    ],
    ['of endless length are not read', () => ({ status: 200, body: 'x'.repeat(2 << 20) }), 'IDENTITY_UNAVAILABLE'],
    ['that are an error page are none', () => ({ status: 404, body: '<html>' }), 'IDENTITY_UNAVAILABLE'],
  ])('%s', async (_what, answer, expected) => {
    server = createServer((request, response) => {
      const { status, headers, body } = answer(request.url!);
      response.writeHead(status, headers).end(body);
    });
    const port = await new Promise<number>((resolve) =>
      server!.listen(0, '127.0.0.1', () => resolve((server!.address() as { port: number }).port)),
    );
    expect(await agentsOf(keysFromUrl(`http://127.0.0.1:${port}/jwks`)).nodeOf(issuer.token('a'))).toBe(expected);
  });
});
