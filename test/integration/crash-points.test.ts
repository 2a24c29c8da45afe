// The crash points themselves: real agents and aggregators die where the name of the point says, judged by what lies on
// disk afterwards.
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { type Life, Site } from '../crash/parts.ts';
import {
  AGENT_POINTS,
  AGGREGATOR_POINTS,
  type AgentPoint,
  type AggregatorPoint,
  type Note,
  type Point,
} from '../crash/points.ts';
import { createLab, type Lab } from '../lab/lab.ts';
import { planTraffic } from '../lab/plan.ts';
import { storeOf } from '../lab/product.ts';
import { createRandom } from '../lab/random.ts';

const AGENT = 'agent';
const NODE = 'n1';

/** What lies on disk after a death. */
interface Traces {
  readonly note: Note | undefined;
  /** Names in the folder of the epoch. */
  readonly spool: string[];
  /** Names in the folder of the baseline. */
  readonly state: string[];
  readonly dataFiles: number;
  /** Entries of the table's log after the one that made it, as text. */
  readonly commits: string[];
  /** Files in the store's scratch folder. */
  readonly scratch: number;
  /** "EPOCH" of the agent, for a look into the log. */
  readonly epoch: string;
}

const batches = ({ spool }: Traces) => spool.filter((name) => name.endsWith('.batch')).length;
const numbers = ({ state }: Traces, kind: 'baseline' | 'events') =>
  state.filter((name) => name.startsWith(`${kind}.`)).map((name) => Number(name.split('.')[1]));
const recorded = ({ commits, epoch }: Traces) => commits.some((entry) => entry.includes(`"appId":"${epoch}"`));

interface Case {
  readonly hit: number;
  readonly check: (traces: Traces) => void;
}

const CASES: Record<AgentPoint | AggregatorPoint, Case> = {
  'journal-opened': {
    hit: 2, // the first is opened before anything is known
    check: (traces) => {
      expect(numbers(traces, 'events').at(-1)).toBe(numbers(traces, 'baseline').at(-1));
      expect(batches(traces)).toBe(0);
    },
  },
  'baseline-written': {
    hit: 1,
    check: (traces) => {
      const [baseline] = numbers(traces, 'baseline');
      expect(baseline).toBeGreaterThan(0);
      expect(numbers(traces, 'events')).not.toContain(baseline);
      expect(batches(traces)).toBe(0);
    },
  },
  'dump-running': {
    hit: 1,
    check: (traces) => {
      expect(numbers(traces, 'events')).toEqual([1]);
      expect(numbers(traces, 'baseline')).toEqual([]);
    },
  },
  'spool-written': {
    hit: 1,
    check: (traces) => {
      expect(batches(traces)).toBe(1);
      expect(traces.spool).not.toContain('last');
      expect([traces.dataFiles, recorded(traces)]).toEqual([0, false]);
    },
  },
  'batch-sending': {
    hit: 1,
    check: (traces) => {
      expect(batches(traces)).toBeGreaterThan(0);
      expect([traces.dataFiles, recorded(traces)]).toEqual([0, false]);
    },
  },
  'acknowledgement-read': {
    hit: 1,
    check: (traces) => {
      expect(batches(traces)).toBeGreaterThan(0);
      expect(traces.spool).not.toContain('last');
      expect(recorded(traces)).toBe(true);
    },
  },
  'agent-draining': {
    hit: 1,
    check: ({ note }) => expect(AGENT_POINTS).toContain(note?.at),
  },
  'parquet-written': {
    hit: 1,
    check: (traces) => {
      expect(traces.dataFiles).toBe(1);
      expect(traces.commits.filter((entry) => entry.includes('"add"'))).toEqual([]);
      expect(batches(traces)).toBeGreaterThan(0);
    },
  },
  'log-entry-written': {
    hit: 2, // the first makes the table
    check: (traces) => {
      expect(recorded(traces)).toBe(true);
      expect(traces.scratch).toBe(1); // the commit is not over
      expect(batches(traces)).toBeGreaterThan(0);
      expect(traces.spool).not.toContain('last');
    },
  },
  acknowledging: {
    hit: 1,
    check: (traces) => {
      expect(recorded(traces)).toBe(true);
      expect(traces.scratch).toBe(0);
      expect(batches(traces)).toBeGreaterThan(0);
      expect(traces.spool).not.toContain('last');
    },
  },
  'aggregator-draining': {
    hit: 1,
    check: ({ note }) => expect(AGGREGATOR_POINTS).toContain(note?.at),
  },
};

describe('a process dies where the point says', () => {
  let lab: Lab;
  let root: string;

  beforeAll(async () => {
    root = await mkdtemp(join(tmpdir(), 'flowtoll-points-'));
    lab = await createLab({ timeouts: 'long', accounting: [NODE] });
    await traffic(); // something for the dumps to show
  });
  afterAll(async () => {
    lab?.close();
    await rm(root, { recursive: true, force: true });
  });

  const traffic = () =>
    lab.run(planTraffic(lab.cluster, createRandom(1), { count: 30, spreadMs: 0, paths: ['same-node'] }));
  const isAgents = (point: Point): boolean => (AGENT_POINTS as readonly Point[]).includes(point);

  test.each(Object.entries(CASES) as [Point, Case][])('%s', async (point, { hit, check }) => {
    const directory = join(root, point);
    await mkdir(directory);
    const site = new Site(lab, directory);
    const port = 4461;
    const arming = { die: [{ point, hit }] };
    const aggregator = site.startAggregator('aggregator', port, isAgents(point) ? {} : arming);
    const lives: Life[] = [aggregator];
    let running: Promise<unknown> | undefined;
    try {
      await aggregator.ready();
      const agent = site.startAgent(NODE, port, isAgents(point) ? arming : {}, AGENT);
      lives.push(agent);
      // What was there before is a baseline, and no row.
      if (point === 'parquet-written') {
        await agent.ready();
        running = traffic();
      }
      const victim = isAgents(point) ? agent : aggregator;
      if (point.endsWith('-draining')) {
        await victim.busy();
        victim.signal('SIGTERM');
      }
      expect(await victim.ended).toEqual({ code: null, signal: 'SIGKILL' });
      const traces = tracesOf(site, victim.pid);
      expect(traces.note).toMatchObject({ what: 'die', point });
      check(traces);
    } finally {
      for (const life of lives) life.signal('SIGKILL');
      await Promise.all([...lives.map(({ ended }) => ended), running]);
    }
  });
});

function tracesOf(site: Site, pid: number): Traces {
  const own = site.agentDirectory(AGENT);
  const isFolder = (name: string) => name.includes('-');
  const spoolFolder = list(join(own, 'spool')).find((name) => isFolder(name) && name !== 'spool-id') ?? '';
  const stateFolder = list(join(own, 'state')).find(isFolder) ?? '';
  const table = join(storeOf(site.directory), 'lab', 'flows');
  const logFolder = join(table, '_delta_log');
  const dates = list(table).filter((name) => name.startsWith('date='));
  return {
    note: site.notes().find((note) => note.pid === pid),
    spool: list(join(own, 'spool', spoolFolder)),
    state: list(join(own, 'state', stateFolder)),
    dataFiles: dates.flatMap((date) => list(join(table, date))).length,
    commits: list(logFolder)
      .filter((name) => !/^0+\.json$/.test(name))
      .map((name) => readFileSync(join(logFolder, name), 'utf8')),
    scratch: list(join(storeOf(site.directory), '.flowtoll-scratch')).length,
    epoch: spoolFolder,
  };
}

const list = (folder: string): string[] => (existsSync(folder) ? readdirSync(folder).sort() : []);
