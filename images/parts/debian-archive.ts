// Packages of Debian for any architecture, by apt with a root of its own: nothing of the machine's own packages is read or changed.
// Knows apt and where the machine's Debian comes from; knows no image.
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { command } from './command.ts';
import type { LockedPackage } from './lock.ts';
import type { Architecture } from './platforms.ts';

/** A version that its archive does not have any more: a later one has taken its place. */
export class PackageGoneError extends Error {
  override readonly name = 'PackageGoneError';
}

/** The archive of one suite and architecture, asked once. */
export class DebianArchive {
  readonly #folder: string;
  readonly #options: readonly string[];

  private constructor(folder: string, options: readonly string[]) {
    this.#folder = folder;
    this.#options = options;
  }

  /** Reads the lists of packages. @param cache where a temporary folder may be */
  static async open(cache: string, suite: string, architecture: Architecture): Promise<DebianArchive> {
    mkdirSync(cache, { recursive: true });
    const folder = mkdtempSync(join(cache, `apt-${architecture}-`));
    for (const part of ['state/lists/partial', 'cache/archives/partial', 'etc/preferences.d']) {
      mkdirSync(join(folder, part), { recursive: true });
    }
    writeFileSync(join(folder, 'status'), '');
    writeFileSync(join(folder, 'etc', 'sources.list'), await sources(suite));
    const options = [
      `Dir::State=${folder}/state`,
      `Dir::State::status=${folder}/status`,
      `Dir::Cache=${folder}/cache`,
      `Dir::Etc=${folder}/etc`,
      'Dir::Etc::SourceParts=/dev/null',
      `APT::Architecture=${architecture}`,
      `APT::Architectures=${architecture}`,
      'APT::Sandbox::User=root',
      'Acquire::Languages=none',
      'Acquire::IndexTargets::deb::DEP-11::DefaultEnabled=false',
      'Acquire::IndexTargets::deb::Contents-deb::DefaultEnabled=false',
    ].flatMap((option) => ['-o', option]);
    const archive = new DebianArchive(folder, options);
    try {
      await command('apt-get', [...options, '--error-on=any', '-q=2', 'update']);
      return archive;
    } catch (error) {
      archive.close();
      throw error;
    }
  }

  /** The version that would be installed now, and its checksum. */
  async newest(name: string): Promise<LockedPackage> {
    const text = await command('apt-cache', [...this.#options, 'show', '--no-all-versions', name]);
    const field = (key: string): string => {
      const value = new RegExp(`^${key}: (.+)$`, 'm').exec(text)?.[1];
      if (value === undefined) throw new Error(`the archive says no ${key} of ${name}`);
      return value;
    };
    const integrity = `sha256-${Buffer.from(field('SHA256'), 'hex').toString('base64')}`;
    return { name, version: field('Version'), integrity };
  }

  /** Puts the file of a package into a folder. Throws PackageGoneError when the archive has another version. */
  async fetchInto(folder: string, { name, version }: LockedPackage): Promise<void> {
    try {
      await command('apt-get', [...this.#options, '-q=2', 'download', `${name}=${version}`], { cwd: folder });
    } catch (error) {
      if (!/was not found|404/.test((error as Error).message)) throw error;
      throw new PackageGoneError(
        `Debian has ${name} ${version} no more; run "node images/lock.ts", look at what changed, and commit it`,
      );
    }
  }

  close(): void {
    rmSync(this.#folder, { recursive: true, force: true });
  }
}

/** Lines for apt: the suite, its updates and its security updates, from the servers that this machine's own Debian comes from. */
async function sources(suite: string): Promise<string> {
  const { main, security } = await servers();
  const keyring = ['pgp', 'gpg']
    .map((end) => `/usr/share/keyrings/debian-archive-keyring.${end}`)
    .find((path) => existsSync(path));
  if (keyring === undefined) {
    throw new Error('the keys of Debian are missing: apt-get install debian-archive-keyring');
  }
  const line = (server: string, name: string): string => `deb [signed-by=${keyring}] ${server} ${name} main\n`;
  return line(main, suite) + line(main, `${suite}-updates`) + line(security, `${suite}-security`);
}

async function servers(): Promise<{ main: string; security: string }> {
  const format = '$(ORIGIN)|$(LABEL)|$(SITE)';
  const lines = (await command('apt-get', ['indextargets', '--format', format])).split('\n');
  const siteOf = (label: string): string | undefined =>
    lines.find((line) => line.startsWith(`Debian|${label}|`))?.split('|')[2];
  const main = process.env['FLOWTOLL_DEBIAN_MIRROR'] ?? siteOf('Debian');
  const security = process.env['FLOWTOLL_DEBIAN_SECURITY_MIRROR'] ?? siteOf('Debian-Security');
  if (main === undefined || security === undefined) {
    throw new Error(
      "this machine's apt knows no Debian and its security updates (apt-get update?); name the servers in " +
        'FLOWTOLL_DEBIAN_MIRROR and FLOWTOLL_DEBIAN_SECURITY_MIRROR',
    );
  }
  return { main, security };
}
