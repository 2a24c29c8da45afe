// One round of the crash test: a laboratory with real traffic all the time, agents and several aggregators on one store, faults as
// planned from the seed, then rest; and what the table holds against what the independent counters say.
//
// On a directory there is ingest alone. On S3 requests get lost, aggregators are two, later five, and upkeep runs: in each of them
// and as `flowtoll maintain` beside them, by a clock that gains hours a second (fast-time.ts). Rows are thus real traffic of this
// minute under the hours and days of that clock. What is older, nine days, was written before the round (history.ts); and somebody
// commits nothing, often (empty-commits.ts).
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as delay } from 'node:timers/promises';
import { nodeOf } from '../lab/cluster.ts';
import { since, type Tally } from '../lab/counters.ts';
import { expectedFlows, lostOnTheWay } from '../lab/expected.ts';
import { expectedRows, type RowSums, rowDifferences } from '../lab/expected-rows.ts';
import { createLab, type Lab } from '../lab/lab.ts';
import { planTraffic } from '../lab/plan.ts';
import { createRandom, type Random } from '../lab/random.ts';
import { losses, tableRows } from '../lab/table-rows.ts';
import { managementAddress } from '../lab/wiring.ts';
import { until } from '../support/until.ts';
import { commitNothing } from './empty-commits.ts';
import { FastTime } from './fast-time.ts';
import { linkFault, type PlannedLife, type PlannedLinkFault, planFaults } from './fault-plan.ts';
import { type LinkFault, type Links, startLinks } from './links.ts';
import { LifeQueue, Lives, type ProcessFigures } from './lives.ts';
import { type Arming, type Life, Site } from './parts.ts';
import type { Action, Point } from './points.ts';
import { type RoundStore, S3_FOLDER, S3_PLACE, type StoreKind, startRoundStore } from './round-store.ts';
import { checkTables } from './table-checks.ts';
import { UpkeepDeaths } from './upkeep-deaths.ts';

const NODES = ['n1', 'n2', 'n3'];
const PROXY_PORT = 4460;
const AGGREGATOR_PORTS = [4461, 4462, 4463, 4464, 4465];
/** How many aggregators there are, from the beginning and when half of their lives are over. */
const REPLICAS: Readonly<Record<StoreKind, readonly [first: number, later: number]>> = {
  directory: [3, 3],
  s3: [2, 5],
};
/** Rounds of upkeep beside those of aggregators, one after the other: each is a process to start, so not without a pause. */
const UPKEEP_LANES = 1;
const UPKEEP_REST_MS = 500;
/** One that is not over by then is killed wherever it is. */
const UPKEEP_PATIENCE_MS = 90_000;
/** On S3 links are left alone for so many times longer. */
const CALM = 4;
/** Connections begin all the time, so many in each of these. */
const TRAFFIC_MS = 2000;
const TRAFFIC_CONNECTIONS = 30;
/** An agent that did not get everything away before it ended is started again, at most so often. */
const LAST_TRIES = 5;
const PATIENCE_MS = 90_000;
/** As pino writes it. */
const LEVEL_ERROR = 50;

export interface RoundOptions {
  readonly store: StoreKind;
  readonly seed: number;
  /** About how many. */
  readonly faults: number;
  /** Leave everything on disk when something is wrong. */
  readonly keep: boolean;
}

/** What happened in a round, and what came of it. */
export interface RoundResult extends ProcessFigures {
  readonly seed: number;
  /** As asked for. */
  readonly planned: number;
  readonly seconds: number;
  /** Faults of links that at least one connection felt. */
  readonly links: Map<LinkFault['kind'], number>;
  readonly lostRaces: number;
  /** Streams that an agent opened to another aggregator than the one before. */
  readonly moves: number;
  /** Requests to the store that went through the proxy, and what befell them. */
  readonly requests: number;
  readonly storeFaults: Map<string, number>;
  /** What upkeep did: versions, files and entries, by step. */
  readonly upkeep: Map<string, number>;
  /** By how much the aggregators' clock ran ahead in the end. */
  readonly days: number;
  /** Most lives of one agent, and of one aggregator. */
  readonly agentStartsMax: number;
  readonly aggregatorStartsMax: number;
  /** By the independent counters, both directions. */
  readonly bytes: number;
  /** Reduced keys compared, each with four sums. */
  readonly keys: number;
  readonly batches: number;
  readonly commits: number;
  /** Loss rows by reason. */
  readonly losses: Map<string, number>;
  /** Messages of level error in the logs. */
  readonly errors: Map<string, number>;
  /** Everything that is not as it should be; empty when each byte is in the table once. */
  readonly problems: readonly string[];
  /** Where everything lies, when it was kept. */
  readonly kept: string | undefined;
}

