// A real server with TLS, real streams, and whoever should not get in: each with what it sends, how it ends, and what is counted. Tokens
// are signed by node:crypto, certificates by openssl; the sink is the test's.
import { fromBinary } from '@bufbuild/protobuf';
import { type IngestResponse, IngestResponseSchema } from '@flowtoll/proto';
import { CertificateFiles, clientTls, serverCredentials } from '@flowtoll/proto/tls';
import {
  type ChannelOptions,
  Client,
  type ClientDuplexStream,
  compressionAlgorithms,
  Metadata,
  type StatusObject,
  status,
} from '@grpc/grpc-js';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import {
  MountedSecret,
  type Pair,
  TestAuthority,
  temporaryFolder,
} from '../../../proto/src/tls/certificates.testing.ts';
import { createCertificateAgents } from '../identity/agents/certificate-agents.ts';
import { createKeyAgents } from '../identity/agents/key-agents.ts';
import { createKeySet } from '../identity/agents/key-set.ts';
import { serviceAccounts } from '../identity/agents/service-accounts.ts';
import { ACCOUNT, AUDIENCE, ISSUER, TestIssuer } from '../identity/agents/signed-tokens.testing.ts';
import { type AgentAuthority, AgentRefusedError } from '../model/agent-identity.ts';
import type { EpochNote } from '../model/epoch-note.ts';
import type { FlowBatch } from '../model/flow-batch.ts';
import { createIngestServer, type IngestServer } from './ingest-server.ts';
import {
  batchBytes,
  batchInit,
  compress,
  EPOCH,
  goodbyeBytes,
  helloBytes,
  helloInit,
  OTHER_EPOCH,
} from './messages.testing.ts';

const log = { debug: () => undefined, info: () => undefined, warn: () => undefined, error: () => undefined };

let folder: ReturnType<typeof temporaryFolder>;
let authority: TestAuthority;
let issuer: TestIssuer;
let serverFiles: CertificateFiles;
beforeAll(() => {
  folder = temporaryFolder();
  authority = new TestAuthority(folder.path);
  issuer = new TestIssuer();
  serverFiles = filesOf(authority.issue({ names: 'IP:127.0.0.1' }));
});
afterAll(() => folder.remove());

function filesOf(pair: Pair): CertificateFiles {
  const secret = new MountedSecret(folder.path, { crt: pair.cert, key: pair.key, ca: authority.cert });
  const own = { certFile: secret.path('crt'), keyFile: secret.path('key') };
  const surroundings = { log, now: Date.now, schedule: () => () => undefined };
  return new CertificateFiles({ own, authoritiesFile: secret.path('ca') }, surroundings);
}

/** Our clock, and timers that go off when it comes to them. */
class ManualTime {
  #offsetMs = 0;
  #heldMs: number | undefined;
  readonly #timers = new Set<{ readonly atMs: number; readonly callback: () => void }>();
  readonly now = () => (this.#heldMs ?? Date.now()) + this.#offsetMs;
  readonly schedule = (callback: () => void, delayMs: number) => {
    const timer = { atMs: this.now() + delayMs, callback };
    this.#timers.add(timer);
    return () => this.#timers.delete(timer);
  };
  /** From now on it stands still between `advance`s: how long this machine takes does not count. */
  hold(): void {
    this.#heldMs = Date.now();
  }
  advance(ms: number): void {
    this.#offsetMs += ms;
    for (const timer of [...this.#timers]) {
      if (timer.atMs > this.now() || !this.#timers.delete(timer)) continue;
      timer.callback();
    }
  }
}

/** One raw stream. */
class Stream {
  readonly #call: ClientDuplexStream<Buffer, IngestResponse>;
  readonly #responses: string[] = [];
  readonly #ended: Promise<StatusObject>;
  #wake: () => void = () => undefined;
  #end: string | undefined;

  constructor(client: Client, metadata: Metadata) {
    this.#call = client.makeBidiStreamRequest(
      '/flowtoll.v1.IngestService/Ingest',
      (bytes: Buffer) => bytes,
      (bytes) => fromBinary(IngestResponseSchema, bytes),
      metadata,
    );
    this.#call.on('data', ({ message }: IngestResponse) => {
      this.#responses.push(
        message.case === 'acknowledgement' ? `acknowledgement ${message.value.sequence}` : String(message.case),
      );
      this.#wake();
    });
    this.#call.on('error', () => undefined);
    this.#ended = new Promise((resolve) =>
      this.#call.on('status', (said: StatusObject) => {
        this.#end = `${status[said.code]} ${said.metadata.get('flowtoll-refusal')[0] ?? '-'}: ${said.details}`;
        this.#wake();
        resolve(said);
      }),
    );
  }

  send(...messages: Uint8Array[]): this {
    for (const bytes of messages) this.#call.write(Buffer.from(bytes));
    return this;
  }

  /** The next answer, or the status with which it ended, the word for why, and the text. */
  async next(): Promise<string> {
    while (this.#responses.length === 0 && this.#end === undefined) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
    return this.#responses.shift() ?? this.#end!;
  }

  /** The status in words. */
  async end(): Promise<string> {
    await this.#ended;
    return this.#end!;
  }
}

