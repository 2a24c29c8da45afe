// A tree of files being made: paths, bytes and modes, whatever the umask of who makes it. Knows no image.
import { chmodSync, cpSync, lstatSync, mkdirSync, readdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';

const DIRECTORY_MODE = 0o755;

export class FileTree {
  /** The folder that holds it. */
  readonly folder: string;

  constructor(folder: string) {
    this.folder = folder;
    mkdirSync(folder, { recursive: true });
    chmodSync(folder, DIRECTORY_MODE);
  }

  /** Absolute path outside of a path inside, `/etc/passwd`. */
  at(path: string): string {
    return join(this.folder, path);
  }

  directory(path: string, mode = DIRECTORY_MODE): void {
    if (path === '/') return;
    if (!exists(this.at(path))) {
      this.directory(dirname(path));
      mkdirSync(this.at(path));
      chmodSync(this.at(path), mode);
    }
  }

  write(path: string, content: string | Uint8Array, mode = 0o644): void {
    this.directory(dirname(path));
    writeFileSync(this.at(path), content);
    chmodSync(this.at(path), mode);
  }

  /** A file of this machine; a link is followed. */
  copy(from: string, path: string, mode = 0o644): void {
    this.directory(dirname(path));
    cpSync(from, this.at(path), { dereference: true });
    chmodSync(this.at(path), mode);
  }

  link(path: string, target: string): void {
    this.directory(dirname(path));
    symlinkSync(target, this.at(path));
  }

  /** All paths inside, parents first, sorted by their bytes; directories end with `/`. */
  paths(): string[] {
    const found: string[] = [];
    const walk = (path: string): void => {
      for (const entry of readdirSync(this.at(path), { withFileTypes: true })) {
        const inside = `${path}${entry.name}`;
        found.push(entry.isDirectory() ? `${inside}/` : inside);
        if (entry.isDirectory()) walk(`${inside}/`);
      }
    };
    walk('/');
    return found.sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)));
  }

  /** Paths of files: neither folders nor links. */
  files(): string[] {
    return this.paths().filter((path) => !path.endsWith('/') && lstatSync(this.at(path)).isFile());
  }
}

function exists(path: string): boolean {
  return lstatSync(path, { throwIfNoEntry: false }) !== undefined;
}
