// The OCI layout of small trees: read back by what did not write it, and the same bytes whoever makes it, wherever and whenever.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, utimesSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { FileTree } from './parts/file-tree.ts';
import { type ImageConfig, imageConfig } from './parts/image-config.ts';
import { writeOciLayout } from './parts/oci-layout.ts';
import type { Architecture } from './parts/platforms.ts';

const READER = join(import.meta.dirname, '..', 'test', 'support', 'oci_layout.py');
const config: ImageConfig = imageConfig('aggregator', '1.2.3');

interface ReadFile {
  readonly kind: string;
  readonly mode: number;
  readonly owner: string;
  readonly time: number;
  readonly content: string | null;
}

interface ReadLayout {
  readonly images: readonly {
    readonly platform: object;
    readonly config: object;
    readonly files: Readonly<Record<string, ReadFile>>;
    readonly layers: number;
  }[];
  readonly digests: readonly string[];
  readonly docker: readonly { readonly RepoTags: readonly string[]; readonly Layers: readonly string[] }[] | null;
}

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'flowtoll-oci-'));
});
afterEach(() => rmSync(folder, { recursive: true }));

const FILES: readonly (readonly [path: string, content: string, mode?: number | undefined])[] = [
  ['/etc/passwd', 'root:x:0:0'],
  ['/usr/lib/libc.so.6', 'code'],
  ['/usr/local/bin/node', 'node', 0o755],
  ['/opt/flowtoll/flowtoll.mjs', 'program', 0o755],
  ['/opt/flowtoll/LICENSE', 'words'],
];

interface Circumstances {
  readonly files?: typeof FILES;
  readonly umask?: number;
  readonly seconds?: number;
  readonly architectures?: readonly Architecture[];
}

/** Makes the tree and its layout in a folder of this name; path of the tar and the digest. */
async function make(name: string, circumstances: Circumstances = {}): Promise<{ file: string; digest: string }> {
  const { files = FILES, umask = 0o022, seconds = 1_700_000_000, architectures = ['amd64', 'arm64'] } = circumstances;
  const before = process.umask(umask);
  try {
    const place = join(folder, name);
    const images = architectures.map((architecture) => {
      const tree = new FileTree(join(place, architecture));
      for (const [path, content, mode] of files) {
        tree.write(path, `${content} for ${architecture}`, mode);
        utimesSync(tree.at(path), seconds, seconds);
      }
      tree.directory('/tmp', 0o1777);
      tree.link('/lib', 'usr/lib');
      return { architecture, tree, config };
    });
    mkdirSync(join(place, 'work'));
    const file = join(place, 'image.tar');
    return { file, digest: await writeOciLayout('example.org/flowtoll/x:1.2.3', images, join(place, 'work'), file) };
  } finally {
    process.umask(before);
  }
}

function read(file: string): ReadLayout {
  return JSON.parse(execFileSync('python3', [READER, file], { encoding: 'utf8' })) as ReadLayout;
}

describe('an OCI layout', () => {
  test('holds the files of each platform, owned by root, and how it is started', async () => {
    const { file, digest } = await make('a');
    const { images, digests, docker } = read(file);
    expect(digests).toEqual([digest]);
    expect(images.map(({ platform }) => platform)).toEqual([
      { architecture: 'amd64', os: 'linux' },
      { architecture: 'arm64', os: 'linux' },
    ]);
    expect(docker).toBeNull();
    for (const [index, architecture] of ['amd64', 'arm64'].entries()) {
      const { files, layers } = images[index]!;
      expect(layers).toBe(3);
      const entry = (kind: string, mode: number, content: string | null): ReadFile => ({
        ...{ kind, mode, content },
        ...{ owner: '0:0', time: 0 },
      });
      const folders = ['/etc', '/opt', '/opt/flowtoll', '/usr', '/usr/lib', '/usr/local', '/usr/local/bin'];
      expect(files).toEqual({
        ...Object.fromEntries(folders.map((path) => [path, entry('folder', 0o755, null)])),
        ...Object.fromEntries(
          FILES.map(([path, content, mode = 0o644]) => [path, entry('file', mode, `${content} for ${architecture}`)]),
        ),
        '/tmp': entry('folder', 0o1777, null),
        '/lib': entry('link', 0o777, 'usr/lib'),
      });
    }
    expect(images[0]!.config).toEqual({
      User: '65532:65532',
      ExposedPorts: { '4460/tcp': {}, '4461/tcp': {}, '9464/tcp': {} },
      Env: Object.entries(config.env).map(([name, value]) => `${name}=${value}`),
      Entrypoint: ['/usr/local/bin/node', '/opt/flowtoll/flowtoll.mjs'],
      Cmd: ['--help'],
      WorkingDir: '/',
      StopSignal: 'SIGTERM',
      Labels: config.labels,
    });
  });

  test('of one platform can be loaded by what knows no OCI layouts', async () => {
    const { file, digest } = await make('one', { architectures: ['amd64'] });
    const { images, digests, docker } = read(file);
    expect(digests).toEqual([digest]);
    expect(images.length).toBe(1);
    expect(docker).toMatchObject([{ RepoTags: ['example.org/flowtoll/x:1.2.3'] }]);
    expect(docker![0]!.Layers.length).toBe(3);
  });

  test('is the same whoever makes it, where, when, and in which order', async () => {
    const a = await make('a');
    const b = await make('somewhere/else', { umask: 0o077, seconds: 1_000_000_000, files: FILES.toReversed() });
    expect(b.digest).toBe(a.digest);
    expect(readFileSync(b.file).equals(readFileSync(a.file))).toBe(true);
  });

  test.each<[string, typeof FILES]>([
    ['content', FILES.map(([path, content, mode], index) => [path, index === 0 ? `${content}!` : content, mode])],
    ['mode', FILES.map(([path, content, mode], index) => [path, content, index === 0 ? 0o600 : mode])],
    ['name', FILES.map(([path, content, mode], index) => [index === 0 ? `${path}-` : path, content, mode])],
  ])('has another digest when a %s is another', async (_, files) => {
    expect((await make('b', { files })).digest).not.toBe((await make('a')).digest);
  });
});
