// Files of npm and PyPI by their ordinary clients, for any architecture. Knows how the clients are called.
import { command } from './command.ts';

/** Puts the archive of an npm package into a folder. */
export async function fetchNpm(folder: string, name: string, version: string): Promise<void> {
  await command('npm', ['pack', '--silent', `${name}@${version}`], { cwd: folder });
}

/** npm's own word on a package: its version's integrity. */
export async function npmIntegrity(name: string, version: string): Promise<string> {
  return (await command('npm', ['view', `${name}@${version}`, 'dist.integrity'])).trim();
}

/** Puts a wheel into a folder. @param platform tag of the machine that it is for, `manylinux2014_aarch64` */
export async function fetchWheel(folder: string, name: string, version: string, platform: string): Promise<void> {
  const options = ['--quiet', '--disable-pip-version-check', '--no-deps', '--only-binary=:all:'];
  const from = ['--platform', platform, '--dest', folder, `${name}==${version}`];
  await command('python3', ['-m', 'pip', 'download', ...options, ...from]);
}