/** Runs a round. Rejects when a process ended by itself or the traffic failed. */
export async function runRound(options: RoundOptions): Promise<RoundResult> {
  const directory = await mkdtemp(join(tmpdir(), 'flowtoll-crash-'));
  let lab: Lab | undefined;
  let store: RoundStore | undefined;
  let sound = false;
  try {
    lab = await createLab({ timeouts: 'long', accounting: NODES });
    store = await startRoundStore(options.store, lab, directory, options.seed);
    const result = await new Round(lab, directory, store, options).run();
    sound = result.problems.length === 0;
    return { ...result, kept: sound || !options.keep ? undefined : directory };
  } catch (error) {
    if (options.keep) throw new Error(`everything lies in ${directory}`, { cause: error });
    throw error;
  } finally {
    await store?.stop();
    lab?.close();
    if (sound || !options.keep) await rm(directory, { recursive: true, force: true });
  }
}

/** What is read of a log line. */
interface LogLine {
  /** Name of the log. */
  readonly aggregator: string;
  /** By the clock that all of them have, ms. */
  readonly time: number;
  readonly msg?: string;
  readonly node?: string;
  readonly version?: number;
  readonly batches?: number;
  readonly step?: string;
  readonly what?: string;
  readonly count?: number;
}

/** Those that go on when all faults have happened. */
interface LastLives {
  readonly agents: readonly Life[];
  readonly aggregators: readonly Life[];
}

