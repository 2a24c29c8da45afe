// The volume that the store lies on, as a machine sees it: mounted, mounted read-only, or gone, with an empty folder in its
// place. As root. Knows nothing of what lies on it.
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';

export class Volume {
  /** Where it is mounted. */
  readonly path: string;
  readonly #backing: string;
  #mounted = false;
  readonly #onExit = (): void => this.goAway();

  /** Mounts it, with what `backing` holds. */
  constructor(path: string, backing: string) {
    this.path = path;
    this.#backing = backing;
    mkdirSync(path, { recursive: true });
    mkdirSync(backing, { recursive: true });
    process.once('exit', this.#onExit);
    this.comeBack();
  }

  /** What is open stays open; nothing new can be written. */
  refuseWrites(): void {
    run('mount', '-o', 'remount,bind,ro', this.path);
  }

  /** It is not there any more. */
  goAway(): void {
    if (!this.#mounted) return;
    run('umount', '-l', this.path);
    this.#mounted = false;
  }

  /** It is there again, and can be written. */
  comeBack(): void {
    if (this.#mounted) run('mount', '-o', 'remount,bind,rw', this.path);
    else run('mount', '--bind', this.#backing, this.path);
    this.#mounted = true;
  }

  /** Unmounts it for good. */
  [Symbol.dispose](): void {
    process.off('exit', this.#onExit);
    this.goAway();
  }
}

function run(...[program, ...args]: [string, ...string[]]): void {
  const { status, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')}: ${stderr.trim()} (this needs root)`);
}
