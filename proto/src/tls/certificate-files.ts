// Certificates and keys in files that change while we run: Kubernetes swaps a secret's files by a symlink, cert-manager renews
// them. Reads them at start, looks again now and then, keeps the last good ones, and tells grpc-js of new ones; connections that
// stand go on. What grpc-js itself has for it forgets the last good ones when a reading fails.
import { readFileSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import type { experimental } from '@grpc/grpc-js';
import { checkAuthorities, checkIdentity, type Validity } from './pem.ts';
import { TlsFileError } from './tls-file-error.ts';

/** Paths of PEM files. */
export interface CertificatePaths {
  /** Our own certificate, followed by those between it and the authority, and its key. */
  readonly own?: { readonly certFile: string; readonly keyFile: string } | undefined;
  /** Certificates of authorities that the other side's certificate must be of. */
  readonly authoritiesFile?: string | undefined;
}

/** What is needed of the surroundings. */
export interface CertificateSurroundings {
  readonly log: {
    info(fields: object, message: string): void;
    warn(fields: object, message: string): void;
    error(fields: object, message: string): void;
  };
  /** Milliseconds since the Unix epoch. */
  readonly now: () => number;
  /** Runs `callback` after `delayMs`; returns how to cancel it. Should not keep the process alive. */
  readonly schedule: (callback: () => void, delayMs: number) => () => void;
}

/** How the files stand, for metrics. */
export interface CertificateStatus {
  /** When what is used expires, ms since the Unix epoch. */
  readonly expiresMs: { readonly own: number | undefined; readonly authorities: number | undefined };
  /** Times that changed files were taken, and that they could not be. */
  readonly reloads: { readonly taken: number; readonly refused: number };
  /** Whether what is in the files now cannot be used, and what was before goes on. */
  readonly isStale: boolean;
}

/** How often files are looked at: a new secret reaches a pod within about a minute as it is. */
export const LOOK_EVERY_MS = 30_000;
/**
 * So long before the end of a certificate its owner hears of it in the log, once a day; of a short-lived one in the last part of
 * its life: who renews does so when two thirds are over.
 */
const WARN_BEFORE_MS = 7 * 86_400_000;
const WARN_PART_OF_LIFE = 1 / 5;
const WARN_EVERY_MS = 86_400_000;

interface Texts {
  readonly cert: string | undefined;
  readonly key: string | undefined;
  readonly authorities: string | undefined;
}

interface Checked extends Texts {
  readonly ownValidity: Validity | undefined;
  readonly authoritiesValidity: Validity | undefined;
}

type Provider = experimental.CertificateProvider;
type OwnListener = experimental.IdentityCertificateUpdateListener;
type AuthoritiesListener = experimental.CaCertificateUpdateListener;

/** The files. Whoever listens hears what is used now, and then what takes its place. */
export class CertificateFiles implements Provider {
  readonly #paths: CertificatePaths;
  readonly #surroundings: CertificateSurroundings;
  readonly #ownListeners = new Set<OwnListener>();
  readonly #authoritiesListeners = new Set<AuthoritiesListener>();
  readonly #reloads = { taken: 0, refused: 0 };
  #used: Checked;
  /** Why what is in the files now is not taken. */
  #problem: string | undefined;
  #warnedMs = Number.NEGATIVE_INFINITY;
  #cancelLook: (() => void) | undefined;
  #stopped = false;

  /** Reads the files. @throws TlsFileError when one cannot be used */
  constructor(paths: CertificatePaths, surroundings: CertificateSurroundings) {
    this.#paths = paths;
    this.#surroundings = surroundings;
    this.#used = this.#check(readNow(paths));
  }

  get status(): CertificateStatus {
    const { ownValidity, authoritiesValidity } = this.#used;
    return {
      expiresMs: { own: ownValidity?.expiresMs, authorities: authoritiesValidity?.expiresMs },
      reloads: { ...this.#reloads },
      isStale: this.#problem !== undefined,
    };
  }

  /** Begins to look for changes. */
  start(): void {
    this.#warnOfEnd();
    this.#lookLater();
  }

  /** Looks no more; what is used stays. */
  stop(): void {
    this.#stopped = true;
    this.#cancelLook?.();
  }

  /** Looks at the files now. Never rejects. */
  async look(): Promise<void> {
    try {
      // Between our reading of two files they may have been swapped: what does not fit is read again before it is a problem.
      const next = await this.#readChanged().catch(() => this.#readChanged());
      if (next !== undefined) this.#take(next);
      else if (this.#problem !== undefined) this.#solved('the files hold again what is used');
    } catch (error) {
      this.#refuse(error instanceof Error ? error.message : String(error));
    }
    this.#warnOfEnd();
  }

  addIdentityCertificateListener(listener: OwnListener): void {
    this.#ownListeners.add(listener);
    // grpc-js does not expect to hear of it before this call has returned.
    process.nextTick(() => this.#ownListeners.has(listener) && this.#tellOwn(listener));
  }

  removeIdentityCertificateListener(listener: OwnListener): void {
    this.#ownListeners.delete(listener);
  }

  addCaCertificateListener(listener: AuthoritiesListener): void {
    this.#authoritiesListeners.add(listener);
    process.nextTick(() => this.#authoritiesListeners.has(listener) && this.#tellAuthorities(listener));
  }

  removeCaCertificateListener(listener: AuthoritiesListener): void {
    this.#authoritiesListeners.delete(listener);
  }

  #lookLater(): void {
    this.#cancelLook = this.#surroundings.schedule(() => {
      void this.look().then(() => this.#stopped || this.#lookLater());
    }, LOOK_EVERY_MS);
  }

  /** What is in the files, checked; undefined when it is what is used. */
  async #readChanged(): Promise<Checked | undefined> {
    const { own, authoritiesFile } = this.#paths;
    // One after the other: of several that are gone the first is the problem, at every look.
    const cert = await readText(own?.certFile);
    const key = await readText(own?.keyFile);
    const authorities = await readText(authoritiesFile);
    const texts = { cert, key, authorities };
    return isSame(texts, this.#used) ? undefined : this.#check(texts);
  }

  #check(texts: Texts): Checked {
    const { own, authoritiesFile } = this.#paths;
    const nowMs = this.#surroundings.now();
    const { cert, key, authorities } = texts;
    return {
      ...texts,
      ownValidity:
        own && cert !== undefined && key !== undefined ? checkIdentity({ cert, key }, own, nowMs) : undefined,
      authoritiesValidity:
        authoritiesFile !== undefined && authorities !== undefined
          ? checkAuthorities(authorities, authoritiesFile, nowMs)
          : undefined,
    };
  }

  #take(next: Checked): void {
    const before = this.#used;
    this.#used = next;
    this.#reloads.taken++;
    this.#warnedMs = Number.NEGATIVE_INFINITY;
    if (next.authorities !== before.authorities) {
      for (const listener of this.#authoritiesListeners) this.#tellAuthorities(listener);
    }
    if (next.cert !== before.cert || next.key !== before.key) {
      for (const listener of this.#ownListeners) this.#tellOwn(listener);
    }
    this.#solved('new certificates are used for connections that come from now on');
  }

  #solved(message: string): void {
    this.#problem = undefined;
    const { own, authorities } = this.status.expiresMs;
    this.#surroundings.log.info(
      {
        files: this.#paths,
        ...(own !== undefined && { ownExpires: new Date(own).toISOString() }),
        ...(authorities !== undefined && { authoritiesExpire: new Date(authorities).toISOString() }),
      },
      message,
    );
  }

  /** Said once for each problem, however often it is met. */
  #refuse(problem: string): void {
    if (problem === this.#problem) return;
    this.#problem = problem;
    this.#reloads.refused++;
    this.#surroundings.log.warn(
      { files: this.#paths },
      `changed certificates are not used; those before go on: ${problem}`,
    );
  }

  #warnOfEnd(): void {
    const nowMs = this.#surroundings.now();
    if (nowMs - this.#warnedMs < WARN_EVERY_MS) return;
    const { own, authoritiesFile } = this.#paths;
    const { ownValidity, authoritiesValidity } = this.#used;
    const ending = [
      { file: own?.certFile, validity: ownValidity },
      { file: authoritiesFile, validity: authoritiesValidity },
    ].filter(({ validity }) => validity !== undefined && isEnding(validity, nowMs));
    for (const { file, validity } of ending) {
      this.#warnedMs = nowMs;
      const expires = new Date(validity!.expiresMs).toISOString();
      const fields = { file, expires };
      if (validity!.expiresMs > nowMs)
        this.#surroundings.log.warn(fields, `the certificate in ${file} expires at ${expires}: renew it`);
      else {
        const message = `the certificate in ${file} expired at ${expires}; new connections fail: renew it`;
        this.#surroundings.log.error(fields, message);
      }
    }
  }

  #tellOwn(listener: OwnListener): void {
    const { cert, key } = this.#used;
    listener(
      cert === undefined || key === undefined ? null : { certificate: Buffer.from(cert), privateKey: Buffer.from(key) },
    );
  }

  #tellAuthorities(listener: AuthoritiesListener): void {
    const { authorities } = this.#used;
    listener(authorities === undefined ? null : { caCertificate: Buffer.from(authorities) });
  }
}

function isEnding({ fromMs, expiresMs }: Validity, nowMs: number): boolean {
  return expiresMs - nowMs < Math.min(WARN_BEFORE_MS, WARN_PART_OF_LIFE * (expiresMs - fromMs));
}

function readNow({ own, authoritiesFile }: CertificatePaths): Texts {
  const readSync = (file: string | undefined) => {
    if (file === undefined) return undefined;
    try {
      return readFileSync(file, 'utf8');
    } catch (error) {
      throw unreadable(file, error);
    }
  };
  return { cert: readSync(own?.certFile), key: readSync(own?.keyFile), authorities: readSync(authoritiesFile) };
}

async function readText(file: string | undefined): Promise<string | undefined> {
  if (file === undefined) return undefined;
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    throw unreadable(file, error);
  }
}

function unreadable(file: string, error: unknown): TlsFileError {
  const reason = error instanceof Error ? error.message : String(error);
  return new TlsFileError(
    `cannot read ${file} (${reason}): check the path, and that the user of this process may read it`,
    { cause: error },
  );
}

function isSame(a: Texts, b: Texts): boolean {
  return a.cert === b.cert && a.key === b.key && a.authorities === b.authorities;
}
