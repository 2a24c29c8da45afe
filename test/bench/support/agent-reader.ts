// The agent's reading and accounting alone, as a program of the benchmark: the product's own source, accountant and loop,
// driven by one command a line, in one thread; no worker, no gRPC.
//
// Arguments: reliable|lossy, event buffer in bytes.
// Commands: dump      one full dump                          → entries, wallNs, cpuNs, userNs
//           take      ends the window of the dumps           → sums of its flows, cpuNs
//           listen    starts the agent's loop: events, dumps, windows
//           sums      what the loop has yielded in ended windows and met so far
//           stop      ends the loop                          → the same, with the last window
import { read, writeSync } from 'node:fs';
import { type Capture, createAccountant, startCapture } from '../../../agent/src/capture.ts';
import { type CaptureConfig, CILIUM_DEFAULTS } from '../../../agent/src/config.ts';
import type { WindowFlows } from '../../../agent/src/flow/window-flows.ts';
import { LiveConntrack } from '../../../agent/src/source/conntrack/live.ts';
import { processMemory } from './process-memory.ts';

/** The agent's defaults, but for the window: an end each 5 s shows in a short run what a window costs. */
const config: CaptureConfig = {
  node: 'bench',
  dumpIntervalMs: 5000,
  windowMs: 5000,
  maxFlows: 20_000,
  clusterRanges: [],
  initiatorPrefixV4: 24,
  initiatorPrefixV6: 48,
  eventBufferBytes: Number(process.argv[3] ?? 32 * 1024 * 1024),
  reliableEvents: process.argv[2] === 'reliable',
  reliableEventsMaxFillPercent: 75,
  setSysctls: false,
  logLevel: 'info',
  source: 'conntrack',
  cilium: CILIUM_DEFAULTS,
};

const nowUs = () => Date.now() * 1000;

/** Sums over the flows of windows. */
class Sums {
  flows = 0;
  bytes = 0;
  packets = 0;
  connections = 0;
  /** Entries in loss rows, by reason. */
  readonly lost: Record<string, number> = {};

  add(window: WindowFlows): void {
    this.flows += window.count;
    for (let i = 0; i < window.count; i++) {
      this.bytes += window.initiatorBytes[i]! + window.responderBytes[i]!;
      this.packets += window.initiatorPackets[i]! + window.responderPackets[i]!;
      this.connections += window.connections[i]!;
    }
    for (const { reason, entries } of window.losses) this.lost[reason] = (this.lost[reason] ?? 0) + (entries ?? 0);
  }
}

/** CPU and wall time of `work`, ns. */
function measured<T>(work: () => T): { result: T; wallNs: number; cpuNs: number; userNs: number } {
  const cpu = process.cpuUsage();
  const wall = process.hrtime.bigint();
  const result = work();
  const wallNs = Number(process.hrtime.bigint() - wall);
  const { user, system } = process.cpuUsage(cpu);
  return { result, wallNs, cpuNs: (user + system) * 1000, userNs: user * 1000 };
}

/** Dumps on demand. */
class Dumps {
  readonly #source = new LiveConntrack({
    eventBufferBytes: config.eventBufferBytes,
    reliableEvents: config.reliableEvents,
    nowUs,
  });
  readonly #accountant = createAccountant(config, { timestamps: true, ends: 'events' }, nowUs());

  dump() {
    const before = this.#accountant.counts.messages;
    const { wallNs, cpuNs, userNs } = measured(() => this.#source.dump(this.#accountant));
    return { entries: this.#accountant.counts.messages - before, wallNs, cpuNs, userNs };
  }

  take() {
    const { result, cpuNs } = measured(() => this.#accountant.closeWindow(nowUs()));
    const sums = new Sums();
    sums.add(result);
    return { ...sums, cpuNs };
  }

  close(): void {
    this.#source.close();
  }
}

/** The agent's loop. */
class Listening {
  readonly #sums = new Sums();
  readonly #cpu = process.cpuUsage();
  readonly #logged: string[] = [];
  readonly #capture: Capture = startCapture(config, {
    log: (level, message) => {
      if (level !== 'info' && this.#logged.length < 20) this.#logged.push(message);
    },
    onWindow: ({ window }) => this.#sums.add(window),
  });

  sums() {
    const { user, system } = process.cpuUsage(this.#cpu);
    return {
      ...this.#sums,
      cpuNs: (user + system) * 1000,
      userNs: user * 1000,
      counts: this.#capture.counts(),
      logged: this.#logged,
      ...processMemory(process.pid),
    };
  }

  stop() {
    this.#capture.stop();
    return this.sums();
  }
}

let dumps: Dumps | undefined;
let listening: Listening | undefined;

function obey(command: string): unknown {
  if (command === 'listen') {
    listening = new Listening();
    return { ready: true };
  }
  if (command === 'sums') return listening?.sums();
  if (command === 'stop') {
    const answer = listening?.stop();
    listening = undefined;
    return answer;
  }
  dumps ??= new Dumps();
  if (command === 'dump') return dumps.dump();
  if (command === 'take') return dumps.take();
  throw new Error(`unknown command ${command}`);
}

/** Commands come by plain reads: streams and readline would be 2 MB in what is measured. */
const input = Buffer.alloc(4096);
let pending = '';
function readCommands(): void {
  read(0, input, 0, input.length, null, (error, length) => {
    if (error) throw error;
    if (length === 0) {
      listening?.stop();
      dumps?.close();
      return;
    }
    const lines = (pending + input.toString('latin1', 0, length)).split('\n');
    pending = lines.pop() ?? '';
    for (const line of lines) writeSync(1, `${JSON.stringify(obey(line))}\n`);
    readCommands();
  });
}
readCommands();