class Round {
  readonly #lab: Lab;
  readonly #directory: string;
  readonly #options: RoundOptions;
  readonly #random: Random;
  readonly #store: RoundStore;
  readonly #time: FastTime | undefined;
  readonly #site: Site;
  readonly #figures: ProcessFigures = {
    died: new Map(),
    kills: 0,
    stopped: new Map(),
    pauses: 0,
    orderlyEnds: 0,
    refusals: 0,
  };
  readonly #links = new Map<LinkFault['kind'], number>();
  readonly #agents: readonly Lives[];
  readonly #aggregators: readonly Lives[];
  readonly #upkeep: readonly Lives[];
  readonly #upkeepDeaths: UpkeepDeaths;

  constructor(lab: Lab, directory: string, store: RoundStore, options: RoundOptions) {
    this.#lab = lab;
    this.#directory = directory;
    this.#options = options;
    this.#random = createRandom(options.seed);
    this.#store = store;
    const isS3 = options.store === 's3';
    this.#time = isS3 ? new FastTime(join(directory, 'clock')) : undefined;
    this.#site = new Site(lab, directory, {
      place: store.place,
      ...(this.#time && { upkeepClock: this.#time.file }),
    });
    const figures = this.#figures;
    const noted = (pid: number, action: Action): Point | undefined =>
      this.#site.notes().find((note) => note.pid === pid && note.what === action)?.point;
    this.#agents = NODES.map(
      (node) => new Lives(node, { start: (arming) => this.#site.startAgent(node, PROXY_PORT, arming), noted, figures }),
    );
    const deaths = new UpkeepDeaths(createRandom(options.seed ^ 0xdead), figures.died);
    this.#upkeepDeaths = deaths;
    this.#aggregators = AGGREGATOR_PORTS.slice(0, REPLICAS[options.store][1]).map((port, i) => {
      const name = `aggregator-${i + 1}`;
      const start = (arming: Arming) => this.#site.startAggregator(name, port, arming);
      const onS3 = { mayEnd: { well: false, refused: true }, isSlow: true, besides: () => deaths.due() };
      return new Lives(name, { start, noted, figures, ...(isS3 && onS3) });
    });
    this.#upkeep = Array.from({ length: isS3 ? UPKEEP_LANES : 0 }, (_, i) => {
      const name = `upkeep-${i + 1}`;
      const start = (arming: Arming) => this.#site.startUpkeep(name, arming);
      const mayEnd = { well: true, refused: true };
      return new Lives(name, { start, noted, figures, mayEnd, patienceMs: UPKEEP_PATIENCE_MS });
    });
  }

  /** Aggregators from the beginning; the others come when half of the planned lives are over. */
  get #first(): readonly Lives[] {
    return this.#aggregators.slice(0, REPLICAS[this.#options.store][0]);
  }

  async run(): Promise<Omit<RoundResult, 'kept'>> {
    const startedMs = Date.now();
    const links = await startLinks(this.#lab, PROXY_PORT, AGGREGATOR_PORTS.slice(0, this.#aggregators.length));
    const before = await this.#lab.settledTallies();
    await this.#begin(before);
    const traffic = this.#traffic();
    await this.#store.trouble(true);
    const last = await this.#carryOut(links);
    const { requests, faults } = await this.#store.trouble(false);
    await traffic.end();
    const tallies = since(await this.#lab.settledTallies(), before);
    await this.#bringHome(last);
    await this.#lastUpkeep();
    const result = await this.#judge(tallies, startedMs);
    return { ...result, requests, storeFaults: new Map(Object.entries(faults)) };
  }

  /** Everything lives once and ends as it should, so that each agent has a baseline in its spool before the first byte. */
  async #begin(before: readonly Tally[]): Promise<void> {
    const aggregators = await this.#ready(this.#first);
    const agents = await this.#ready(this.#agents);
    for (const { name } of this.#agents)
      await until(`${name} has nothing in its spool`, () => this.#isEmpty(name), { patienceMs: PATIENCE_MS });
    const strays = since(await this.#lab.tallies(), before);
    if (strays.length > 0) throw new Error(`traffic before the baselines: ${JSON.stringify(strays)}`);
    await Promise.all(this.#agents.map((lives, i) => lives.end(agents[i]!)));
    await Promise.all(this.#first.map((lives, i) => lives.end(aggregators[i]!)));
  }

  async #ready(all: readonly Lives[]): Promise<Life[]> {
    const begun = all.map((lives) => lives.begin());
    await Promise.all(begun.map((life) => life.ready()));
    return begun;
  }

  /** Connections all the time, until `end`. */
  #traffic(): { end(): Promise<void> } {
    const random = createRandom(this.#options.seed ^ 0x5eed);
    const runs: Promise<void>[] = [];
    const over = new AbortController();
    const once = async (): Promise<void> => {
      const sizes = { count: TRAFFIC_CONNECTIONS, spreadMs: TRAFFIC_MS };
      const results = await this.#lab.run(planTraffic(this.#lab.cluster, random, sizes));
      const failed = results.filter(({ error }) => error !== undefined);
      if (failed.length > 0) throw new Error(`traffic failed: ${JSON.stringify(failed)}`);
    };
    const loop = async (): Promise<void> => {
      while (!over.signal.aborted) {
        const running = once();
        running.catch(() => undefined); // awaited below
        runs.push(running);
        await delay(TRAFFIC_MS, undefined, { signal: over.signal }).catch(() => undefined);
      }
    };
    const looping = loop();
    return {
      end: async () => {
        over.abort();
        await looping;
        await Promise.all(runs);
      },
    };
  }

  /** All faults; resolves with the lives that go on. */
  async #carryOut(links: Links): Promise<LastLives> {
    const plan = planFaults(this.#random, { faults: this.#options.faults, links: this.#agents.length });
    const live = (all: readonly Lives[], planned: readonly PlannedLife[]): Promise<Life[]> => {
      const queue = new LifeQueue(planned);
      const isFirst = (lives: Lives) => all !== this.#aggregators || this.#first.includes(lives);
      return Promise.all(
        all.map(async (lives) => {
          if (!isFirst(lives)) await queue.half();
          const isUpkeep = all === this.#aggregators && this.#upkeep.length > 0;
          return lives.live(isUpkeep ? this.#upkeepDeaths.withMore(queue) : queue);
        }),
      );
    };
    const over = new AbortController();
    const processes = Promise.all([live(this.#agents, plan.agents), live(this.#aggregators, plan.aggregators)]);
    const upkeep = this.#upkeepUntil(processes);
    const all = Promise.all([processes, upkeep]).finally(() => over.abort());
    const time = this.#time?.run(this.#random, over.signal);
    const troubles = this.#agents.map(({ name }, i) =>
      this.#trouble(links, name, plan.links[i]!, () => over.signal.aborted),
    );
    const { server } = this.#store;
    const busy = server && this.#time && commitNothing(server, S3_PLACE, this.#time.now, over.signal);
    const [[[agents, aggregators]]] = await Promise.all([all, time, busy, ...troubles]);
    return { agents, aggregators };
  }

  /** Rounds of upkeep that die, until `processes` are over. */
  async #upkeepUntil(processes: Promise<unknown>): Promise<void> {
    const deaths = this.#upkeepDeaths;
    const ending = processes.finally(() => deaths.end()).catch(() => undefined); // awaited by who gave it
    await Promise.all([ending, ...this.#upkeep.map((lane) => lane.liveOut(deaths.alone(), UPKEEP_REST_MS))]);
  }

  /** The next replica's turn: what somebody left half done is finished. */
  async #lastUpkeep(): Promise<void> {
    for (const lane of this.#upkeep.slice(0, 1)) {
      const { code, signal } = await lane.begin().ended;
      if (code !== 0) throw new Error(`upkeep in peace ended with ${signal ?? code}`);
    }
  }

  async #trouble(links: Links, node: string, plan: readonly PlannedLinkFault[], isOver: () => boolean): Promise<void> {
    const address = managementAddress(nodeOf(this.#lab.cluster, node));
    const planned = plan.values();
    for (let next = planned.next().value; next !== undefined || !isOver(); next = planned.next().value) {
      // Links go on to fail as long as processes die: agents that stayed where they are would leave the others idle.
      const { afterMs, fault } = next ?? linkFault(this.#random);
      // Where aggregators begin slowly, an agent that is cut off all the time would wait ever longer with its next try.
      await delay(this.#options.store === 's3' ? CALM * afterMs : afterMs);
      if ((await links.befall(address, fault)) > 0) this.#links.set(fault.kind, (this.#links.get(fault.kind) ?? 0) + 1);
    }
  }

  /** No more faults: what waits in the spools gets into the table, and all end as they should. */
  async #bringHome({ agents, aggregators }: LastLives): Promise<void> {
    await Promise.all(aggregators.map((life) => life.ready()));
    await Promise.all(
      this.#agents.map(async (lives, i) => {
        let life = agents[i]!;
        for (let tries = 1; ; tries++) {
          await life.ready();
          await lives.end(life);
          if (this.#isEmpty(lives.name)) return;
          if (tries === LAST_TRIES) throw new Error(`${lives.name} does not get its spool empty`);
          life = lives.begin();
        }
      }),
    );
    await Promise.all(this.#aggregators.map((lives, i) => lives.end(aggregators[i]!)));
  }

  async #judge(
    tallies: readonly Tally[],
    startedMs: number,
  ): Promise<Omit<RoundResult, 'kept' | 'requests' | 'storeFaults'>> {
    const { cluster } = this.#lab;
    const problems: string[] = [];
    for (const lost of lostOnTheWay(tallies)) problems.push(`no exact comparison is possible: ${lost}`);
    const expected = expectedRows(cluster, expectedFlows(cluster, tallies));
    const { reading, server, history } = this.#store;
    problems.push(...rowDifferences(new Map([...expected, ...history]), await tableRows(reading)));
    if (server !== undefined) {
      problems.push(...(await checkTables({ server, folder: S3_FOLDER, reading })));
    }
    const byReason = new Map<string, number>();
    for (const loss of (await losses(reading)) as { loss_reason: string; bytes: number | null }[]) {
      byReason.set(loss.loss_reason, (byReason.get(loss.loss_reason) ?? 0) + 1);
      // No entry ends, so nothing can be missing; there is only the word that nobody listened for a while.
      if (loss.loss_reason !== 'agent-away' || loss.bytes !== null) problems.push(`lost: ${JSON.stringify(loss)}`);
    }
    const most = (all: readonly Lives[]): number => Math.max(...all.map(({ starts }) => starts));
    return {
      ...this.#figures,
      seed: this.#options.seed,
      planned: this.#options.faults,
      seconds: (Date.now() - startedMs) / 1000,
      links: this.#links,
      lostRaces: this.#site.notes().filter(({ what }) => what === 'lost-race').length,
      agentStartsMax: most(this.#agents),
      aggregatorStartsMax: most(this.#aggregators),
      bytes: [...expected.values()].reduce((sum, row: RowSums) => sum + row.txBytes + row.rxBytes, 0),
      keys: expected.size,
      ...commitsIn(this.#logs()),
      moves: movesIn(this.#logs()),
      upkeep: upkeepIn(this.#logs()),
      days: this.#time?.aheadDays ?? 0,
      losses: byReason,
      errors: this.#errors(),
      problems,
    };
  }

  #errors(): Map<string, number> {
    const errors = new Map<string, number>();
    for (const line of [...this.#agents, ...this.#aggregators, ...this.#upkeep].flatMap(
      ({ complaints }) => complaints,
    )) {
      const { level, msg } = JSON.parse(line) as { level: number; msg: string };
      if (level >= LEVEL_ERROR) errors.set(msg, (errors.get(msg) ?? 0) + 1);
    }
    return errors;
  }

  /** Everything that aggregators logged. */
  #logs(): LogLine[] {
    const folder = join(this.#directory, 'logs');
    return readdirSync(folder)
      .filter((name) => name.startsWith('aggregator'))
      .flatMap((aggregator) =>
        readFileSync(join(folder, aggregator), 'utf8')
          .split('\n')
          .filter((line) => line.startsWith('{') && line.endsWith('}'))
          .map((line) => ({ ...(JSON.parse(line) as Omit<LogLine, 'aggregator'>), aggregator })),
      );
  }

  /** Whether everything that an agent made is acknowledged; false before it has made anything. */
  #isEmpty(agent: string): boolean {
    const spool = join(this.#site.agentDirectory(agent), 'spool');
    if (!existsSync(spool)) return false;
    const epochs = readdirSync(spool, { withFileTypes: true }).filter((entry) => entry.isDirectory());
    const files = epochs.flatMap(({ name }) => readdirSync(join(spool, name)));
    return files.includes('last') && !files.some((name) => name.endsWith('.batch'));
  }
}

/** How many commits aggregators logged, and how many batches were in them: a few died before they could. */
function commitsIn(logs: readonly LogLine[]): { commits: number; batches: number } {
  const commits = logs.filter(({ msg, version }) => msg === 'committed' && version !== undefined);
  return { commits: commits.length, batches: commits.reduce((sum, { batches = 0 }) => sum + batches, 0) };
}

/** How often a node's agent connected to another aggregator than before. */
function movesIn(logs: readonly LogLine[]): number {
  const last = new Map<string, string>();
  let moves = 0;
  for (const { msg, node, aggregator } of logs.toSorted((a, b) => a.time - b.time)) {
    if (msg !== 'agent connected' || node === undefined) continue;
    if ((last.get(node) ?? aggregator) !== aggregator) moves++;
    last.set(node, aggregator);
  }
  return moves;
}

/** What upkeep did, by what aggregators logged. */
function upkeepIn(logs: readonly LogLine[]): Map<string, number> {
  const done = new Map<string, number>();
  for (const { msg, step, what, count = 0 } of logs) {
    if (msg === 'upkeep') done.set(`${step}: ${what}`, (done.get(`${step}: ${what}`) ?? 0) + count);
  }
  return done;
}
