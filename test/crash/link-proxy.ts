// A proxy of the test's own between agents and aggregators, so that links can be cut, made half-open or slow: plain TCP, it
// knows nothing of what passes. Runs in the management namespace; each connection of an agent goes to the next aggregator
// that accepts, round and round. A link is all connections of one agent, told by its address.
//
// Arguments: port to listen on, then the aggregators' ports. Commands on standard input, one JSON a line (LinkCommand);
// one answer each on standard output (LinkAnswer), when the fault is over.
import { connect, createServer, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import type { LinkAnswer, LinkCommand, LinkFault } from './links.ts';

/** A fault waits this long for a connection to befall. */
const WAIT_FOR_CONNECTION_MS = 1500;
/** How often delayed chunks are looked at. */
const TICK_MS = 5;

/** One way of one connection. */
class Way {
  readonly #to: Socket;
  readonly #waiting: { readonly dueMs: number; readonly chunk: Buffer | undefined }[] = [];
  #timer: NodeJS.Timeout | undefined;
  /** What comes is thrown away, and its end as well. */
  swallows = false;
  delayMs = 0;
  /** Chunks that came late or never. */
  touched = 0;

  constructor(to: Socket) {
    this.#to = to;
  }

  /** Passes a chunk on, or the end (undefined). */
  pass(chunk: Buffer | undefined): void {
    if (this.swallows || this.delayMs > 0) this.touched++;
    if (this.swallows) return;
    const last = this.#waiting.at(-1);
    if (this.delayMs === 0 && last === undefined) this.#write(chunk);
    else {
      // Nothing overtakes what came before it.
      this.#waiting.push({ dueMs: Math.max(Date.now() + this.delayMs, last?.dueMs ?? 0), chunk });
      this.#timer ??= setInterval(() => this.#release(), TICK_MS);
    }
  }

  close(): void {
    clearInterval(this.#timer);
    this.#waiting.length = 0;
  }

  #release(): void {
    while (this.#waiting.length > 0 && this.#waiting[0]!.dueMs <= Date.now()) {
      const { chunk } = this.#waiting.shift()!;
      if (!this.swallows) this.#write(chunk);
    }
    if (this.#waiting.length > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #write(chunk: Buffer | undefined): void {
    if (!this.#to.writable) return;
    if (chunk === undefined) this.#to.end();
    else this.#to.write(chunk);
  }
}

/** A connection of an agent and the one to an aggregator that continues it. */
class Pair {
  readonly up: Way;
  readonly down: Way;
  readonly #agent: Socket;
  readonly #aggregator: Socket;
  readonly #onClose: () => unknown;

  constructor(agent: Socket, aggregator: Socket, onClose: () => unknown) {
    this.#agent = agent;
    this.#aggregator = aggregator;
    this.#onClose = onClose;
    this.up = this.#join(agent, aggregator);
    this.down = this.#join(aggregator, agent);
  }

  get isHalfOpen(): boolean {
    return this.up.swallows || this.down.swallows;
  }

  /** Ends both connections, orderly or by a reset. */
  cut(orderly: boolean): void {
    for (const socket of [this.#agent, this.#aggregator]) {
      if (orderly) socket.end();
      else socket.resetAndDestroy();
    }
    this.#forget();
  }

  #join(from: Socket, to: Socket): Way {
    const way = new Way(to);
    from.on('data', (chunk: Buffer) => way.pass(chunk));
    from.on('end', () => way.pass(undefined));
    from.on('error', () => undefined);
    from.on('close', (hadError) => {
      if (way.swallows) return; // the other side is not told
      if (hadError) this.cut(false);
      else if (to.destroyed) this.#forget();
    });
    return way;
  }

  #forget(): void {
    this.up.close();
    this.down.close();
    this.#onClose();
  }
}

const [listenPort, ...aggregatorPorts] = process.argv.slice(2).map(Number) as [number, ...number[]];
const pairs = new Map<string, Set<Pair>>();
/** The aggregator of a link's last connection, as an index. */
const lastOf = new Map<string, number>();
/** Delay of a link, for connections that are made while it lasts. */
const delays = new Map<string, number>();

const pairsOf = (link: string): Set<Pair> => pairs.get(link) ?? new Set();
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function reach(port: number): Promise<Socket | undefined> {
  return new Promise((resolve) => {
    const socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true, noDelay: true });
    socket.once('connect', () => resolve(socket));
    socket.once('error', () => resolve(undefined));
  });
}

async function serve(agent: Socket): Promise<void> {
  const link = (agent.remoteAddress ?? '').replace('::ffff:', '');
  agent.pause();
  agent.on('error', () => undefined);
  for (let tries = 0; tries < aggregatorPorts.length; tries++) {
    const next = ((lastOf.get(link) ?? -1) + 1) % aggregatorPorts.length;
    lastOf.set(link, next);
    const aggregator = await reach(aggregatorPorts[next]!);
    if (aggregator === undefined) continue;
    const pair = new Pair(agent, aggregator, () => pairsOf(link).delete(pair));
    pairs.set(link, pairsOf(link).add(pair));
    for (const way of [pair.up, pair.down]) way.delayMs = delays.get(link) ?? 0;
    if (agent.destroyed) pair.cut(false);
    agent.resume();
    return;
  }
  agent.resetAndDestroy();
}

/** Connections of a link that work, once there is one; none when none comes. */
async function soundPairs(link: string): Promise<Pair[]> {
  for (const untilMs = Date.now() + WAIT_FOR_CONNECTION_MS; ; await sleep(20)) {
    const sound = [...pairsOf(link)].filter((pair) => !pair.isHalfOpen);
    if (sound.length > 0 || Date.now() > untilMs) return sound;
  }
}

/** Carries out a fault; how many connections it befell. */
async function befall(link: string, fault: LinkFault): Promise<number> {
  const found = await soundPairs(link);
  switch (fault.kind) {
    case 'cut':
      for (const pair of found) pair.cut(fault.orderly);
      return found.length;
    case 'half-open': {
      for (const pair of found) {
        pair.up.swallows = fault.direction !== 'down';
        pair.down.swallows = fault.direction !== 'up';
      }
      await sleep(fault.forMs);
      const touched = found.filter(({ up, down }) => up.touched + down.touched > 0).length;
      for (const pair of found) pair.cut(false);
      return touched;
    }
    case 'delay': {
      const ways = found.flatMap(({ up, down }) => [up, down]);
      const before = ways.reduce((sum, { touched }) => sum + touched, 0);
      delays.set(link, fault.delayMs);
      for (const way of ways) way.delayMs = fault.delayMs;
      await sleep(fault.forMs);
      delays.delete(link);
      for (const { up, down } of pairsOf(link)) for (const way of [up, down]) way.delayMs = 0;
      return ways.reduce((sum, { touched }) => sum + touched, 0) > before ? found.length : 0;
    }
  }
}

const server = createServer({ allowHalfOpen: true, noDelay: true }, (agent) => void serve(agent));
server.listen(listenPort, () => process.stdout.write('{"ready":true}\n'));
createInterface({ input: process.stdin }).on('line', async (line) => {
  const { id, link, fault } = JSON.parse(line) as LinkCommand;
  const answer: LinkAnswer = { id, connections: await befall(link, fault) };
  process.stdout.write(`${JSON.stringify(answer)}\n`);
});
