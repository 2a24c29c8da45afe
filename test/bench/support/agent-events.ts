// The event half of the agent benchmark: connections are made and destroyed on one core as fast as it can, the agent's
// loop listens on the other. What the generator destroyed must equal what was accounted and what was reported lost. A C
// program that reads the same events, as the agent does each 20 ms, before and after, is the floor.
import { ConntrackNamespace } from './conntrack-namespace.ts';
import { nativeProgram } from './native.ts';
import { eventDrops } from './process-memory.ts';

const READER_CORE = 0;
const GENERATOR_CORE = 1;
/** Events that the agent has read before anything counts: compiled code, grown tables. */
const WARM_UP_MS = 3000;

export interface EventOptions {
  readonly reliable: boolean;
  readonly seconds: number;
  /** Seconds of the C reader, before and after. */
  readonly floorSeconds: number;
  /** As asked for; the kernel doubles it. */
  readonly bufferBytes: number;
  readonly readerFile: string;
  readonly nodeFlags: readonly string[];
  progress(text: string): void;
}

/** One run. */
export interface EventResult {
  readonly reliable: boolean;
  readonly bufferBytes: number;
  readonly seconds: number;
  /** Entries destroyed while the agent listened, warm-up included. */
  readonly destroyed: number;
  readonly destroyedPerSecond: number;
  /** Connections in the agent's flows. */
  readonly accounted: number;
  /** Entries in its loss rows, by reason. */
  readonly lost: Readonly<Record<string, number>>;
  /** Events that the kernel says it dropped: in lossy mode the loss rows must say the same. In reliable mode it retries. */
  readonly kernelDrops: number;
  /**
   * Entries that are neither accounted nor lost; below 0: counted twice. Where events are dropped an entry that a dump had
   * shown before is in both, so there only a number above 0 is wrong.
   */
  readonly unexplained: number;
  /** Bytes of what was destroyed minus bytes in the flows: 0 where nothing is lost. */
  readonly bytesMissing: number;
  readonly agentNsPerEvent: number;
  readonly floorNsPerEvent: number;
  readonly ratio: number;
  readonly residentBytes: number;
  readonly peakBytes: number;
  /** Warnings and errors that the agent logged, the first of each. */
  readonly logged: readonly string[];
}

interface GeneratorAnswer {
  readonly destroyed: number;
  readonly remaining: number;
  readonly bytes: number;
  readonly wallNs: number;
}

interface FloorAnswer {
  readonly events: number;
  readonly cpuNs: number;
}

interface AgentAnswer {
  readonly connections: number;
  readonly bytes: number;
  readonly lost: Readonly<Record<string, number>>;
  readonly cpuNs: number;
  readonly counts: { readonly messages: number };
  readonly logged: readonly string[];
  readonly residentBytes: number;
  readonly peakBytes: number;
}

/** Runs the generator against the agent, in a namespace of its own. */
export async function measureEvents(options: EventOptions): Promise<EventResult> {
  const { reliable, seconds, bufferBytes, progress } = options;
  const mode = reliable ? 'reliable' : 'lossy';
  await using namespace = await ConntrackNamespace.create();
  await using generator = namespace.start([nativeProgram('evgen')], GENERATOR_CORE);
  const generate = (ms: number) => generator.ask<GeneratorAnswer>(`run ${ms}`);

  const floor = async (): Promise<FloorAnswer> => {
    await using reader = namespace.start([nativeProgram('evdrain'), String(bufferBytes), mode, 'poll'], READER_CORE);
    await reader.next();
    await generate(options.floorSeconds * 1000);
    return await reader.ask<FloorAnswer>('stat');
  };

  progress(`events, ${mode}: C reader`);
  const before = await floor();

  progress(`events, ${mode}: agent, ${seconds} s`);
  const command = [process.execPath, ...options.nodeFlags, options.readerFile, mode, String(bufferBytes)];
  await using agent = namespace.start(command, READER_CORE);
  await agent.ask('listen');
  const warmUp = await generate(WARM_UP_MS);
  const start = await agent.ask<AgentAnswer>('sums');
  const run = await generate(seconds * 1000);
  const finish = await agent.ask<AgentAnswer>('sums');
  const kernelDrops = eventDrops(agent.pid);
  const total = await agent.ask<AgentAnswer>('stop');

  progress(`events, ${mode}: C reader`);
  const after = await floor();

  const destroyed = warmUp.destroyed + run.destroyed;
  const reportedLost = Object.values(total.lost).reduce((sum, entries) => sum + entries, 0);
  const agentNsPerEvent = (finish.cpuNs - start.cpuNs) / (finish.counts.messages - start.counts.messages);
  const floorNsPerEvent = (before.cpuNs + after.cpuNs) / (before.events + after.events);
  return {
    reliable,
    bufferBytes,
    seconds,
    destroyed,
    destroyedPerSecond: run.destroyed / (run.wallNs / 1e9),
    accounted: total.connections,
    lost: total.lost,
    kernelDrops,
    unexplained: destroyed - total.connections - reportedLost,
    bytesMissing: warmUp.bytes + run.bytes - total.bytes,
    agentNsPerEvent,
    floorNsPerEvent,
    ratio: agentNsPerEvent / floorNsPerEvent,
    residentBytes: total.residentBytes,
    peakBytes: total.peakBytes,
    logged: [...new Set(total.logged)],
  };
}
