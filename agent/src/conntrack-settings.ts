// The kernel's settings that accounting needs: switched on at the start, looked after from then on. Somebody may switch
// them off again (sysctl --system), or load conntrack only later.
import { ensureSysctl, readSysctl, type SysctlOutcome } from './system/sysctl.ts';

const SETTINGS = ['nf_conntrack_acct', 'nf_conntrack_timestamp', 'nf_conntrack_events'] as const;
type Setting = (typeof SETTINGS)[number];

/** What is lost while a setting is not 1. */
function consequence(name: Setting, value: number | undefined): string {
  switch (name) {
    case 'nf_conntrack_acct':
      return 'connections are not counted: their bytes are missing, and reports say so as loss "no-counters"';
    case 'nf_conntrack_timestamp':
      return 'a connection that reuses the addresses and ports of one just ended may be mistaken for it';
    case 'nf_conntrack_events':
      return value === 2
        ? 'connections that were open before the agent began may end without a last reading'
        : 'connections end without a last reading, and those between two readings are not seen at all';
  }
}

/** Takes what should be logged. */
export type SettingsLog = (level: 'info' | 'warn', message: string, fields: Record<string, unknown>) => void;

/** Keeps the settings of this network namespace. */
export class ConntrackSettings {
  readonly #maySet: boolean;
  readonly #log: SettingsLog;
  readonly #directory: string | undefined;
  /** Whether each was as wanted when it was looked at last. */
  readonly #ok = new Map<Setting, boolean>();

  /** @param directory where the settings are; for tests */
  constructor(maySet: boolean, log: SettingsLog, directory?: string) {
    this.#maySet = maySet;
    this.#log = log;
    this.#directory = directory;
  }

  /** Whether new entries have start times. */
  get timestamps(): boolean {
    return this.#ok.get('nf_conntrack_timestamp') ?? false;
  }

  /** Whether the kernel has them: not before conntrack is loaded. */
  get present(): boolean {
    return readSysctl('nf_conntrack_acct', this.#directory) !== undefined;
  }

  /** Switches on what is off; says what is wrong where it may not, and returns it. */
  switchOn(): readonly SysctlOutcome[] {
    const wrong: SysctlOutcome[] = [];
    for (const name of SETTINGS) {
      const outcome = ensureSysctl(name, 1, this.#maySet, this.#directory);
      this.#ok.set(name, outcome.ok);
      if (outcome.changed) this.#log('info', 'switched on', { sysctl: `net.netfilter.${name}` });
      if (outcome.ok) continue;
      wrong.push(outcome);
      this.#complain(name, outcome);
    }
    return wrong;
  }

  /** Looks again; what was switched off meanwhile is switched on. Returns those that were not as wanted. */
  recheck(): string[] {
    const wrong: string[] = [];
    for (const name of SETTINGS) {
      const wasOk = this.#ok.get(name) ?? false;
      const found = readSysctl(name, this.#directory);
      if (found === 1) {
        if (!wasOk) this.#log('info', 'switched on by somebody else', { sysctl: `net.netfilter.${name}` });
        this.#ok.set(name, true);
        continue;
      }
      wrong.push(name);
      const outcome = ensureSysctl(name, 1, this.#maySet, this.#directory);
      this.#ok.set(name, outcome.ok);
      if (outcome.changed) {
        const fields = { sysctl: `net.netfilter.${name}`, value: found ?? null };
        this.#log('warn', `was not 1: ${consequence(name, found)}; switched on again`, fields);
      } else if (wasOk) this.#complain(name, outcome);
    }
    return wrong;
  }

  #complain(name: Setting, { value, problem }: SysctlOutcome): void {
    this.#log('warn', `net.netfilter.${name} is not 1: ${consequence(name, value)}`, {
      value: value ?? null,
      problem: problem ?? null,
      remedy: `sysctl -w net.netfilter.${name}=1, or let the agent write /proc/sys (privileged, root)`,
    });
  }
}