let time: ManualTime;
let server: IngestServer;
let clients: Client[];
let port: number;
let batches: FlowBatch[];
let notes: EpochNote[];
/** What the table knows of epochs. */
let known: Map<string, { readonly nodes: readonly string[]; readonly committed: number }>;

beforeEach(() => {
  time = new ManualTime();
  [clients, batches, notes, known] = [[], [], [], new Map()];
});
afterEach(async () => {
  for (const client of clients) client.close();
  await server.stop();
});

async function serve(agents: AgentAuthority, config: { readonly windowBytes?: number } = {}): Promise<void> {
  const sink = {
    committedSequence: async (epoch: string) => known.get(epoch)?.committed ?? 0,
    nodesOf: (epoch: string) =>
      new Set([
        ...(known.get(epoch)?.nodes ?? []),
        ...notes.flatMap((note) => (note.kind === 'announced' && note.epoch === epoch ? [note.node] : [])),
      ]),
    admit: (take: () => void) => take(),
    put: (batch: FlowBatch) => batches.push(batch),
    note: (note: EpochNote) => notes.push(note),
  };
  server = createIngestServer(
    { host: '127.0.0.1', port: 0, messageBytesMax: 4 << 20, ...config },
    {
      ...{ sink, log, authority: agents, random: () => 0.5 },
      ...{ now: time.now, schedule: time.schedule, credentials: serverCredentials(serverFiles, true) },
    },
  );
  port = await server.start();
}

function keyAgents(): AgentAuthority {
  const keys = createKeySet('the keys', async () => issuer.jwks, { now: time.now, log });
  return createKeyAgents(
    { issuer: ISSUER, audience: AUDIENCE, accounts: serviceAccounts([ACCOUNT]) },
    { keys, now: time.now },
  );
}

/** A stream on a connection of its own. */
function connect(authorization?: string, pair?: Pair, options: ChannelOptions = {}): Stream {
  const files = pair === undefined ? serverFiles : filesOf(pair);
  const config = { server: `127.0.0.1:${port}`, trust: 'files', showsOwn: pair !== undefined } as const;
  const tls = clientTls(config, files);
  const client = new Client(config.server, tls.credentials, {
    'grpc.use_local_subchannel_pool': 1,
    ...tls.channelOptions,
    ...options,
  });
  clients.push(client);
  const metadata = new Metadata();
  if (authorization !== undefined) metadata.set('authorization', authorization);
  return new Stream(client, metadata);
}

const as = (node: string, claims = {}) => connect(`Bearer ${issuer.token(node, claims)}`);
const hello = (node: string, epoch = EPOCH) => helloBytes(helloInit({ node, epoch }));
const batch = (sequence: number, change = {}) => batchBytes(batchInit({ sequence: BigInt(sequence), ...change }));
const refused = () => Object.fromEntries(server.counters.refused);
/** Of node number n. */
const epochOf = (n: number) => EPOCH.replace(/^1{8}/, String(n).padStart(8, '0'));

