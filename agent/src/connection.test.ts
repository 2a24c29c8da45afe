// How an agent reaches an aggregator: what it refuses to do in plain text, what it says of files, and, against a real server with TLS, that
// renewed tokens and certificates are shown without a restart.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { create } from '@bufbuild/protobuf';
import { HelloSchema } from '@flowtoll/proto';
import { CertificateFiles, serverCredentials } from '@flowtoll/proto/tls';
import { Server, type ServerDuplexStream, status } from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { MountedSecret, TestAuthority, temporaryFolder } from '../../proto/src/tls/certificates.testing.ts';
import { type ConnectionConfig, openConnection } from './connection.ts';
import { createOpenLink } from './exporter/ingest-link.ts';

const REMOTE = 'aggregator.example:4460';
const LOCAL = '127.0.0.1:4460';

let folder: ReturnType<typeof temporaryFolder>;
let warnings: string[];
let atEnd: (() => void)[];
beforeEach(() => {
  folder = temporaryFolder();
  [warnings, atEnd] = [[], [folder.remove]];
});
afterEach(() => {
  for (const end of atEnd.reverse()) end();
});

const log = {
  info: () => undefined,
  warn: (_: unknown, message: string) => warnings.push(message),
  error: () => undefined,
} as unknown as Parameters<typeof openConnection>[1];

function open(config: Partial<ConnectionConfig>) {
  const none = { tlsCa: undefined, tlsServerName: undefined, tlsCert: undefined, tlsKey: undefined };
  return openConnection({ aggregator: LOCAL, ...none, tokenFile: undefined, insecure: false, ...config }, log);
}

function file(name: string, text: string): string {
  writeFileSync(join(folder.path, name), text);
  return join(folder.path, name);
}

describe('plain text', () => {
  test('to another machine has to be asked for, and is warned of', () => {
    expect(() => open({ aggregator: REMOTE })).toThrow(
      /would go to aggregator\.example:4460 in plain text: .*--tls-ca FILE.*--insecure for a trial/,
    );
    open({ aggregator: REMOTE, insecure: true });
    expect(warnings).toEqual(['flows go to the aggregator in plain text (--insecure): for trials only']);
  });

  test('takes a token along only when it was asked for, and says so', () => {
    const tokenFile = file('token', 'abc');
    expect(() => open({ aggregator: REMOTE, tokenFile })).toThrow(/in plain text/);
    open({ aggregator: REMOTE, tokenFile, insecure: true });
    expect(warnings).toEqual([
      'flows, and the token, go to the aggregator in plain text (--insecure): for trials only',
    ]);
  });

  test.each(['127.0.0.1:4460', 'localhost:4460', '[::1]:4460'])('to %s stays on this machine', (aggregator) => {
    open({ aggregator });
    expect(warnings).toEqual([]);
  });

  test('with what only TLS has is a mistake', () => {
    expect(() => open({ tlsCert: 'a' })).toThrow(/give both --tls-cert and --tls-key/);
    expect(() => open({ tlsCert: 'a', tlsKey: 'b', insecure: true })).toThrow(/--tls-cert without TLS/);
    expect(() => open({ tlsServerName: 'a' })).toThrow(/--tls-server-name without TLS/);
  });
});

describe('a token', () => {
  test('is read anew each time, without the line break behind it', () => {
    const tokenFile = file('token', 'first\n');
    const { token } = open({ tokenFile });
    expect(token?.()).toBe('first');
    file('token', 'second');
    expect(token?.()).toBe('second');
  });

  test.each([
    ['that is not there', () => join(folder.path, 'none'), /cannot read the token in .*none \(ENOENT\)/],
    ['that is empty', () => file('token', ' \n'), /holds no token/],
    ['of several lines', () => file('token', 'secret-one\nsecret-two'), /holds no token/],
    ['that is a file of something else', () => file('token', 'secret-'.repeat(5000)), /holds no token/],
  ])('%s is refused at the start; what is in the file is not said', (_what, tokenFile, expected) => {
    let said = '';
    try {
      open({ tokenFile: tokenFile() });
    } catch (error) {
      said = String(error);
    }
    expect(said).toMatch(expected);
    expect(said).not.toContain('secret-');
  });

  test('that cannot be read later ends the link and not the agent', async () => {
    const tokenFile = file('token', 'abc');
    const { token } = open({ tokenFile });
    folder.remove();
    expect(await helloTo(LOCAL, { token })).toMatch(/^UNAUTHENTICATED: cannot read the token in .*\(ENOENT\)/);
  });
});

