// A folder of npm packages at another path. Knows file systems alone.
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';

/** Hundreds of megabytes: the same files under other names where one disk has both, copies elsewhere. */
export function copyPackages(from: string, to: string): void {
  try {
    execFileSync('cp', ['-al', from, to], { stdio: 'ignore' });
  } catch {
    rmSync(to, { recursive: true, force: true });
    execFileSync('cp', ['-a', from, to]);
  }
}
