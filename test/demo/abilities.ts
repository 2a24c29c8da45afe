// Whether this machine lets the demo make network namespaces; if not, why.
import { spawnSync } from 'node:child_process';
import { accessSync, constants } from 'node:fs';
import { join } from 'node:path';

/** Programs that the laboratory calls. */
const PROGRAMS = ['ip', 'nft', 'ethtool', 'python3', 'setpriv'];

/** Why no namespaces can be made here, or undefined when they can. */
export function obstacle(): string | undefined {
  if (process.platform !== 'linux') return `this is ${process.platform}, and network namespaces are Linux's`;
  if (process.getuid?.() !== 0) return 'making network namespaces needs root (try: sudo npm run demo)';
  const missing = PROGRAMS.filter((program) => !isInstalled(program));
  if (missing.length > 0) return `not installed: ${missing.join(', ')}`;
  const probe = spawnSync('unshare', ['--net', 'nft', 'add', 'table', 'inet', 'probe'], { encoding: 'utf8' });
  if (probe.status !== 0)
    return `this machine does not allow network namespaces: ${probe.stderr?.trim() ?? 'no unshare'}`;
  return undefined;
}

function isInstalled(program: string): boolean {
  return [...(process.env['PATH'] ?? '').split(':'), '/usr/sbin', '/sbin'].some((directory) => {
    try {
      accessSync(join(directory, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
}
