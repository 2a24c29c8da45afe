// `flowtoll-agent sysctls`: switches on the kernel's settings that accounting needs, and ends. For an init container, so that the agent
// itself needs no right to write /proc/sys.
import { Command, Option } from 'commander';
import { ConntrackSettings, type SettingsLog } from '../conntrack-settings.ts';
import { AgentError } from '../errors.ts';
import { createLogger } from '../log.ts';
import { NFNLGRP_CONNTRACK_DESTROY } from '../source/conntrack/constants.ts';
import { EventSocket } from '../system/netlink-socket.ts';

/** The command, to be added to the program. */
export function sysctlsCommand(): Command {
  return new Command('sysctls')
    .description('switch on nf_conntrack_acct, nf_conntrack_timestamp and nf_conntrack_events, and end')
    .addOption(new Option('--directory <dir>', 'where the settings can be written').default('/proc/sys/net/netfilter'))
    .action(({ directory }: { readonly directory: string }) => {
      const log = createLogger('info');
      switchOnSettings({ log: (level, message, fields) => log[level](fields, message), loadConntrack, directory });
    });
}

export interface SwitchOnParts {
  readonly log: SettingsLog;
  /** Has the kernel load conntrack; without it there are no settings. */
  readonly loadConntrack: () => void;
  /**
   * Where the settings are. An unprivileged container has /proc/sys read-only, and can have the host's /proc/sys/net mounted elsewhere, which
   * is as good: which namespace's settings these are depends on who opens them.
   */
  readonly directory: string;
}

/**
 * A setting that this kernel does not have is only said: the agent does without. One that is there and cannot be written is an error, because
 * whoever asked for it gave too few rights.
 * @throws AgentError NOT_PERMITTED
 */
export function switchOnSettings({ log, loadConntrack, directory }: SwitchOnParts): void {
  const settings = new ConntrackSettings(true, log, directory);
  if (!settings.present) {
    try {
      loadConntrack();
    } catch (error) {
      log('warn', 'conntrack could not be loaded', { problem: (error as Error).message });
    }
  }
  const refused = settings.switchOn().filter(({ value }) => value !== undefined);
  if (refused.length > 0) {
    throw new AgentError(
      'NOT_PERMITTED',
      `cannot write ${refused.map(({ name, problem }) => `net.netfilter.${name} (${problem ?? 'it stays as it was'})`).join(', ')}; ` +
        'run this as root in a privileged container on the host network, or set them on the node and leave this out',
    );
  }
}

/** The kernel loads conntrack's netlink part, and with it conntrack, for whoever listens to it. */
function loadConntrack(): void {
  new EventSocket(NFNLGRP_CONNTRACK_DESTROY, 64 * 1024, false).close();
}
