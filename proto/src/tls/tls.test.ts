// Real TLS connections of grpc-js with certificates that openssl made: who gets in, who does not and why, and that files may
// change while streams stand.
import {
  Client,
  type ClientDuplexStream,
  Metadata,
  Server,
  ServerCredentials,
  type ServerDuplexStream,
  status,
} from '@grpc/grpc-js';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { silenceGrpcLog } from '../grpc.ts';
import { metricsText } from '../telemetry/metric.ts';
import { CertificateFiles, type CertificatePaths, LOOK_EVERY_MS } from './certificate-files.ts';
import { MountedSecret, type Pair, TestAuthority, temporaryFolder } from './certificates.testing.ts';
import { type ClientTlsConfig, clientTls, plainText, serverCredentials } from './credentials.ts';
import { TLS_METRICS } from './metrics.ts';

const DAY_MS = 86_400_000;

let folder: ReturnType<typeof temporaryFolder>;
let authority: TestAuthority;
let atEnd: (() => void)[];

beforeEach(() => {
  silenceGrpcLog();
  folder = temporaryFolder();
  atEnd = [folder.remove];
  authority = new TestAuthority(folder.path);
});

afterEach(() => {
  for (const end of atEnd.reverse()) end();
});

/** Lines of the log, "level message". */
class Lines {
  readonly lines: string[] = [];
  readonly fields: object[] = [];
  readonly #at = (level: string) => (fields: object, message: string) => {
    this.lines.push(`${level} ${message}`);
    this.fields.push(fields);
  };
  readonly info = this.#at('info');
  readonly warn = this.#at('warn');
  readonly error = this.#at('error');
}

/** Files whose timer is the test's, and their clock that of openssl until the test sets it. */
function filesOf(paths: CertificatePaths, nowMs?: number) {
  const log = new Lines();
  const clock = { nowMs };
  let scheduled: { readonly callback: () => void; readonly delayMs: number } | undefined;
  const files = new CertificateFiles(paths, {
    log,
    now: () => clock.nowMs ?? Date.now(),
    schedule: (callback, delayMs) => {
      scheduled = { callback, delayMs };
      return () => {
        scheduled = undefined;
      };
    },
  });
  return { files, log, clock, scheduled: () => scheduled };
}

const secretOf = (pair: Pair, ca = authority.cert) =>
  new MountedSecret(folder.path, { 'tls.crt': pair.cert, 'tls.key': pair.key, 'ca.crt': ca });
const ownOf = (secret: MountedSecret) => ({ certFile: secret.path('tls.crt'), keyFile: secret.path('tls.key') });

const definition = {
  echo: {
    path: '/test.Echo/Echo',
    requestStream: true,
    responseStream: true,
    requestSerialize: (bytes: Buffer) => bytes,
    requestDeserialize: (bytes: Buffer) => bytes,
    responseSerialize: (bytes: Buffer) => bytes,
    responseDeserialize: (bytes: Buffer) => bytes,
  },
} as const;

/** Answers each message with itself and the common name that the client showed. */
async function serve(files: CertificateFiles, asksClients = false): Promise<number> {
  return serveWith(serverCredentials(files, asksClients));
}