describe('with tokens', () => {
  beforeEach(() => serve(keyAgents()));

  test('an agent delivers the flows of its node', async () => {
    const stream = as('node-a').send(hello('node-a'), batch(1));
    expect(await stream.next()).toBe('welcome');
    await expect.poll(() => batches.map(({ node, sequence }) => `${node} ${sequence}`)).toEqual(['node-a 1']);
    server.acknowledge(EPOCH, 1);
    expect(await stream.next()).toBe('acknowledgement 1');
    expect(server.connections).toMatchObject({ open: 1, unproven: 0 });
    expect(refused()).toEqual({});
  });

  test.each<[string, () => Stream, RegExp]>([
    ['no token', () => connect(), /^UNAUTHENTICATED no-proof: AGENT_UNKNOWN: no token came/],
    ['no bearer token', () => connect('Basic bm9kZTph'), /^UNAUTHENTICATED malformed: AGENT_UNKNOWN: /],
    ['a token for others', () => as('node-a', { aud: ['others'] }), /^UNAUTHENTICATED wrong-audience: AGENT_UNKNOWN: /],
    ['a token that has expired', () => as('node-a', { exp: 1_700_000_000 }), /^UNAUTHENTICATED not-authenticated: /],
    [
      'a forged token',
      () => connect(`Bearer ${new TestIssuer().token('node-a')}`),
      /^UNAUTHENTICATED not-authenticated: /,
    ],
    [
      'a token of another account',
      () => as('node-a', { sub: 'system:serviceaccount:shop:web' }),
      /^PERMISSION_DENIED wrong-account: AGENT_FORBIDDEN: system:serviceaccount:shop:web is not among/,
    ],
    [
      'a certificate in its place',
      () => connect(undefined, authority.issue({ commonName: 'system:node:node-a' })),
      /^UNAUTHENTICATED no-proof: /,
    ],
  ])('%s: nothing of the stream is read', async (_what, open, expected) => {
    const stream = open().send(hello('node-a'), batch(1));
    expect(await stream.end()).toMatch(expected);
    expect([batches, notes]).toEqual([[], []]);
    expect(Object.values(refused())).toEqual([1]);
    expect(server.connections.unproven).toBe(1);
  });

  test("another node's name is refused, and its epoch is not heard of", async () => {
    expect(await as('node-a').send(hello('node-b')).end()).toMatch(
      /^PERMISSION_DENIED other-node: AGENT_FORBIDDEN: hello\.node is node-b, and .*agent-node-a\) is on node node-a/,
    );
    expect(notes).toEqual([]);
  });

  test.each(['../node-a', 'node-a/../node-b', 'node-a\0', '', 'x'.repeat(10_000), 'node-a%2f', '{node-a}'])(
    'the name %j is that of no node',
    async (name) => {
      expect(await as('node-a').send(hello(name)).end()).toMatch(/^INVALID_ARGUMENT -: BATCH_INVALID: hello\.node/);
      expect([batches, notes]).toEqual([[], []]);
    },
  );

  test("another node's epoch is refused: whoever replays what that one sent brings nothing in, and locks nobody out", async () => {
    const first = as('node-a').send(hello('node-a'), batch(1));
    expect(await first.next()).toBe('welcome');
    expect(await as('node-b').send(hello('node-b'), batch(1), batch(2)).end()).toMatch(
      /^PERMISSION_DENIED foreign-epoch: AGENT_FORBIDDEN: epoch 1{8}-.* is of another node than node-b/,
    );
    known.set(OTHER_EPOCH, { nodes: ['node-a'], committed: 5 });
    expect(await as('node-b').send(hello('node-b', OTHER_EPOCH)).end()).toMatch(/^PERMISSION_DENIED foreign-epoch/);
    first.send(batch(2));
    await expect
      .poll(() => batches.map(({ node, sequence }) => `${node} ${sequence}`))
      .toEqual(['node-a 1', 'node-a 2']);
    expect(await as('node-a').send(hello('node-a')).next()).toBe('welcome');
    expect(notes.filter(({ kind }) => kind === 'announced')).toHaveLength(2);
    expect(notes.every((note) => note.kind === 'announced' && note.node === 'node-a')).toBe(true);
  });

  test("a batch of another epoch than Hello's is refused", async () => {
    const stream = as('node-a').send(hello('node-a'), batch(1, { epoch: OTHER_EPOCH }));
    expect(await stream.next()).toBe('welcome');
    expect(await stream.end()).toMatch(/^INVALID_ARGUMENT -: BATCH_INVALID: batch\.epoch/);
  });

  test.each<[string, () => Uint8Array, RegExp]>([
    [
      'a message over the limit',
      () => batchBytes(batchInit({ flows: { case: 'zstdColumns', value: new Uint8Array((4 << 20) + 1) } })),
      /^RESOURCE_EXHAUSTED/,
    ],
    ['bytes that are no message', () => Uint8Array.from([0xff, 0xff, 0xff, 0xff, 0xff]), /^INVALID_ARGUMENT/],
    [
      'a frame that unpacks to 256 MiB',
      () => batch(1, { flows: { case: 'zstdColumns', value: bomb(1 << 28) } }),
      /^INVALID_ARGUMENT.*at most 16777216/,
    ],
    [
      'a frame that lies about its size',
      () => batch(1, { flows: { case: 'zstdColumns', value: lyingBomb() } }),
      /^INVALID_ARGUMENT.*zstd/,
    ],
    ['a second Hello', () => hello('node-a'), /^INVALID_ARGUMENT.*second hello/],
  ])('%s ends the stream and no other', async (_what, message, expected) => {
    const other = as('node-b').send(hello('node-b', OTHER_EPOCH));
    expect(await other.next()).toBe('welcome');
    const stream = as('node-a').send(hello('node-a'));
    expect(await stream.next()).toBe('welcome');
    expect(await stream.send(message()).end()).toMatch(expected);
    other.send(batch(1, { epoch: OTHER_EPOCH }));
    await expect.poll(() => batches.map(({ node }) => node)).toEqual(['node-b']);
  });

  test('a Hello of megabytes is refused', async () => {
    const nodeAddresses = Array.from({ length: 100_000 }, () => '10.0.0.1, 10.0.0.2');
    expect(
      await as('node-a')
        .send(helloBytes(helloInit({ nodeAddresses })))
        .end(),
    ).toMatch(/^RESOURCE_EXHAUSTED.*at most 1048576/);
  });

  test('a message that gRPC itself compressed is not unpacked further than a message may be large', async () => {
    const options = { 'grpc.default_compression_algorithm': compressionAlgorithms.gzip };
    const stream = connect(`Bearer ${issuer.token('node-a')}`, undefined, options).send(hello('node-a'));
    expect(await stream.next()).toBe('welcome');
    // 64 MiB of nothing: a sixteenth of a MiB on the wire.
    expect(await stream.send(Buffer.alloc(64 << 20)).end()).toMatch(
      /^RESOURCE_EXHAUSTED .*decompresses to a size larger/,
    );
    expect(batches).toEqual([]);
    expect(await as('node-b').send(hello('node-b', OTHER_EPOCH)).next()).toBe('welcome');
  });

  test('no Hello in ten seconds ends the stream', async () => {
    const slow = as('node-a');
    await expect.poll(() => server.connections).toMatchObject({ open: 1, unproven: 0 });
    time.advance(10_000);
    expect(await slow.end()).toMatch(/^DEADLINE_EXCEEDED slow: AGENT_SLOW: no Hello came in 10 s/);
  });

  test('a stream ends with what proves it; the agent comes back with a new token, and nothing is lost', async () => {
    const exp = Math.floor(Date.now() / 1000) + 120;
    const stream = as('node-a', { exp }).send(hello('node-a'), batch(1));
    expect(await stream.next()).toBe('welcome');
    await expect.poll(() => batches.length).toBe(1);
    time.advance(100_000);
    time.advance(21_000);
    expect(await stream.end()).toMatch(/^UNAUTHENTICATED expired: AGENT_UNKNOWN: what proves who you are has ended/);
    const exp2 = exp + 3600;
    const again = as('node-a', { exp: exp2 }).send(hello('node-a'), batch(2));
    expect(await again.next()).toBe('welcome');
    await expect.poll(() => batches.map(({ sequence }) => sequence)).toEqual([1, 2]);
  });

  test('of one node four streams are one too many: the oldest goes, and other nodes do not notice', async () => {
    const other = as('node-b').send(hello('node-b', OTHER_EPOCH));
    expect(await other.next()).toBe('welcome');
    const streams: Stream[] = [];
    for (let n = 0; n < 4; n++) {
      streams.push(as('node-a').send(hello('node-a', epochOf(n))));
      expect(await streams[n]!.next()).toBe('welcome');
    }
    expect(await streams[0]!.end()).toMatch(/^ABORTED -: the node has newer streams/);
    expect(refused()).toEqual({ busy: 1 });
    for (const [n, stream] of streams.entries()) if (n > 0) stream.send(batch(1, { epoch: epochOf(n) }));
    other.send(batch(1, { epoch: OTHER_EPOCH }));
    await expect.poll(() => batches.length).toBe(4);
  });

  test('a node that opens streams all the time is told to wait; others are not', async () => {
    const ends: string[] = [];
    time.hold();
    for (let n = 0; n < 31; n++) ends.push(await as('node-a').send(hello('node-a')).next());
    expect(ends.slice(0, 30)).toEqual(Array(30).fill('welcome'));
    expect(ends[30]).toMatch(/^RESOURCE_EXHAUSTED busy: AGENT_BUSY: node node-a opens more than one stream/);
    expect(await as('node-b').send(hello('node-b', OTHER_EPOCH)).next()).toBe('welcome');
    time.advance(2000);
    expect(await as('node-a').send(hello('node-a')).next()).toBe('welcome');
  });

  test('a node that begins epochs all the time fills no log', async () => {
    const ends: string[] = [];
    for (let n = 0; n < 51; n++) {
      time.advance(2000);
      ends.push(
        await as('node-a')
          .send(hello('node-a', epochOf(n)))
          .next(),
      );
    }
    expect(ends.filter((end) => end === 'welcome')).toHaveLength(50);
    expect(ends[50]).toMatch(/^RESOURCE_EXHAUSTED busy: AGENT_BUSY: node node-a begins more than one epoch/);
    time.advance(2000);
    expect(
      await as('node-a')
        .send(hello('node-a', epochOf(0)))
        .next(),
      'one that is known',
    ).toBe('welcome');
  });

  test('an address from which many were refused has to wait, but not who was accepted', async () => {
    const token = `Bearer ${issuer.token('node-a')}`;
    expect(await connect(token).send(hello('node-a')).next()).toBe('welcome');
    time.hold();
    for (let n = 0; n < 50; n++) expect(await connect('Bearer guess').end()).toMatch(/^UNAUTHENTICATED/);
    expect(await connect('Bearer guess').end()).toMatch(/^RESOURCE_EXHAUSTED too-many-attempts: AGENT_BUSY: /);
    expect(await as('node-b').send(hello('node-b', OTHER_EPOCH)).end()).toMatch(/too-many-attempts/);
    expect(await connect(token).send(hello('node-a')).next()).toBe('welcome');
    time.advance(1000);
    expect(await as('node-b').send(hello('node-b', OTHER_EPOCH)).next()).toBe('welcome');
    expect(refused()).toEqual({ malformed: expect.any(Number), 'too-many-attempts': 2 });
  });

  test('messages that bring nothing new end the stream in the end', async () => {
    known.set(EPOCH, { nodes: ['node-a'], committed: 1 });
    const stream = as('node-a').send(hello('node-a'));
    expect(await stream.next()).toBe('welcome');
    for (let n = 0; n < 500; n++) stream.send(batch(1), goodbyeBytes(1));
    stream.send(batch(1));
    expect(await stream.end()).toMatch(/^FAILED_PRECONDITION.*1001 messages of one stream brought nothing new/);
  });
});

