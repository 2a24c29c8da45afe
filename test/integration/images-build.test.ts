// The steps of each Dockerfile's build stage, done in a folder as a builder would do them in a container: what they copy is all that the
// assembler needs, and from other paths, by somebody with another umask, the root file system is the same to the byte. What is not done is
// what needs a daemon: the base image, apt-get, and npm ci, whose packages are copied.
import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { PackageGoneError } from '../../images/parts/debian-archive.ts';
import type { ImageLock } from '../../images/parts/lock.ts';
import type { ProgramName } from '../../images/parts/programs.ts';
import { copyPackages } from '../support/copy-packages.ts';
import { treeOf } from '../support/image-tree.ts';
import { ARCHITECTURE, FETCHED, imageOf, withLock } from '../support/images.ts';

const ROOT = join(import.meta.dirname, '..', '..');

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'flowtoll-build-'));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** Everything of a tree: names, kinds, modes, contents. */
function contentOf(root: string): string[] {
  return treeOf(root).map(({ path, kind, mode, target }) => {
    const digest =
      kind === 'file'
        ? createHash('sha256')
            .update(readFileSync(join(root, path)))
            .digest('hex')
        : '';
    return `${path} ${kind} ${mode.toString(8)} ${target ?? digest}`;
  });
}

/** Does what the first stage says, up to the command that assembles. */
function prepare(instructions: readonly string[], lock: ImageLock): string[] {
  for (const line of instructions) {
    const [keyword, ...words] = line.split(' ');
    if (keyword !== 'COPY') continue;
    const target = words.pop()!;
    for (const source of words) {
      const place = target.endsWith('/') ? join(folder, target, source.split('/').at(-1)!) : join(folder, target);
      mkdirSync(join(place, '..'), { recursive: true });
      const isSent = (path: string): boolean =>
        !/\/(node_modules|images\/(out|\.cache))$|\.test\.ts$/.test(path.slice(ROOT.length));
      cpSync(join(ROOT, source), place, { recursive: true, filter: isSent });
    }
  }
  copyPackages(join(ROOT, 'node_modules'), join(folder, 'node_modules'));
  writeFileSync(join(folder, 'images', 'images.lock.json'), JSON.stringify(lock));
  const [assembling] = instructions.filter((line) => line.startsWith('RUN node ')).map((line) => line.slice(4));
  return assembling!.replaceAll('$TARGETARCH', ARCHITECTURE).replaceAll('/out', join(folder, 'out')).split(' && ');
}

test.each<ProgramName>(['agent', 'aggregator'])(
  'the build stage of %s.Dockerfile makes the root file system that the tests run',
  async (program) => {
    const { root } = await imageOf(program);
    const text = readFileSync(join(ROOT, 'images', `${program}.Dockerfile`), 'utf8');
    const stage = text.slice(text.indexOf('\nFROM '), text.lastIndexOf('\nFROM '));
    await withLock(async (lock) => {
      const [assemble, move] = prepare(stage.split('\n'), lock);
      const environment = { ...process.env, PATH: `${join(process.execPath, '..')}:${process.env['PATH']}` };
      try {
        const shell = `umask 077 && ${assemble} --cache ${FETCHED} && ${move}`;
        execFileSync('sh', ['-c', shell], { cwd: folder, env: environment, stdio: ['ignore', 'pipe', 'pipe'] });
      } catch (error) {
        const words = String((error as { stderr?: Buffer }).stderr);
        throw words.includes('PackageGoneError') ? new PackageGoneError(words) : new Error(words);
      }
    });
    expect(contentOf(join(folder, 'out', 'root'))).toEqual(contentOf(root));
  },
);