async function serveWith(credentials: ServerCredentials): Promise<number> {
  const server = new Server();
  server.addService(definition, {
    echo: (call: ServerDuplexStream<Buffer, Buffer>) => {
      const name = call.getAuthContext().sslPeerCertificate?.subject.CN ?? 'nobody';
      call.on('data', (bytes: Buffer) => call.write(Buffer.from(`${bytes} ${name}`)));
      call.on('end', () => call.end());
    },
  });
  atEnd.push(() => server.forceShutdown());
  return new Promise((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', credentials, (error, port) => (error === null ? resolve(port) : reject(error))),
  );
}

/** One stream of a client of its own, that is, one connection. */
class EchoStream {
  readonly #call: ClientDuplexStream<Buffer, Buffer>;
  readonly #ended: Promise<string>;

  constructor(server: string, tls = plainText()) {
    const client = new Client(server, tls.credentials, { 'grpc.use_local_subchannel_pool': 1, ...tls.channelOptions });
    atEnd.push(() => client.close());
    const { path, requestSerialize, responseDeserialize } = definition.echo;
    this.#call = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize, new Metadata());
    this.#ended = new Promise((resolve) =>
      this.#call.on('status', ({ code, details }) => resolve(`${status[code]}: ${details}`)),
    );
    this.#call.on('error', () => undefined);
  }

  /** The answer, or how the stream ended. */
  say(text: string): Promise<string> {
    this.#call.write(Buffer.from(text));
    return Promise.race([
      new Promise<string>((resolve) => this.#call.once('data', (bytes: Buffer) => resolve(bytes.toString()))),
      this.#ended,
    ]);
  }
}

const trusting = (ca: string, paths: Omit<CertificatePaths, 'authoritiesFile'> = {}) => {
  const mounted = new MountedSecret(folder.path, { 'ca.crt': ca });
  return filesOf({ ...paths, authoritiesFile: mounted.path('ca.crt') }).files;
};

const connect = (port: number, ca = authority.cert, config: Partial<ClientTlsConfig> = {}) => {
  const server = config.server ?? `localhost:${port}`;
  return new EchoStream(server, clientTls({ trust: 'files', showsOwn: false, ...config, server }, trusting(ca)));
};

describe('a server with a certificate of an authority that the client trusts', () => {
  test.each([
    ['by name', 'DNS:localhost', (port: number) => ({ server: `localhost:${port}` })],
    ['by address', 'IP:127.0.0.1', (port: number) => ({ server: `127.0.0.1:${port}` })],
    [
      'by another name',
      'DNS:flowtoll-aggregator.prod.svc',
      (port: number) => ({
        server: `127.0.0.1:${port}`,
        serverName: 'flowtoll-aggregator.prod.svc',
      }),
    ],
    [
      'by an address as another name',
      'IP:fd00::1',
      (port: number) => ({
        server: `localhost:${port}`,
        serverName: 'fd00::1',
      }),
    ],
  ])('is reached %s', async (_how, names, config) => {
    const port = await serve(filesOf({ own: ownOf(secretOf(authority.issue({ names }))) }).files);
    expect(await connect(port, authority.cert, config(port)).say('hello')).toBe('hello nobody');
  });

  test.each([
    ['has another name', 'DNS:elsewhere', {}, /^UNAVAILABLE: .*(altnames|Hostname)/],
    ['has another address', 'IP:127.0.0.2', { server: '127.0.0.1' }, /^UNAVAILABLE: .*IP: 127\.0\.0\.1/],
    ['is asked for another name', 'DNS:localhost', { serverName: 'other' }, /^UNAVAILABLE: .*other/],
  ])('is refused when it %s', async (_why, names, config: Partial<ClientTlsConfig>, expected) => {
    const pair = authority.issue({ commonName: 'localhost', names });
    const port = await serve(filesOf({ own: ownOf(secretOf(pair)) }).files);
    const server = config.server && `${config.server}:${port}`;
    expect(await connect(port, authority.cert, { ...config, ...(server && { server }) }).say('hello')).toMatch(
      expected,
    );
  });
});

test('a server of another authority is refused', async () => {
  const port = await serve(filesOf({ own: ownOf(secretOf(authority.issue({ names: 'DNS:localhost' }))) }).files);
  const other = new TestAuthority(folder.path, 'another');
  expect(await connect(port, other.cert).say('hello')).toMatch(/^UNAVAILABLE: .*(unable to verify|self-signed)/);
});

test('a server whose certificate has expired is refused, and does not begin', async () => {
  const { cert, key } = authority.issue({ names: 'DNS:localhost', days: -1 });
  expect(() => filesOf({ own: ownOf(secretOf({ cert, key })) })).toThrow(
    /tls\.crt \(CN=leaf\) expired at .*: renew it/,
  );
  const pair = { cert_chain: Buffer.from(cert), private_key: Buffer.from(key) };
  const port = await serveWith(ServerCredentials.createSsl(null, [pair]));
  expect(await connect(port).say('hello')).toMatch(/^UNAVAILABLE: .*expired/);
});

test('with TLS and without do not understand each other', async () => {
  const port = await serve(filesOf({ own: ownOf(secretOf(authority.issue({ names: 'DNS:localhost' }))) }).files);
  expect(await new EchoStream(`localhost:${port}`).say('hello')).toMatch(/^UNAVAILABLE/);
  expect(await connect(await serveWith(ServerCredentials.createInsecure())).say('hello')).toMatch(/^UNAVAILABLE/);
});

test('the authorities of the machine are trusted where the client says so', async () => {
  const port = await serve(filesOf({ own: ownOf(secretOf(authority.issue({ names: 'DNS:localhost' }))) }).files);
  const server = `localhost:${port}`;
  const tls = clientTls({ server, trust: 'system', showsOwn: false }, undefined);
  expect(await new EchoStream(server, tls).say('hello'), 'ours is none of them').toMatch(/^UNAVAILABLE: .*certificate/);
});

describe('a client with a certificate', () => {
  async function sayWith(pair: Pair | undefined): Promise<string> {
    const secret = secretOf(authority.issue({ names: 'DNS:localhost' }));
    const { files } = filesOf({ own: ownOf(secret), authoritiesFile: secret.path('ca.crt') });
    const port = await serve(files, true);
    const client = trusting(authority.cert, pair && { own: ownOf(secretOf(pair)) });
    const config = { server: `localhost:${port}`, trust: 'files', showsOwn: pair !== undefined } as const;
    return new EchoStream(config.server, clientTls(config, client)).say('hello');
  }

  test('of the authority is known by its name', async () => {
    expect(await sayWith(authority.issue({ commonName: 'node-a' }))).toBe('hello node-a');
  });

  test('of another authority is nobody', async () => {
    const other = new TestAuthority(folder.path, 'another');
    expect(await sayWith(other.issue({ commonName: 'node-a' }))).toBe('hello nobody');
  });

  test('that is none is nobody', async () => {
    expect(await sayWith(undefined)).toBe('hello nobody');
  });
});

describe('files that change', () => {
  /** A server whose secret the test swaps. `first` and `second` are of authorities that know nothing of each other. */
  async function rotating() {
    const second = new TestAuthority(folder.path, 'second');
    const secret = secretOf(authority.issue({ names: 'DNS:localhost' }));
    const parts = filesOf({ own: ownOf(secret), authoritiesFile: secret.path('ca.crt') });
    return { ...parts, second, secret, port: await serve(parts.files, true) };
  }

  test('are used for new connections, and those that stand go on', async () => {
    const { files, log, second, secret, port } = await rotating();
    const standing = connect(port);
    expect(await standing.say('one')).toBe('one nobody');
    const renewed = second.issue({ names: 'DNS:localhost' });
    secret.put({ 'tls.crt': renewed.cert, 'tls.key': renewed.key, 'ca.crt': second.cert });
    expect(await connect(port, second.cert).say('early'), 'before anybody has looked').toMatch(/^UNAVAILABLE/);
    await files.look();
    expect(await connect(port, second.cert).say('two')).toBe('two nobody');
    expect(await connect(port).say('three'), 'who trusts the first alone').toMatch(/^UNAVAILABLE/);
    expect(await standing.say('four')).toBe('four nobody');
    expect(log.lines).toEqual(['info new certificates are used for connections that come from now on']);
    expect(files.status.reloads).toEqual({ taken: 1, refused: 0 });
  });

  test('of authorities change who is known', async () => {
    const { files, second, secret, port } = await rotating();
    const sayAs = (pair: Pair) => {
      const client = trusting(authority.cert, { own: ownOf(secretOf(pair)) });
      const config = { server: `localhost:${port}`, trust: 'files', showsOwn: true } as const;
      return new EchoStream(config.server, clientTls(config, client)).say('hello');
    };
    const ofSecond = second.issue({ commonName: 'node-b' });
    expect(await sayAs(ofSecond)).toBe('hello nobody');
    const pair = authority.issue({ names: 'DNS:localhost' });
    secret.put({ 'tls.crt': pair.cert, 'tls.key': pair.key, 'ca.crt': second.cert });
    await files.look();
    expect(await sayAs(ofSecond)).toBe('hello node-b');
    expect(await sayAs(authority.issue({ commonName: 'node-a' }))).toBe('hello nobody');
  });

  test('are looked at every half minute from start to stop', async () => {
    const { files, second, secret, port, scheduled } = await rotating();
    expect(scheduled()).toBeUndefined();
    files.start();
    expect(scheduled()?.delayMs).toBe(LOOK_EVERY_MS);
    const renewed = second.issue({ names: 'DNS:localhost' });
    secret.put({ 'tls.crt': renewed.cert, 'tls.key': renewed.key, 'ca.crt': second.cert });
    const before = scheduled();
    before?.callback();
    await expect.poll(() => scheduled() !== before).toBe(true);
    expect(await connect(port, second.cert).say('two')).toBe('two nobody');
    files.stop();
    expect(scheduled()).toBeUndefined();
  });

  test.each<[string, (secret: MountedSecret, renewed: Pair) => void, RegExp]>([
    [
      'whose key is of the certificate before',
      (secret, renewed) => secret.scribble('tls.crt', renewed.cert),
      /the key in .*tls\.key is not that of the first certificate in .*tls\.crt/,
    ],
    [
      'that are half written',
      (secret, renewed) => secret.scribble('tls.crt', renewed.cert.slice(0, 200)),
      /tls\.crt holds no certificate/,
    ],
    ['that are damaged', (secret) => secret.scribble('tls.key', 'no key'), /tls\.key holds no private key in PEM/],
    [
      'that are no certificate inside',
      (secret) => secret.scribble('tls.crt', '-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n'),
      /certificate 1 of 1 in .*tls\.crt cannot be read/,
    ],
    ['of authorities that are empty', (secret) => secret.scribble('ca.crt', ''), /ca\.crt holds no certificate/],
    ['that are gone', (secret) => secret.put({}), /cannot read .* \(ENOENT/],
  ])('%s are not used: those before go on, and the log and the metrics say so', async (_what, spoil, reason) => {
    const { files, log, secret, port, second } = await rotating();
    const standing = connect(port);
    await standing.say('one');
    spoil(secret, second.issue({ names: 'DNS:localhost' }));
    await files.look();
    await files.look();
    expect(await standing.say('two')).toBe('two nobody');
    expect(await connect(port).say('three')).toBe('three nobody');
    expect(log.lines, 'said once').toEqual([
      expect.stringMatching(/^warn changed certificates are not used; those before go on: /),
    ]);
    expect(log.lines[0]).toMatch(reason);
    expect(files.status).toMatchObject({ isStale: true, reloads: { taken: 0, refused: 1 } });
    expect(metricsText(TLS_METRICS, { tls: files.status })).toContain('\nflowtoll_tls_files_stale 1\n');
    const good = authority.issue({ names: 'DNS:localhost' });
    secret.put({ 'tls.crt': good.cert, 'tls.key': good.key, 'ca.crt': authority.cert });
    await files.look();
    expect(files.status).toMatchObject({ isStale: false, reloads: { taken: 1, refused: 1 } });
    expect(await connect(port).say('four')).toBe('four nobody');
  });

  test('never show a key in the log or in an error', async () => {
    const { files, log, secret } = await rotating();
    const { key } = authority.issue();
    const lines = key.split('\n').filter((line) => line !== '' && !line.startsWith('-----'));
    for (const text of [key, key.slice(0, -60), `${key}${key}`.replace('PRIVATE', 'SECRET')]) {
      secret.scribble('tls.key', text);
      await files.look();
      secret.scribble('tls.crt', text);
      await files.look();
    }
    const said = JSON.stringify([log.lines, log.fields]);
    expect(log.lines).toHaveLength(2);
    for (const line of lines) expect(said).not.toContain(line.slice(0, 20));
  });
});

describe('the end of a certificate', () => {
  /** What is said of a certificate in the days of its life and one more, as the hour, the level and the verb. */
  async function saidOf(days: number): Promise<string[]> {
    const secret = secretOf(authority.issue({ names: 'DNS:localhost', days }));
    const { files, log, clock } = filesOf({ own: ownOf(secret) });
    const startMs = Date.now();
    const said: string[] = [];
    for (let hour = 0; hour <= 24 * (days + 1); hour++) {
      clock.nowMs = startMs + hour * 3_600_000;
      await files.look();
      const lines = log.lines.splice(0).filter((line) => line.includes('tls.crt'));
      said.push(...lines.map((line) => line.replace(/^(\w+) .*(expires|expired) at.*$/, `${hour}: $1 $2`)));
    }
    return said;
  }

  test('is told a week before, once a day, and then as an error', async () => {
    const day = (hours: number) => 24 * 40 - hours;
    expect(await saidOf(40)).toEqual([
      ...[7, 6, 5, 4, 3, 2, 1].map((days) => `${day(days * 24)}: warn expires`),
      `${day(0)}: error expired`,
      `${day(-24)}: error expired`,
    ]);
  });

  test('of a short-lived one is told in the last fifth of its life', async () => {
    expect(await saidOf(5)).toEqual(['96: warn expires', '120: error expired', '144: error expired']);
  });

  test('is a metric', () => {
    const secret = secretOf(authority.issue({ days: 10 }));
    const { files } = filesOf({ own: ownOf(secret), authoritiesFile: secret.path('ca.crt') });
    const value = (certificate: string) =>
      Number(
        new RegExp(`expires_timestamp_seconds\\{certificate="${certificate}"\\} (\\S+)`).exec(
          metricsText(TLS_METRICS, { tls: files.status }),
        )?.[1],
      );
    const nowSeconds = Date.now() / 1000;
    expect(value('own')).toBeGreaterThan(nowSeconds + (9.9 * DAY_MS) / 1000);
    expect(value('own')).toBeLessThan(nowSeconds + (10.1 * DAY_MS) / 1000);
    expect(value('authorities')).toBeGreaterThan(nowSeconds + (29.9 * DAY_MS) / 1000);
    expect(metricsText(TLS_METRICS, { tls: undefined })).not.toMatch(/^flowtoll_tls_\S+ \d/m);
  });
});

describe('at the start', () => {
  test.each<[string, (secret: MountedSecret) => CertificatePaths, RegExp]>([
    [
      'a file that is not there',
      (secret) => ({ authoritiesFile: secret.path('none') }),
      /cannot read .*none \(ENOENT.*check the path, and that the user of this process may read it/,
    ],
    [
      'a key of another certificate',
      (secret) => {
        secret.scribble('tls.key', authority.issue().key);
        return { own: ownOf(secret) };
      },
      /tls\.key is not that of the first certificate/,
    ],
    [
      'a key in the place of a certificate',
      (secret) => ({ own: { certFile: secret.path('tls.key'), keyFile: secret.path('tls.crt') } }),
      /tls\.key holds no certificate/,
    ],
  ])('%s is refused', (_what, paths, expected) => {
    expect(() => filesOf(paths(secretOf(authority.issue())))).toThrow(expected);
  });

  test('a certificate that is not valid yet is refused', () => {
    const secret = secretOf(authority.issue());
    const early = Date.now() - 2 * DAY_MS;
    expect(() => filesOf({ own: ownOf(secret) }, early)).toThrow(/valid from .* on: check the clock/);
  });

  test('authorities that have all expired are refused, one that has not is enough', () => {
    const secret = secretOf(authority.issue());
    const late = Date.now() + 31 * DAY_MS;
    expect(() => filesOf({ authoritiesFile: secret.path('ca.crt') }, late)).toThrow(
      /every certificate in .*ca\.crt has expired/,
    );
    secret.scribble('ca.crt', `${authority.issue({ days: -1 }).cert}${authority.cert}`);
    expect(() => filesOf({ authoritiesFile: secret.path('ca.crt') })).not.toThrow();
  });
});
