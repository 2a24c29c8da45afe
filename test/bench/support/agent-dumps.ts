// The dump half of the agent benchmark: the agent's reading and accounting against a C program that only drains the
// same dump. Both take turns on the same table, so that the noise of the machine falls on both.
import { ConntrackNamespace } from './conntrack-namespace.ts';
import type { LineProcess } from './line-process.ts';
import { nativeProgram } from './native.ts';
import { processMemory } from './process-memory.ts';
import { median, medianRatio, range } from './statistics.ts';
import { raiseTableLimit } from './table-limit.ts';

/** Answer of ctfloor and of the agent's reader to `dump`. */
interface DumpAnswer {
  readonly entries: number;
  readonly cpuNs: number;
  readonly userNs: number;
}

/** Answer of the agent's reader to `take`: sums over the flows of a window. */
interface TakeAnswer {
  readonly flows: number;
  readonly bytes: number;
  readonly packets: number;
  readonly lostEntries: number;
  readonly cpuNs: number;
}

/** Answer of flowgen. */
interface TrafficAnswer {
  readonly bytes: number;
  readonly packets: number;
}

/** CPU of the two programs on one kind of table, medians over the rounds. */
export interface DumpFigures {
  readonly floorNsPerEntry: number;
  readonly agentNsPerEntry: number;
  readonly agentUserNsPerEntry: number;
  readonly ratio: number;
  readonly ratioRange: readonly [number, number];
}

/** Everything measured at one size of the table. */
export interface DumpResult {
  readonly entries: number;
  readonly ipv6: boolean;
  readonly unchanged: DumpFigures;
  readonly changed: DumpFigures;
  /** CPU to close a window of `windowFlows` flows, once a minute where a dump is made every 5 s. */
  readonly windowNs: number;
  readonly windowFlows: number;
  readonly residentBytes: number;
  readonly peakBytes: number;
  /** Bytes that the generator sent while the agent watched minus bytes in its flows: must be 0. */
  readonly bytesMissing: number;
}

export interface DumpOptions {
  readonly entries: number;
  readonly rounds: number;
  readonly ipv6: boolean;
  /** The agent's reader as plain JavaScript, and the flags of Node for it. */
  readonly readerFile: string;
  readonly nodeFlags: readonly string[];
  progress(text: string): void;
}

/** Dumps of a small table are repeated within a round until this many entries were read: CPU below 50 ms is noise. */
const ENTRIES_PER_SAMPLE = 50_000;
/** Entries that the agent's reader has read before anything counts: a node's agent runs for weeks, not cold. */
const WARM_UP_ENTRIES = 300_000;

interface Bench {
  readonly traffic: LineProcess;
  readonly floor: LineProcess;
  readonly agent: LineProcess;
}

/** Measures one size of the table in a namespace of its own. */
export async function measureDumps(options: DumpOptions): Promise<DumpResult> {
  const { entries, rounds, ipv6, progress } = options;
  await using _limit = await raiseTableLimit(Math.ceil(entries * 1.2));
  await using namespace = await ConntrackNamespace.create();
  await using traffic = namespace.start([nativeProgram('flowgen'), ipv6 ? '6' : '4']);
  await using floor = namespace.start([nativeProgram('ctfloor')]);
  await using agent = namespace.start([process.execPath, ...options.nodeFlags, options.readerFile]);
  const bench = { traffic, floor, agent };

  progress(`making ${entries} entries`);
  await traffic.ask(`make ${entries}`);
  await warmUp(bench, entries);
  const before = await agent.ask<TakeAnswer>('take');
  if (before.bytes !== 0) throw new Error(`entries older than the first dump were billed: ${before.bytes} bytes`);

  const repeats = Math.max(1, Math.ceil(ENTRIES_PER_SAMPLE / entries));
  progress(`${entries} entries, unchanged`);
  const unchanged = await rounded(bench, rounds, repeats, entries, async () => {});

  progress(`${entries} entries, all changed`);
  let sentBytes = 0;
  let billedBytes = 0;
  const windows: TakeAnswer[] = [];
  const changed = await rounded(
    bench,
    rounds,
    repeats,
    entries,
    async () => {
      sentBytes += (await traffic.ask<TrafficAnswer>('touch')).bytes;
    },
    async () => {
      const window = await agent.ask<TakeAnswer>('take');
      billedBytes += window.bytes;
      windows.push(window);
    },
  );
  return {
    entries,
    ipv6,
    unchanged,
    changed,
    windowNs: median(windows.map((window) => window.cpuNs)),
    windowFlows: windows.at(-1)?.flows ?? 0,
    ...processMemory(agent.pid),
    bytesMissing: sentBytes - billedBytes,
  };
}

/** Reads the table until the agent's code is compiled. */
async function warmUp({ floor, agent }: Bench, entries: number): Promise<void> {
  await agent.ask('dump');
  await floor.ask('dump');
  for (let read = 0; read < WARM_UP_ENTRIES; read += entries) await agent.ask('dump');
}

/** `rounds` samples of `repeats` pairs of dumps; the program that goes first alternates. */
async function rounded(
  { floor, agent }: Bench,
  rounds: number,
  repeats: number,
  entries: number,
  prepare: () => Promise<void>,
  finish: () => Promise<void> = async () => {},
): Promise<DumpFigures> {
  const floorCpu: number[] = [];
  const agentCpu: number[] = [];
  const agentUser: number[] = [];
  for (let round = 0; round < rounds; round++) {
    const sums = { floor: 0, agent: 0, agentUser: 0 };
    for (let repeat = 0; repeat < repeats; repeat++) {
      await prepare();
      const order = (round + repeat) % 2 === 0 ? [floor, agent] : [agent, floor];
      for (const program of order) {
        const answer = await program.ask<DumpAnswer>('dump');
        if (answer.entries !== entries) throw new Error(`a dump had ${answer.entries} entries instead of ${entries}`);
        if (program === floor) sums.floor += answer.cpuNs;
        else {
          sums.agent += answer.cpuNs;
          sums.agentUser += answer.userNs;
        }
      }
    }
    await finish();
    const read = repeats * entries;
    floorCpu.push(sums.floor / read);
    agentCpu.push(sums.agent / read);
    agentUser.push(sums.agentUser / read);
  }
  const ratios = agentCpu.map((value, i) => value / floorCpu[i]!);
  return {
    floorNsPerEntry: median(floorCpu),
    agentNsPerEntry: median(agentCpu),
    agentUserNsPerEntry: median(agentUser),
    ratio: medianRatio(agentCpu, floorCpu),
    ratioRange: range(ratios),
  };
}
