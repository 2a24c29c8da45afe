// The volume that the store lies on, as a machine sees it: mounted, mounted read-only, or gone, with an empty folder in its
// place. As root. Knows nothing of what lies on it.
import { mkdirSync } from 'node:fs';
import { mount, unmount } from '../support/mounts.ts';

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
    mount('-o', 'remount,bind,ro', this.path);
  }

  /** It is not there any more. */
  goAway(): void {
    if (!this.#mounted) return;
    unmount(this.path);
    this.#mounted = false;
  }

  /** It is there again, and can be written. */
  comeBack(): void {
    if (this.#mounted) mount('-o', 'remount,bind,rw', this.path);
    else mount('--bind', this.#backing, this.path);
    this.#mounted = true;
  }

  /** Unmounts it for good. */
  [Symbol.dispose](): void {
    process.off('exit', this.#onExit);
    this.goAway();
  }
}