describe('a window', () => {
  test('that an agent does not keep to is kept all the same, and nothing is lost', async () => {
    await serve(keyAgents(), { windowBytes: 1 });
    const stream = as('node-a').send(hello('node-a'));
    expect(await stream.next()).toBe('welcome');
    // Losses are small in memory and large on the wire.
    const losses = Array.from({ length: 900 }, () => ({ reason: `x${'y'.repeat(63)}`, bytes: 1n }));
    const sent = Array.from({ length: 12 }, (_, n) =>
      batch(n + 1, { losses, flowCount: 0, flows: { case: undefined } }),
    );
    const size = sent[0]!.length;
    stream.send(...sent);
    await expect.poll(() => server.counters.overWindow).toBe(1);
    const most = Math.floor((256 * 1024) / size) + 1;
    expect(batches.length).toBe(most);
    for (let n = 1; n <= 12; n++) {
      await expect.poll(() => batches.length).toBeGreaterThanOrEqual(n);
      expect(batches.length).toBeLessThanOrEqual(n - 1 + most);
      server.acknowledge(EPOCH, n);
    }
    expect(batches.map(({ sequence }) => sequence)).toEqual(sent.map((_, n) => n + 1));
  });
});

describe('with certificates', () => {
  beforeEach(() => serve(createCertificateAgents(time.now)));

  test('an agent delivers the flows of its node, and of no other', async () => {
    const pair = authority.issue({ commonName: 'system:node:node-a' });
    expect(await connect(undefined, pair).send(hello('node-a')).next()).toBe('welcome');
    expect(await connect(undefined, pair).send(hello('node-b', OTHER_EPOCH)).end()).toMatch(
      /^PERMISSION_DENIED other-node/,
    );
  });

  test('no certificate, one of another authority, one of a server: refused, whatever token comes with it', async () => {
    const token = `Bearer ${issuer.token('node-a')}`;
    const other = new TestAuthority(folder.path, 'another').issue({ commonName: 'system:node:node-a' });
    const ofServer = authority.issue({ commonName: 'aggregator', names: 'DNS:aggregator' });
    expect(await connect(token).send(hello('node-a')).end()).toMatch(/^UNAUTHENTICATED no-proof/);
    expect(await connect(token, other).send(hello('node-a')).end()).toMatch(/^UNAUTHENTICATED no-proof/);
    expect(await connect(token, ofServer).send(hello('node-a')).end()).toMatch(/^UNAUTHENTICATED malformed/);
  });

  test('a certificate of days ends its stream when it ends', async () => {
    const pair = authority.issue({ commonName: 'system:node:node-a', days: 1 });
    const stream = connect(undefined, pair).send(hello('node-a'));
    expect(await stream.next()).toBe('welcome');
    for (let minutes = 0; minutes < 24 * 60; minutes += 5) {
      time.advance(300_000);
      await new Promise((resolve) => setImmediate(resolve));
    }
    time.advance(300_000);
    expect(await stream.end()).toMatch(/^UNAUTHENTICATED/);
  });
});

