// What is posted to an API server, and how it answers.
import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type ApiClient, createApiClient } from './api-client.ts';
import { SYSTEM_TIMING } from './timing.ts';

let server: Server;
let client: ApiClient;
let answer: (request: IncomingMessage, body: string) => { readonly status: number; readonly body: string };

beforeEach(async () => {
  server = createServer((request, response) => {
    void text(request).then((body) => {
      const { status, body: said } = answer(request, body);
      response.writeHead(status, { 'content-type': 'application/json' }).end(said);
    });
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  client = createApiClient(
    () => ({
      ...{ server: url, credentials: 'a test' },
      requestOptions: async () => ({ headers: { authorization: 'Bearer own' } }),
      close: () => undefined,
    }),
    SYSTEM_TIMING,
  );
});
afterEach(async () => {
  client.close();
  server.closeAllConnections();
  server.close();
  await once(server, 'close');
});

const post = (body: object, bytesMax = 1000) =>
  client.postJson(
    { path: '/reviews', accept: 'application/json', signal: new AbortController().signal, silenceMs: 5000 },
    body,
    bytesMax,
  );

test.each([200, 201])('a body is posted as JSON, and %i is an answer', async (status) => {
  answer = ({ method, url, headers }, body) => ({
    status,
    body: JSON.stringify({ method, url, type: headers['content-type'], own: headers.authorization, body }),
  });
  expect(await post({ say: 'ä' })).toEqual({
    ...{ method: 'POST', url: '/reviews', type: 'application/json', own: 'Bearer own' },
    body: '{"say":"ä"}',
  });
});

test.each([
  { status: 403, body: '{"message":"no"}', reason: 'forbidden' },
  { status: 202, body: '{}', reason: 'refused' },
  { status: 201, body: 'no JSON', reason: 'malformed' },
  { status: 201, body: JSON.stringify('x'.repeat(1000)), reason: 'too-large' },
])('$status with $body fails: $reason', async ({ status, body, reason }) => {
  answer = () => ({ status, body });
  await expect(post({})).rejects.toMatchObject({ reason });
});