/** How the stream ended. */
function helloTo(address: string, options: Parameters<typeof createOpenLink>[1]): Promise<string> {
  return new Promise((resolve) => {
    const none = () => undefined;
    const handlers = { onWelcome: none, onAcknowledgement: none, onThrottle: none, onDrain: none };
    createOpenLink(
      address,
      options,
    )({
      ...handlers,
      onEnd: ({ code, details }) => resolve(`${status[code]}: ${details}`),
    }).sendHello(create(HelloSchema));
  });
}

test('what is renewed in the files is shown to the aggregator by the next stream', async () => {
  const authority = new TestAuthority(folder.path);
  const pair = authority.issue({ names: 'DNS:flowtoll-aggregator' });
  const secretOf = ({ cert, key }: { cert: string; key: string }) => ({ crt: cert, key, ca: authority.cert });
  const mounted = new MountedSecret(folder.path, secretOf(pair));
  const surroundings = {
    log: { info: () => undefined, warn: () => undefined, error: () => undefined },
    now: Date.now,
    schedule: () => () => undefined,
  };
  const files = new CertificateFiles(
    { own: { certFile: mounted.path('crt'), keyFile: mounted.path('key') }, authoritiesFile: mounted.path('ca') },
    surroundings,
  );
  // Ends each stream with what came.
  const server = new Server();
  server.addService(
    {
      ingest: {
        path: '/flowtoll.v1.IngestService/Ingest',
        ...{ requestStream: true, responseStream: true },
        ...{ requestSerialize: (bytes: Buffer) => bytes, requestDeserialize: (bytes: Buffer) => bytes },
        ...{ responseSerialize: (bytes: Buffer) => bytes, responseDeserialize: (bytes: Buffer) => bytes },
      },
    },
    {
      ingest: (call: ServerDuplexStream<Buffer, Buffer>) => {
        const subject = call.getAuthContext().sslPeerCertificate?.subject.CN;
        const details = `${call.metadata.get('authorization').join()} of ${subject}`;
        call.emit('error', { code: status.ABORTED, details });
      },
    },
  );
  atEnd.push(() => server.forceShutdown());
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', serverCredentials(files, true), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  );

  const own = new MountedSecret(folder.path, secretOf(authority.issue({ commonName: 'system:node:one' })));
  const address = `127.0.0.1:${port}`;
  const config = {
    ...{ aggregator: address, tlsCa: own.path('ca'), tlsServerName: 'flowtoll-aggregator' },
    ...{ tlsCert: own.path('crt'), tlsKey: own.path('key'), tokenFile: file('token', 'first') },
  };
  const first = open(config);
  expect(await helloTo(address, first)).toBe('ABORTED: Bearer first of system:node:one');
  file('token', 'second');
  expect(await helloTo(address, first)).toBe('ABORTED: Bearer second of system:node:one');
  expect(first.tlsStatus()).toMatchObject({ isStale: false, expiresMs: { own: expect.any(Number) } });
  // That changed certificates are taken while we run, proto's tls.test.ts shows; these are the files that it looks at.
  own.put(secretOf(authority.issue({ commonName: 'system:node:two' })));
  expect(await helloTo(address, open(config))).toBe('ABORTED: Bearer second of system:node:two');
  expect(await helloTo(address, open({ ...config, tlsServerName: 'other' }))).toMatch(/^UNAVAILABLE: .*altnames/);
});