describe('who it is, asked again every five minutes', () => {
  let answer: () => Promise<{ node: string; name: string; untilMs: number }>;
  beforeEach(() => {
    answer = async () => ({ node: 'node-a', name: 'agent', untilMs: Number.POSITIVE_INFINITY });
    return serve({ identify: () => answer(), stop: () => undefined });
  });

  async function standing(): Promise<Stream> {
    const stream = connect('Bearer x').send(hello('node-a'));
    expect(await stream.next()).toBe('welcome');
    return stream;
  }

  test('ends the stream of an account or pod that is gone', async () => {
    const stream = await standing();
    answer = async () => {
      throw new AgentRefusedError('not-authenticated', 'its pod is gone');
    };
    time.advance(300_000);
    expect(await stream.end()).toMatch(/^UNAUTHENTICATED not-authenticated: AGENT_UNKNOWN: its pod is gone/);
  });

  test('leaves it while nobody can say', async () => {
    const stream = await standing();
    let asked = 0;
    answer = async () => {
      asked++;
      throw new Error('the API is away');
    };
    for (let n = 1; n <= 3; n++) {
      time.advance(300_000);
      await expect.poll(() => asked).toBe(n);
      await new Promise((resolve) => setImmediate(resolve));
    }
    stream.send(batch(1));
    await expect.poll(() => batches.length).toBe(1);
  });
});

/** Zeros, well packed, with their size in front. */
function bomb(bytes: number): Uint8Array {
  return compress(Buffer.alloc(bytes));
}

/** A frame of 32 MiB that states 1000 bytes. */
function lyingBomb(): Uint8Array {
  const real = compress(Buffer.alloc(32 << 20));
  const small = compress(Buffer.alloc(1000));
  // Magic, descriptor and size of the small one, blocks of the real one: descriptor 0x60 has a size of two bytes and no window.
  const header = small.subarray(0, 7);
  expect(header[4]! & 0xe0).toBe(0x60);
  const realHeader = (real[4]! & 0x20) === 0 ? 6 + [0, 2, 4, 8][real[4]! >>> 6]! : 5 + [1, 2, 4, 8][real[4]! >>> 6]!;
  return Buffer.concat([header, real.subarray(realHeader)]);
}
