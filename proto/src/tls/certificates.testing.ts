// Certificates for tests, made by openssl: what the code under test reads is not written by a library that it uses.
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';

/** PEM texts. */
export interface Pair {
  readonly cert: string;
  readonly key: string;
}

export interface LeafOptions {
  readonly commonName?: string;
  /** As openssl writes them: "DNS:aggregator,IP:127.0.0.1,URI:spiffe://…". */
  readonly names?: string;
  /** Days from now to its end; below zero: it has expired. */
  readonly days?: number;
}

const EC_KEY = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];

/** An authority of a test's own. */
export class TestAuthority {
  readonly #directory: string;
  /** Its certificate. */
  readonly cert: string;

  /** @param directory a temporary one, where openssl works */
  constructor(directory: string, name = 'test authority') {
    this.#directory = mkdtempSync(join(directory, 'authority-'));
    this.#openssl(
      'req',
      '-x509',
      ...EC_KEY,
      '-keyout',
      'ca.key',
      '-out',
      'ca.crt',
      '-days',
      '30',
      '-subj',
      `/CN=${name}`,
    );
    this.cert = this.#read('ca.crt');
  }

  /** A certificate that it signs, and its key. */
  issue({ commonName = 'leaf', names, days = 2 }: LeafOptions = {}): Pair {
    writeFileSync(join(this.#directory, 'extensions'), names === undefined ? '' : `subjectAltName=${names}\n`);
    this.#openssl('req', '-new', ...EC_KEY, '-keyout', 'leaf.key', '-out', 'leaf.csr', '-subj', `/CN=${commonName}`);
    const signer = ['-CA', 'ca.crt', '-CAkey', 'ca.key', '-CAcreateserial', '-extfile', 'extensions'];
    this.#openssl('x509', '-req', '-in', 'leaf.csr', ...signer, '-days', String(days), '-out', 'leaf.crt');
    return { cert: this.#read('leaf.crt'), key: this.#read('leaf.key') };
  }

  #openssl(...args: string[]): void {
    execFileSync('openssl', args, { cwd: this.#directory, stdio: ['ignore', 'pipe', 'pipe'] });
  }

  #read(file: string): string {
    return readFileSync(join(this.#directory, file), 'utf8');
  }
}

/**
 * A folder of files that changes as kubelet changes a mounted secret: the files are links through `..data`, which is a link to
 * the folder of the day, and is swapped by a rename.
 */
export class MountedSecret {
  readonly directory: string;
  #generation = 0;

  constructor(directory: string, files: Readonly<Record<string, string>>) {
    this.directory = mkdtempSync(join(directory, 'secret-'));
    this.put(files);
    for (const name of Object.keys(files)) symlinkSync(join('..data', name), this.path(name));
  }

  path(name: string): string {
    return join(this.directory, name);
  }

  /** Puts other contents in the place of all files, at one instant. */
  put(files: Readonly<Record<string, string>>): void {
    const target = join(this.directory, `..${++this.#generation}`);
    mkdirSync(target);
    for (const [name, text] of Object.entries(files)) writeFileSync(join(target, name), text);
    symlinkSync(basename(target), join(this.directory, '..data_tmp'));
    renameSync(join(this.directory, '..data_tmp'), join(this.directory, '..data'));
  }

  /** Writes into a file as it is, as somebody who does not know better would. */
  scribble(name: string, text: string): void {
    writeFileSync(this.path(name), text);
  }
}

/** A temporary folder and how to remove it. */
export function temporaryFolder(): { readonly path: string; remove(): void } {
  const path = mkdtempSync(join(tmpdir(), 'flowtoll-tls-'));
  return { path, remove: () => rmSync(path, { recursive: true, force: true }) };
}
