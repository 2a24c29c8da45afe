// One round of the crash test: a laboratory with real traffic all the time, agents and several aggregators on one directory
// store, faults as planned from the seed, then rest; and what the table holds against what the independent counters say.
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
import { storeOf } from '../lab/product.ts';
import { createRandom, type Random } from '../lab/random.ts';
import { losses, tableRows } from '../lab/table-rows.ts';
import { managementAddress } from '../lab/wiring.ts';
import { until } from '../support/until.ts';
import { linkFault, type PlannedLife, type PlannedLinkFault, planFaults } from './fault-plan.ts';
import { type LinkFault, type Links, startLinks } from './links.ts';
import { LifeQueue, Lives, type ProcessFigures } from './lives.ts';
import { type Life, Site } from './parts.ts';
import type { Action, Point } from './points.ts';

const NODES = ['n1', 'n2', 'n3'];
const PROXY_PORT = 4460;
const AGGREGATOR_PORTS = [4461, 4462, 4463];
/** Connections begin all the time, so many in each of these. */
const TRAFFIC_MS = 2000;
const TRAFFIC_CONNECTIONS = 30;
/** An agent that did not get everything away before it ended is started again, at most so often. */
const LAST_TRIES = 5;
const PATIENCE_MS = 30_000;
/** As pino writes it. */
const LEVEL_ERROR = 50;

export interface RoundOptions {
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
  let sound = false;
  try {
    lab = await createLab({ timeouts: 'long', accounting: NODES });
    const result = await new Round(lab, directory, options).run();
    sound = result.problems.length === 0;
    return { ...result, kept: sound || !options.keep ? undefined : directory };
  } catch (error) {
    if (options.keep) throw new Error(`everything lies in ${directory}`, { cause: error });
    throw error;
  } finally {
    lab?.close();
    if (sound || !options.keep) await rm(directory, { recursive: true, force: true });
  }
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
  readonly #site: Site;
  readonly #figures: ProcessFigures = {
    died: new Map(),
    kills: 0,
    stopped: new Map(),
    pauses: 0,
    orderlyEnds: 0,
  };
  readonly #links = new Map<LinkFault['kind'], number>();
  readonly #agents: readonly Lives[];
  readonly #aggregators: readonly Lives[];

  constructor(lab: Lab, directory: string, options: RoundOptions) {
    this.#lab = lab;
    this.#directory = directory;
    this.#options = options;
    this.#random = createRandom(options.seed);
    this.#site = new Site(lab, directory);
    const figures = this.#figures;
    const noted = (pid: number, action: Action): Point | undefined =>
      this.#site.notes().find((note) => note.pid === pid && note.what === action)?.point;
    this.#agents = NODES.map(
      (node) => new Lives(node, { start: (arming) => this.#site.startAgent(node, PROXY_PORT, arming), noted, figures }),
    );
    this.#aggregators = AGGREGATOR_PORTS.map((port, i) => {
      const name = `aggregator-${i + 1}`;
      return new Lives(name, { start: (arming) => this.#site.startAggregator(name, port, arming), noted, figures });
    });
  }

  async run(): Promise<Omit<RoundResult, 'kept'>> {
    const startedMs = Date.now();
    const links = await startLinks(this.#lab, PROXY_PORT, AGGREGATOR_PORTS);
    const before = await this.#lab.settledTallies();
    await this.#begin(before);
    const traffic = this.#traffic();
    const last = await this.#carryOut(links);
    await traffic.end();
    const tallies = since(await this.#lab.settledTallies(), before);
    await this.#bringHome(last);
    return this.#judge(tallies, startedMs);
  }

  /** Everything lives once and ends as it should, so that each agent has a baseline in its spool before the first byte. */
  async #begin(before: readonly Tally[]): Promise<void> {
    const aggregators = await this.#ready(this.#aggregators);
    const agents = await this.#ready(this.#agents);
    for (const { name } of this.#agents)
      await until(`${name} has nothing in its spool`, () => this.#isEmpty(name), { patienceMs: PATIENCE_MS });
    const strays = since(await this.#lab.tallies(), before);
    if (strays.length > 0) throw new Error(`traffic before the baselines: ${JSON.stringify(strays)}`);
    await Promise.all(this.#agents.map((lives, i) => lives.end(agents[i]!)));
    await Promise.all(this.#aggregators.map((lives, i) => lives.end(aggregators[i]!)));
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
      return Promise.all(all.map((lives) => lives.live(queue)));
    };
    let isOver = false;
    const processes = Promise.all([live(this.#agents, plan.agents), live(this.#aggregators, plan.aggregators)]).finally(
      () => {
        isOver = true;
      },
    );
    const troubles = this.#agents.map(({ name }, i) => this.#trouble(links, name, plan.links[i]!, () => isOver));
    const [[agents, aggregators]] = await Promise.all([processes, ...troubles]);
    return { agents, aggregators };
  }

  async #trouble(links: Links, node: string, plan: readonly PlannedLinkFault[], isOver: () => boolean): Promise<void> {
    const address = managementAddress(nodeOf(this.#lab.cluster, node));
    const planned = plan.values();
    for (let next = planned.next().value; next !== undefined || !isOver(); next = planned.next().value) {
      // Links go on to fail as long as processes die: agents that stayed where they are would leave the others idle.
      const { afterMs, fault } = next ?? linkFault(this.#random);
      await delay(afterMs);
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

  async #judge(tallies: readonly Tally[], startedMs: number): Promise<Omit<RoundResult, 'kept'>> {
    const { cluster } = this.#lab;
    const problems: string[] = [];
    for (const lost of lostOnTheWay(tallies)) problems.push(`no exact comparison is possible: ${lost}`);
    const expected = expectedRows(cluster, expectedFlows(cluster, tallies));
    problems.push(...rowDifferences(expected, await tableRows(this.#directory)));
    const byReason = new Map<string, number>();
    for (const loss of (await losses(this.#directory)) as { loss_reason: string; bytes: number | null }[]) {
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
      ...commitsOf(join(storeOf(this.#directory), 'lab', 'flows', '_delta_log')),
      losses: byReason,
      errors: this.#errors(),
      problems,
    };
  }

  #errors(): Map<string, number> {
    const errors = new Map<string, number>();
    for (const line of [...this.#agents, ...this.#aggregators].flatMap(({ complaints }) => complaints)) {
      const { level, msg } = JSON.parse(line) as { level: number; msg: string };
      if (level >= LEVEL_ERROR) errors.set(msg, (errors.get(msg) ?? 0) + 1);
    }
    return errors;
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

/** How many commits the log has, and how many batches they brought: the last number of each epoch. */
function commitsOf(log: string): { commits: number; batches: number } {
  const entries = readdirSync(log).filter((name) => name.endsWith('.json'));
  const last = new Map<string, number>();
  for (const line of entries.flatMap((name) => readFileSync(join(log, name), 'utf8').split('\n').filter(Boolean))) {
    const { txn } = JSON.parse(line) as { txn?: { appId: string; version: number } };
    if (txn === undefined || !/^[0-9a-f-]{36}\.[0-9a-f-]{36}$/.test(txn.appId)) continue;
    last.set(txn.appId, Math.max(last.get(txn.appId) ?? 0, txn.version));
  }
  return { commits: entries.length, batches: [...last.values()].reduce((sum, version) => sum + version, 0) };
}
