// Cilium's conntrack maps as a source: which layout they have, and what may go wrong with them, said once each.
import type { CaptureLog, CaptureSource, Reading } from './capture-source.ts';
import type { CaptureConfig } from './config.ts';
import { AgentError } from './errors.ts';
import type { Accountant } from './flow/accountant.ts';
import type { CiliumLayout } from './source/cilium/layout.ts';
import { CiliumConntrack, type CiliumProblem } from './source/cilium/live.ts';

/** Entries that must all count nothing before accounting is taken to be off. */
export const ACCOUNTING_OFF_ENTRIES = 5;

const FORMS: Readonly<Record<string, CiliumLayout>> = {
  'cilium-directional': 'directional',
  'cilium-merged': 'merged',
};

/**
 * Opens the maps.
 * @throws SystemCallError NOT_PERMITTED without CAP_BPF; AgentError SOURCE_UNKNOWN for maps of an unknown form
 */
export function openCiliumSource(
  config: Pick<CaptureConfig, 'cilium'>,
  nowUs: () => number,
  log: CaptureLog,
): CaptureSource {
  const { maps: directory, layout, frameHeaderBytes } = config.cilium;
  const source = new CiliumConntrack({ directory, layout, frameHeaderBytes, nowUs });
  try {
    const seen = source.detectLayout();
    if (seen !== undefined) source.assumeLayout(seen);
  } catch (error) {
    source.close();
    throw error;
  }
  return {
    timestamps: false,
    ends: 'absence',
    get form() {
      return `cilium-${source.layout ?? 'unknown'}`;
    },
    accepts(form) {
      const layout = FORMS[form];
      if (layout === undefined) return false;
      source.assumeLayout(layout);
      return source.layout === layout;
    },
    bind(accountant): Reading {
      const watch = new Watch(source, accountant, directory, log);
      return {
        pollEvents: () => 0,
        dump: () => source.dump(accountant),
        beforeDump: () => {},
        afterDump: () => watch.look(),
        get status() {
          return {
            name: 'cilium' as const,
            mapsReplaced: source.mapsReplaced,
            isAccountingOff: isAccountingOff(source),
          };
        },
      };
    },
    close: () => source.close(),
  };
}

/** Whether there are entries and none of them counts: Cilium's accounting is off by default from 1.16 on. */
export function isAccountingOff(source: CiliumConntrack): boolean {
  const { entries, withoutCounters } = source.lastReading;
  return entries >= ACCOUNTING_OFF_ENTRIES && withoutCounters === entries;
}

/** What to do about Cilium's accounting when it is off. */
export const ACCOUNTING_ADVICE =
  'switch it on with the Helm value bpf.ctAccounting=true (Cilium 1.17 and later) or `cilium config ConntrackAccounting=true`';

/** Looks after each reading at what is wrong, and says what has changed. */
class Watch {
  readonly #source: CiliumConntrack;
  readonly #accountant: Accountant;
  readonly #directory: string;
  readonly #log: CaptureLog;
  #problem: string | undefined;
  #layout: CiliumLayout | undefined;
  #wasOff = false;
  #mapsReplaced = 0;
  #reset = 0;

  constructor(source: CiliumConntrack, accountant: Accountant, directory: string, log: CaptureLog) {
    this.#source = source;
    this.#accountant = accountant;
    this.#directory = directory;
    this.#log = log;
  }

  look(): void {
    const { problem, layout } = this.#source;
    if (problem?.kind === 'layout-changed') {
      throw new AgentError(
        'SOURCE_CHANGED',
        `the entries of Cilium's maps in ${this.#directory} have another layout than before: Cilium was upgraded. ` +
          'The agent ends, and begins anew when it is started again',
      );
    }
    this.#accountant.isSourceMissing = problem !== undefined;
    this.#accountant.directionsMerged = layout === 'merged';
    this.#sayProblem(problem);
    if (layout !== this.#layout) {
      this.#layout = layout;
      const directions =
        layout === 'merged' ? 'both together: what was sent is not told from what was received' : 'each';
      this.#log('info', "reading Cilium's conntrack maps", { directory: this.#directory, layout, directions });
    }
    this.#sayAccounting();
    const { mapsReplaced } = this.#source;
    if (mapsReplaced > this.#mapsReplaced) {
      this.#log('warn', 'Cilium replaced its maps; connections go on in the new ones', { mapsReplaced });
      this.#mapsReplaced = mapsReplaced;
    }
    const { countersReset } = this.#accountant.counts;
    if (countersReset > this.#reset) {
      const entries = countersReset - this.#reset;
      this.#log('warn', 'connections were opened again before their last bytes were read', { entries });
      this.#reset = countersReset;
    }
  }

  #sayProblem(problem: CiliumProblem | undefined): void {
    const text = problem && describe(problem, this.#directory);
    if (text === this.#problem) return;
    if (text !== undefined) this.#log('error', text, { directory: this.#directory });
    else this.#log('info', "Cilium's maps can be read again", { directory: this.#directory });
    this.#problem = text;
  }

  #sayAccounting(): void {
    const isOff = isAccountingOff(this.#source);
    if (isOff === this.#wasOff) return;
    this.#wasOff = isOff;
    if (isOff) this.#log('error', `Cilium counts no bytes: ${ACCOUNTING_ADVICE}`, { ...this.#source.lastReading });
    else this.#log('info', 'Cilium counts bytes now', { ...this.#source.lastReading });
  }
}

function describe(problem: CiliumProblem, directory: string): string {
  switch (problem.kind) {
    case 'no-maps':
      return `no conntrack map of Cilium is pinned in ${directory} (--cilium-maps): is Cilium running, and is the directory mounted?`;
    case 'layout-unknown':
      return (
        'too few TCP connections in the maps, or too different ones, to tell which version of Cilium wrote them: nothing is ' +
        'counted until then. Say it with --cilium-layout: "directional" until Cilium 1.15, "merged" from 1.16 on'
      );
    case 'layout-changed':
      return 'the layout of the entries has changed';
    case 'system-call':
      return problem.error.message;
  }
}
