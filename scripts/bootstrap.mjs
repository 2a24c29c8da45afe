// Makes a fresh clone ready: npm packages, then (as root on Debian) the system packages that the kernel tests and the demo
// need. Plain JavaScript for any Node from 18 on: it runs before the pinned Node is there. Says what it does; when it may
// not install something, says precisely what is missing and fails.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** Commands that tests and demo call, and the Debian package of each. */
const SYSTEM_COMMANDS = {
  ip: 'iproute2',
  nft: 'nftables',
  conntrack: 'conntrack',
  ethtool: 'ethtool',
  gcc: 'gcc',
  python3: 'python3',
  etcd: 'etcd-server',
  promtool: 'prometheus',
};
/** Needed beside the commands: headers for the C programs, and a way to make Python environments. */
const SYSTEM_FILES = {
  '/usr/include/stdio.h': 'libc6-dev',
};

function run(command, args) {
  const result = spawnSync(command, args, { cwd: root, stdio: 'inherit' });
  if (result.error) throw result.error;
  return result.status ?? 1;
}

function fail(message) {
  console.error(`bootstrap: ${message}`);
  process.exit(1);
}

function npmPackages() {
  const lock = join(root, 'package-lock.json');
  const installed = join(root, 'node_modules', '.package-lock.json');
  const fresh = existsSync(installed) && statSync(installed).mtimeMs >= statSync(lock).mtimeMs;
  if (fresh && existsSync(join(root, 'node_modules', '.bin', 'node'))) return;
  console.log('bootstrap: installing npm packages (npm ci)');
  if (run('npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']) !== 0) fail('npm ci failed; see above');
}

function onPath(command) {
  return (process.env.PATH ?? '')
    .split(':')
    .concat('/usr/sbin', '/sbin')
    .some((dir) => existsSync(join(dir, command)));
}

function systemPackages() {
  if (process.platform !== 'linux') return;
  const missing = new Set();
  for (const [command, name] of Object.entries(SYSTEM_COMMANDS)) if (!onPath(command)) missing.add(name);
  for (const [file, name] of Object.entries(SYSTEM_FILES)) if (!existsSync(file)) missing.add(name);
  if (missing.size === 0) return;
  const names = [...missing];
  const debian = existsSync('/etc/os-release') && /^ID(_LIKE)?=.*debian/m.test(readFileSync('/etc/os-release', 'utf8'));
  if (process.getuid?.() !== 0 || !debian) {
    if (process.argv.includes('--system-optional')) {
      console.log(`bootstrap: going on without ${names.join(' ')}`);
      return;
    }
    fail(
      `missing: ${names.join(' ')}. Install them (on Debian: apt-get install ${names.join(' ')}) and run this again.`,
    );
  }
  console.log(`bootstrap: installing Debian packages: ${names.join(' ')}`);
  run('apt-get', ['update', '-q=2']);
  if (
    run('env', [
      'DEBIAN_FRONTEND=noninteractive',
      'apt-get',
      'install',
      '-q=2',
      '-y',
      '--no-install-recommends',
      ...names,
    ]) !== 0
  ) {
    fail('apt-get install failed; see above');
  }
}

// --npm-only: no system packages. --system-optional: install them where that is allowed, else go on without.
npmPackages();
if (!process.argv.includes('--npm-only')) systemPackages();
